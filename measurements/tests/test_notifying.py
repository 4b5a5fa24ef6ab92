from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from measurements import notifying
from measurements.events import Event
from measurements.models import (
    AuditEntry,
    Calibration,
    Delivery,
    Notification,
    NotificationChoice,
    Webhook,
)
from measurements.models.notifications import BACK_OFF
from measurements.roles import ADMIN, OPERATOR

from .http_server import http_server
from .rows import make_device, make_done_run, make_user

pytestmark = pytest.mark.django_db


def tell(*users, event: Event = Event.SWEEP_FINISHED, **fields) -> None:
    values = {"to": users, "subject": make_done_run()}
    notifying.tell(event, "It has finished.", **{**values, **fields})


def make_webhook(url: str = "https://hook.example/in", **fields) -> Webhook:
    values = {"name": "ci", "url": url, "events": [Event.SWEEP_FINISHED]}
    return Webhook.objects.create(**{**values, **fields})


@pytest.fixture
def allowed(settings):
    settings.WEBHOOK_HOSTS = ["hook.example"]
    return settings


@pytest.fixture
def receiver(settings):
    """A real server on the loopback, which the rules allow here."""
    with http_server() as server:
        settings.WEBHOOK_HOSTS = [server.url.removeprefix("http://")]
        settings.WEBHOOK_ALLOW_HTTP = settings.WEBHOOK_ALLOW_PRIVATE = True
        yield server


def signed_in(role: str = OPERATOR, **fields) -> Client:
    client = Client()
    client.user = make_user(role, **fields)
    client.force_login(client.user)
    return client


def test_everybody_is_told_once_and_never_who_did_it():
    ada, bob = make_user(), make_user()
    tell(ada, ada, bob, None, make_user(is_active=False), by=bob, key="one")
    tell(ada, key="one")
    assert [row.user for row in Notification.objects.all()] == [ada]


def test_who_muted_an_event_hears_nothing_of_it():
    ada = make_user()
    NotificationChoice.objects.create(user=ada, muted=[Event.SWEEP_FINISHED])
    tell(ada)
    tell(ada, event=Event.SWEEP_FAILED)
    assert [row.event for row in Notification.objects.all()] == [Event.SWEEP_FAILED]


def test_the_bell_counts_what_is_unread_by_one_query(django_assert_num_queries):
    client = signed_in()
    for _ in range(3):
        tell(client.user)
    page = client.get(reverse("notifications")).content.decode()
    assert ">3<span" in page
    with django_assert_num_queries(1):
        assert client.user.notifications.unread().count() == 3
    client.post(reverse("notifications_read"))
    assert "bell-count" not in client.get(reverse("notifications")).content.decode()


def test_opening_one_leads_to_what_it_is_about_and_marks_it_read():
    client, run = signed_in(), make_done_run()
    tell(client.user, subject=run)
    found = Notification.objects.get()
    answer = client.post(reverse("notification", args=[found.pk]))
    assert answer.url == run.get_absolute_url()
    found.refresh_from_db()
    assert found.read_at is not None


def test_nobody_opens_what_another_is_told():
    tell(make_user())
    path = reverse("notification", args=[Notification.objects.get().pk])
    assert signed_in().post(path).status_code == 404


def test_an_empty_list_says_what_will_stand_there():
    page = signed_in().get(reverse("notifications")).content.decode()
    assert "Nothing to tell yet" in page


def test_a_long_list_takes_a_few_queries(django_assert_max_num_queries):
    client = signed_in()
    for _ in range(60):
        tell(client.user)
    with django_assert_max_num_queries(6):
        client.get(reverse("notifications"), {"page": 2})


def test_choices_are_kept_and_shown_again():
    client = signed_in()
    client.post(reverse("notification_choices"), {"page_mention": "on", "mail_mention": "on"})
    kept = NotificationChoice.objects.get(user=client.user)
    assert kept.mailed == [Event.MENTION]
    assert set(kept.muted) == set(Event.values) - {"mention"}
    page = client.get(reverse("notification_choices")).content.decode()
    assert page.count("checked") == 2
    assert "This server sends no e-mail" in page


def test_a_mail_is_sent_only_to_who_asked_and_only_where_mail_is_on(settings):
    ada = make_user(email="ada@mail.example")
    NotificationChoice.objects.create(user=ada, mailed=[Event.SWEEP_FINISHED])
    tell(ada)
    settings.MAIL_IS_ON = True
    tell(ada)
    tell(ada, event=Event.MENTION)
    tell(make_user(email="bob@mail.example"))
    notifying.send_due()
    notifying.send_due()
    assert [message.to for message in mail.outbox] == [["ada@mail.example"]]
    assert mail.outbox[0].subject == "PolyWeb: It has finished."
    assert f"{settings.PUBLIC_URL}/runs/" in mail.outbox[0].body


