"""What people are told, and how it reaches them: in the page, by e-mail, by webhook."""

from __future__ import annotations

import datetime as dt
import secrets

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from measurements.events import Event

BACK_OFF = tuple(dt.timedelta(seconds=wait_s) for wait_s in (30, 120, 600, 3600, 6 * 3600))
"""How long after each failed try the next one comes; after one more it has failed for good."""
LEASE = dt.timedelta(seconds=90)
"""Who took something to send has so long; then somebody else may, should that one be dead."""


class NotificationQuerySet(models.QuerySet["Notification"]):
    def unread(self) -> NotificationQuerySet:
        return self.filter(read_at=None)

    def mark_read(self) -> int:
        return self.unread().update(read_at=timezone.now())

    def due(self) -> NotificationQuerySet:
        """Those that are to be mailed now."""
        return self.filter(mail=Notification.Mail.DUE, mail_at__lte=timezone.now()).order_by("pk")


class Notification(models.Model):
    """One thing that one person is told, once: `key` names the occasion."""

    class Mail(models.TextChoices):
        NONE = "none", "not asked for"
        DUE = "due", "to be sent"
        SENT = "sent", "sent"
        FAILED = "failed", "failed"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications"
    )
    event = models.CharField(max_length=30, choices=Event)
    key = models.CharField(max_length=200)
    text = models.CharField(max_length=400)
    url = models.CharField(max_length=300)
    at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True)
    mail = models.CharField(max_length=10, choices=Mail, default=Mail.NONE)
    mail_at = models.DateTimeField(null=True, help_text="When it is tried next")
    mail_tries = models.PositiveIntegerField(default=0)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["user"], condition=Q(read_at=None), name="unread_notifications"),
            models.Index(fields=["mail_at"], condition=Q(mail="due"), name="mail_that_is_due"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="told_once"),
            models.CheckConstraint(
                condition=~Q(mail="due") | Q(mail_at__isnull=False), name="due_mail_has_a_time"
            ),
        ]

    def __str__(self) -> str:
        return self.text

    def claim_mail(self) -> bool:
        """Take it to be mailed; False if somebody else did."""
        mine = Notification.objects.due().filter(pk=self.pk).order_by()
        return bool(mine.update(mail_at=timezone.now() + LEASE, mail_tries=F("mail_tries") + 1))

    def mailed(self) -> None:
        Notification.objects.filter(pk=self.pk).update(mail=self.Mail.SENT)

    def not_mailed(self) -> None:
        """Try again later, or give up."""
        self.refresh_from_db(fields=["mail_tries"])
        if self.mail_tries > len(BACK_OFF):
            changed = {"mail": self.Mail.FAILED}
        else:
            changed = {"mail_at": timezone.now() + BACK_OFF[self.mail_tries - 1]}
        Notification.objects.filter(pk=self.pk).update(**changed)


class NotificationChoice(models.Model):
    """Of which events somebody wants no word in the page, and of which an e-mail, too."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_choice"
    )
    muted = ArrayField(models.CharField(max_length=30, choices=Event), default=list, blank=True)
    mailed = ArrayField(models.CharField(max_length=30, choices=Event), default=list, blank=True)

    def __str__(self) -> str:
        return f"choices of {self.user_id}"


class Webhook(models.Model):
    """Where a POST goes when something happens.

    Its secret is not stored: it is made from SECRET_KEY and a nonce, so that neither the
    database nor a copy of it tells how to sign.
    """

    name = models.CharField(max_length=80, unique=True)
    url = models.CharField(max_length=500)
    events = ArrayField(models.CharField(max_length=30, choices=Event))
    is_active = models.BooleanField(default=True)
    nonce = models.CharField(max_length=64, editable=False, default=secrets.token_hex)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(events__len__gt=0), name="webhook_has_events")
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("webhook", args=[self.pk])

    @property
    def secret(self) -> str:
        """64 hexadecimal digits; shown once, when it is made or made anew."""
        return salted_hmac("polyweb.webhook", self.nonce, algorithm="sha256").hexdigest()

    def renew_secret(self) -> None:
        self.nonce = secrets.token_hex()
        self.save(update_fields=["nonce"])


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self) -> DeliveryQuerySet:
        now = timezone.now()
        return self.filter(state=Delivery.State.DUE, next_at__lte=now).order_by("next_at")


class Delivery(models.Model):
    """One POST to a webhook, tried until it is taken or given up."""

    class State(models.TextChoices):
        DUE = "due", "to be sent"
        DELIVERED = "delivered", "delivered"
        FAILED = "failed", "failed"

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=30)
    key = models.CharField(max_length=200)
    body = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=10, choices=State, default=State.DUE)
    tries = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True, default=timezone.now)
    status = models.PositiveIntegerField(null=True, help_text="HTTP; NULL: there was no answer")
    took_ms = models.FloatField(null=True)
    error = models.CharField(max_length=300, blank=True)
    ended_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(state="due"), name="deliveries_due"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["webhook", "key"], name="delivered_once"),
            models.CheckConstraint(
                condition=Q(state="due", next_at__isnull=False, ended_at=None)
                | (~Q(state="due") & Q(next_at=None, ended_at__isnull=False)),
                name="due_delivery_has_a_next_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="delivered")
                | Q(status__isnull=False, status__gte=200, status__lt=300),
                name="delivered_means_taken",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook_id}"

    def claim(self) -> bool:
        """Take it to be sent; False if somebody else did."""
        mine = Delivery.objects.due().filter(pk=self.pk).order_by()
        taken = mine.update(next_at=timezone.now() + LEASE, tries=F("tries") + 1)
        if taken:
            self.refresh_from_db()
        return bool(taken)

    def delivered(self, *, status: int, took_s: float) -> None:
        self._end(self.State.DELIVERED, status=status, took_ms=1e3 * took_s, error="")

    def not_delivered(self, why: str) -> None:
        """Try again after a while, or give up."""
        if self.tries > len(BACK_OFF):
            self.give_up(why)
        else:
            self.next_at, self.error = timezone.now() + BACK_OFF[self.tries - 1], why[:300]
            self.save(update_fields=["next_at", "error"])

    def give_up(self, why: str) -> None:
        self._end(self.State.FAILED, error=why[:300])

    def _end(self, state: str, **fields: object) -> None:
        changed = {"state": state, "next_at": None, "ended_at": timezone.now(), **fields}
        for name, value in changed.items():
            setattr(self, name, value)
        self.save(update_fields=list(changed))
