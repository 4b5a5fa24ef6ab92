"""Telling people: rows in the transaction of the deed, sent afterwards by the courier."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.mail import EmailMessage
from django.db import models, transaction
from django.utils import timezone

from measurements import outgoing
from measurements.events import Event
from measurements.models import (
    Calibration,
    Delivery,
    Notification,
    NotificationChoice,
    Webhook,
)
from measurements.roles import ADMIN, holders

EXPIRES_WITHIN = dt.timedelta(days=14)
AT_ONCE = 20
"""So many are sent in one go; the rest waits for the next tick."""


@transaction.atomic
def tell(
    event: Event,
    text: str,
    *,
    to: Iterable[AbstractUser | None],
    subject: models.Model,
    by: AbstractUser | None = None,
    key: str = "",
    url: str = "",
) -> None:
    """Tell `to`, but never who did it; and every webhook that listens to `event`.

    Args:
        key: Names the occasion: with the same key nobody is told twice.
        url: A path of this site; the subject's page if it is empty.
    """
    key = (key or f"{event}:{uuid.uuid4()}")[:200]
    url = url or subject.get_absolute_url()
    people = {user.pk: user for user in to if user is not None and user.is_active and user != by}
    choices = {row.user_id: row for row in NotificationChoice.objects.filter(user__in=people)}
    rows = [
        _row(user, event, choices.get(pk), text=text[:400], url=url[:300], key=key)
        for pk, user in people.items()
        if pk not in choices or event not in choices[pk].muted
    ]
    Notification.objects.bulk_create(rows, ignore_conflicts=True)
    _to_webhooks(event, text, key=key, url=url, subject=subject, by=by)


def test_delivery(webhook: Webhook, *, by: AbstractUser) -> Delivery:
    """A POST that says only that it is a test."""
    body = _body("test", f"{by} tests this webhook.", url=webhook.get_absolute_url(),
                 subject=webhook, by=by)  # fmt: skip
    return webhook.deliveries.create(event="test", key=f"test:{uuid.uuid4()}", body=body)


def send_due() -> None:
    """Mails and webhooks whose time has come."""
    for delivery in Delivery.objects.due().select_related("webhook")[:AT_ONCE]:
        if delivery.claim():
            deliver(delivery)
    for notification in Notification.objects.due().select_related("user")[:AT_ONCE]:
        if notification.claim_mail():
            mail(notification)


def deliver(delivery: Delivery) -> None:
    """Post it once, signed; what came of it stands in its row."""
    webhook, body = delivery.webhook, delivery.body.encode()
    if not webhook.is_active:
        delivery.give_up("The webhook is switched off.")
        return
    try:
        answer = outgoing.post(webhook.url, body, headers_of(delivery, body), rules())
    except outgoing.Forbidden as error:
        delivery.give_up(str(error))
    except outgoing.NotSent as error:
        delivery.not_delivered(str(error))
    else:
        delivery.delivered(status=answer.status, took_s=answer.took_s)


def headers_of(delivery: Delivery, body: bytes, *, now_s: int | None = None) -> dict[str, str]:
    """The signature is HMAC-SHA256 over the time in seconds, a full stop and the body."""
    stamp = str(int(time.time()) if now_s is None else now_s)
    return {
        "Content-Type": "application/json",
        "User-Agent": "PolyWeb",
        "X-PolyWeb-Event": delivery.event,
        "X-PolyWeb-Delivery": str(delivery.pk),
        "X-PolyWeb-Timestamp": stamp,
        "X-PolyWeb-Signature": f"sha256={signature(delivery.webhook.secret, stamp, body)}",
    }


def signature(secret: str, stamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def rules() -> outgoing.Rules:
    """As the environment sets them."""
    return outgoing.Rules(
        hosts=tuple(settings.WEBHOOK_HOSTS),
        allow_http=settings.WEBHOOK_ALLOW_HTTP,
        allow_private=settings.WEBHOOK_ALLOW_PRIVATE,
    )


def mail(notification: Notification) -> None:
    text = " ".join(notification.text.split())
    message = EmailMessage(
        subject=f"PolyWeb: {text[:120]}",
        body=f"{notification.text}\n\n{settings.PUBLIC_URL}{notification.url}\n\n"
        f"Which events send you a mail: {settings.PUBLIC_URL}/notifications/choices/\n",
        to=[notification.user.email],
    )
    try:
        message.send()
    except OSError:  # smtplib's errors are, too
        notification.not_mailed()
    else:
        notification.mailed()


def calibrations_expiring() -> None:
    """Tell who made a calibration, and the admins, before it stops to hold."""
    now = timezone.now()
    soon = Calibration.objects.standing().filter(
        valid_until__gt=now, valid_until__lte=now + EXPIRES_WITHIN
    )
    for calibration in soon.select_related("device", "made_by"):
        current = Calibration.of_device(calibration.device)
        if current is not None and current.pk == calibration.pk:
            _tell_of_expiry(calibration)


def _tell_of_expiry(calibration: Calibration) -> None:
    day = f"{timezone.localtime(calibration.valid_until):%Y-%m-%d}"
    tell(
        Event.CALIBRATION_EXPIRING,
        f"The calibration of {calibration.device} expires on {day}: runs after that have "
        "energies by the board's own sensors only.",
        to=[calibration.made_by, *holders(ADMIN)],
        subject=calibration,
        key=f"calibration-expiring:{calibration.pk}",
    )


def _row(user: AbstractUser, event: Event, choice: NotificationChoice | None, **fields: Any
         ) -> Notification:  # fmt: skip
    is_mailed = settings.MAIL_IS_ON and user.email and choice and event in choice.mailed
    due = {"mail": Notification.Mail.DUE, "mail_at": timezone.now()} if is_mailed else {}
    return Notification(user=user, event=event, **fields, **due)


def _to_webhooks(event: Event, text: str, *, key: str, url: str, subject: models.Model,
                 by: AbstractUser | None) -> None:  # fmt: skip
    if not settings.WEBHOOK_HOSTS:
        return
    listening = Webhook.objects.filter(is_active=True, events__contains=[event])
    body = _body(event, text, url=url, subject=subject, by=by)
    Delivery.objects.bulk_create(
        [Delivery(webhook=webhook, event=event, key=key, body=body) for webhook in listening],
        ignore_conflicts=True,
    )


def _body(event: str, text: str, *, url: str, subject: models.Model, by: AbstractUser | None
          ) -> str:  # fmt: skip
    said = {
        "version": 1,
        "event": str(event),
        "at": timezone.now().isoformat(),
        "text": text,
        "url": f"{settings.PUBLIC_URL}{url}",
        "actor": str(by) if by is not None else None,
        "subject": {
            "type": subject._meta.model_name,
            "id": str(subject.pk),
            "label": str(subject),
        },
    }
    return json.dumps(said, ensure_ascii=False)