def test_a_text_with_a_line_break_makes_no_second_header(settings):
    settings.MAIL_IS_ON = True
    ada = make_user(email="ada@mail.example")
    NotificationChoice.objects.create(user=ada, mailed=[Event.SWEEP_FINISHED])
    notifying.tell(
        Event.SWEEP_FINISHED, "x\nBcc: eve@evil.example", to=[ada], subject=make_done_run()
    )
    notifying.send_due()
    assert mail.outbox[0].subject == "PolyWeb: x Bcc: eve@evil.example"
    assert mail.outbox[0].recipients() == ["ada@mail.example"]


def test_a_mail_that_fails_is_tried_again_and_given_up_in_the_end(settings, monkeypatch):
    settings.MAIL_IS_ON = True
    ada = make_user(email="ada@mail.example")
    NotificationChoice.objects.create(user=ada, mailed=[Event.SWEEP_FINISHED])
    tell(ada)

    def refuse(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    for tries in range(1, len(BACK_OFF) + 2):
        Notification.objects.update(mail_at=timezone.now() - dt.timedelta(seconds=1))
        notifying.send_due()
        assert Notification.objects.get().mail_tries == tries
    assert Notification.objects.get().mail == Notification.Mail.FAILED


def test_a_webhook_hears_its_events_signed_over_time_and_body(receiver):
    webhook, ada = make_webhook(f"{receiver.url}/in"), make_user(username="ada")
    tell(event=Event.SWEEP_FAILED)
    tell(ada, by=ada, key="one")
    tell(key="one")
    notifying.send_due()
    got = receiver.next()
    assert receiver.asked.empty()
    said = json.loads(got.body)
    assert (said["event"], said["text"], said["actor"]) == (
        "sweep_finished", "It has finished.", "ada")  # fmt: skip
    stamp = got.headers["X-PolyWeb-Timestamp"]
    signed = hmac.new(webhook.secret.encode(), f"{stamp}.".encode() + got.body, hashlib.sha256)
    assert got.headers["X-PolyWeb-Signature"] == f"sha256={signed.hexdigest()}"
    sent = Delivery.objects.get()
    assert (sent.state, sent.status, sent.tries) == (Delivery.State.DELIVERED, 204, 1)


def test_a_delivery_that_is_refused_comes_again_after_a_while_and_then_fails(receiver):
    make_webhook(receiver.url)
    receiver.answer = lambda asked: (500, b"")
    tell()
    for tries, wait in enumerate(BACK_OFF, start=1):
        before = timezone.now()
        notifying.send_due()
        notifying.send_due()  # Too early: nothing is sent.
        found = Delivery.objects.get()
        assert (found.state, found.tries) == (Delivery.State.DUE, tries)
        assert before + wait <= found.next_at <= timezone.now() + wait
        Delivery.objects.update(next_at=timezone.now())
    notifying.send_due()
    found = Delivery.objects.get()
    assert (found.state, found.tries, found.error) == (
        Delivery.State.FAILED, len(BACK_OFF) + 1, "It answered 500.")  # fmt: skip


def test_a_redirect_or_a_private_address_fails_at_once(receiver, settings):
    make_webhook(receiver.url)
    receiver.answer = lambda asked: (302, b"")
    tell()
    notifying.send_due()
    assert "redirect" in Delivery.objects.get().error
    settings.WEBHOOK_ALLOW_PRIVATE = False
    tell()
    notifying.send_due()
    assert "not a public address" in Delivery.objects.first().error
    assert {row.state for row in Delivery.objects.all()} == {Delivery.State.FAILED}


def test_two_couriers_send_a_delivery_once(allowed):
    make_webhook()
    tell()
    one, again = Delivery.objects.get(), Delivery.objects.get()
    assert one.claim()
    assert not again.claim()


def test_a_webhook_that_is_off_hears_nothing(allowed):
    make_webhook(is_active=False)
    tell()
    assert not Delivery.objects.exists()


def test_without_allowed_hosts_nothing_is_even_written_down():
    make_webhook()
    tell()
    assert not Delivery.objects.exists()


def test_the_secret_is_shown_once_and_stored_nowhere(allowed):
    admin = signed_in(ADMIN)
    data = {"name": "ci", "url": "https://hook.example/in", "events": ["mention"], "is_active": 1}
    page = admin.post(reverse("webhooks"), data).content.decode()
    webhook = Webhook.objects.get()
    assert webhook.secret in page
    assert webhook.secret not in str(Webhook.objects.values())
    assert webhook.secret not in admin.get(webhook.get_absolute_url()).content.decode()
    before = webhook.secret
    page = admin.post(reverse("webhook_deed", args=[webhook.pk, "renew"])).content.decode()
    webhook.refresh_from_db()
    assert webhook.secret != before and webhook.secret in page
    verbs = AuditEntry.objects.of(webhook).values_list("verb", flat=True)
    assert list(verbs) == ["renewed the secret", "added"]
    assert webhook.secret not in str(AuditEntry.objects.values())


def test_a_test_is_delivered_and_its_answer_logged(receiver):
    admin, webhook = signed_in(ADMIN), make_webhook(receiver.url)
    admin.post(reverse("webhook_deed", args=[webhook.pk, "test"]))
    notifying.send_due()
    assert json.loads(receiver.next().body)["event"] == "test"
    assert "delivered" in admin.get(webhook.get_absolute_url()).content.decode()


def test_only_admins_manage_webhooks(allowed):
    operator, webhook = signed_in(), make_webhook()
    for path in (reverse("webhooks"), webhook.get_absolute_url()):
        assert operator.get(path).status_code == 403
        assert operator.post(path).status_code == 403
    for deed in ("test", "renew", "delete"):
        assert operator.post(reverse("webhook_deed", args=[webhook.pk, deed])).status_code == 403


def test_a_url_that_would_never_be_sent_to_is_refused_at_its_field(allowed):
    data = {"name": "ci", "url": "https://evil.example/", "events": ["mention"], "is_active": 1}
    answer = signed_in(ADMIN).post(reverse("webhooks"), data)
    assert answer.status_code == 422
    assert "is not among the hosts" in answer.content.decode()


def test_a_webhook_is_changed_and_deleted(allowed):
    admin, webhook = signed_in(ADMIN), make_webhook()
    data = {"name": "ci", "url": "https://hook.example/new", "events": ["comment"]}
    admin.post(webhook.get_absolute_url(), data)
    webhook.refresh_from_db()
    assert (webhook.url, webhook.is_active) == ("https://hook.example/new", False)
    admin.post(reverse("webhook_deed", args=[webhook.pk, "delete"]))
    assert not Webhook.objects.exists()
    assert admin.post(reverse("webhook_deed", args=[1, "explode"])).status_code == 404


def test_the_database_refuses_what_makes_no_sense():
    webhook, user = make_webhook(), make_user()
    for deed, name in (
        (lambda: make_webhook(name="other", events=[]), "webhook_has_events"),
        (lambda: webhook.deliveries.create(key="a", next_at=None), "due_delivery_has_a_next_time"),
        (
            lambda: webhook.deliveries.create(
                key="a", state="delivered", next_at=None, ended_at=timezone.now(), status=500
            ),
            "delivered_means_taken",
        ),
        (
            lambda: Notification.objects.create(user=user, key="a", mail="due"),
            "due_mail_has_a_time",
        ),
    ):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            deed()


def make_calibration(**fields) -> Calibration:
    now = timezone.now()
    values = {"device": make_device(), "meter": "m", "file_name": "f", "file_sha256": "0" * 64,
              "valid_from": now - dt.timedelta(days=80), "valid_until": now + dt.timedelta(days=10),
              "gain": 1.0, "gain_half_width": 0.01, "offset_w": 0.0, "offset_half_width_w": 0.1,
              "correlation": 0.0, "lowest_w": 5.0, "highest_w": 30.0, "residual_w": 0.1,
              "readings": 100, "batches": 20, "lag_s": 0.0, "drift_ppm": 0.0, "peak": 0.9,
              "runner_up": 0.2}  # fmt: skip
    return Calibration.objects.create(**{**values, **fields})


def test_who_made_a_calibration_and_the_admins_hear_once_that_it_expires():
    maker, admin = make_user(OPERATOR), make_user(ADMIN)
    make_calibration(made_by=maker)
    make_calibration(valid_until=timezone.now() + dt.timedelta(days=40))
    notifying.calibrations_expiring()
    notifying.calibrations_expiring()
    assert {row.user for row in Notification.objects.all()} == {maker, admin}
    assert Notification.objects.count() == 2


def test_a_calibration_that_a_later_one_replaces_expires_quietly():
    old = make_calibration(made_by=make_user(OPERATOR))
    now = timezone.now()
    make_calibration(device=old.device, valid_from=now, valid_until=now + dt.timedelta(days=90))
    notifying.calibrations_expiring()
    assert not Notification.objects.exists()
