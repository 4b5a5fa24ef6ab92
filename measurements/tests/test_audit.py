from __future__ import annotations

import csv
import io

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from measurements.models import AuditEntry, DeviceToken, RailMap
from measurements.roles import ADMIN, OPERATOR

from .rows import make_device, make_user

pytestmark = pytest.mark.django_db


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(make_user(role))
    return client


def test_an_entry_says_who_did_what_to_which_object():
    ada, device = make_user(username="ada"), make_device(name="orin")
    entry = AuditEntry.objects.note(ada, "calibrated", device, gain=1.02)
    assert str(entry) == "ada calibrated device orin"
    assert list(AuditEntry.objects.of(device)) == [entry]
    assert entry.told() == [("gain", "1.02")]


def test_the_database_refuses_to_change_or_delete_an_entry():
    entry = AuditEntry.objects.note(None, "calibrated", make_device())
    for deed in (
        lambda: AuditEntry.objects.update(verb="did nothing"),
        lambda: AuditEntry.objects.filter(pk=entry.pk).delete(),
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            deed()
    assert AuditEntry.objects.get().verb == "calibrated"


def test_the_trail_outlives_the_account():
    ada, device = make_user(username="ada"), make_device()
    AuditEntry.objects.note(ada, "calibrated", device)
    ada.delete()
    assert AuditEntry.objects.get().actor_name == "ada"


def test_the_database_refuses_an_entry_without_a_verb():
    with pytest.raises(IntegrityError, match="audit_entry_has_a_verb"):
        AuditEntry.objects.note(None, "", make_device())


def test_the_database_refuses_details_that_are_not_small():
    with pytest.raises(IntegrityError, match="audit_details_are_small"):
        AuditEntry.objects.note(None, "uploaded", make_device(), much="x" * 20_000)


def test_only_an_admin_sees_the_whole_trail():
    for path in (reverse("audit"), reverse("audit_csv")):
        assert signed_in(OPERATOR).get(path).status_code == 403
        assert signed_in(ADMIN).get(path).status_code == 200


def test_the_trail_is_filtered_by_words_and_days():
    device = make_device(name="orin")
    AuditEntry.objects.note(make_user(username="ada"), "calibrated", device)
    AuditEntry.objects.note(make_user(username="bob"), "revoked a token", device)
    page = signed_in(ADMIN).get(reverse("audit"), {"q": "ada orin"}).content.decode()
    assert "calibrated" in page and "revoked" not in page
    page = signed_in(ADMIN).get(reverse("audit"), {"until": "2001-01-01"}).content.decode()
    assert "Nothing fits this filter" in page


def test_a_filter_that_is_nonsense_filters_nothing():
    AuditEntry.objects.note(None, "calibrated", make_device())
    page = signed_in(ADMIN).get(reverse("audit"), {"since": "yesterday", "page": "x"})
    assert "calibrated" in page.content.decode()


def test_the_csv_has_every_entry_and_no_formula():
    AuditEntry.objects.note(make_user(username="ada"), "calibrated", make_device(), note="a, b")
    AuditEntry.objects.note(make_user(username="=1+1"), "calibrated", make_device())
    answer = signed_in(ADMIN).get(reverse("audit_csv"))
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode())))
    assert [row["actor"] for row in rows] == ["'=1+1", "ada"]
    assert rows[1]["details"] == '{"note": "a, b"}'


def test_what_was_done_to_an_object_is_shown_to_all_but_a_text_that_was_taken_back():
    device = make_device()
    AuditEntry.objects.note(make_user(username="ada"), "edited", device, was="secret words")
    path = reverse("audit_of", args=["device", device.pk])
    assert "secret words" not in signed_in(OPERATOR).get(path).content.decode()
    assert "secret words" in signed_in(ADMIN).get(path).content.decode()


def test_a_long_trail_takes_a_few_queries(django_assert_max_num_queries):
    device, client = make_device(), signed_in(ADMIN)
    for number in range(120):
        AuditEntry.objects.note(None, f"deed {number}", device)
    with django_assert_max_num_queries(6):
        page = client.get(reverse("audit"), {"page": 2})
    assert page.status_code == 200


def test_tokens_rail_maps_and_devices_leave_a_trace():
    ada, device = make_user(username="ada"), make_device()
    DeviceToken.issue(device, by=ada)
    device.tokens.get().revoke(by=ada)
    RailMap.correct(device, ["VDD_CPU_CV"], by=ada)
    verbs = list(AuditEntry.objects.of(device).values_list("verb", flat=True))
    assert verbs == ["changed the total", "revoked a token", "issued a token"]


def test_a_change_of_roles_in_the_admin_is_written_down_with_the_roles():
    admin, ada = make_user(ADMIN, is_staff=True, is_superuser=True), make_user(username="ada")
    client = Client()
    client.force_login(admin)
    path = reverse("admin:auth_user_change", args=[ada.pk])
    form = client.get(path).context["adminform"].form
    sent = {name: value for name, value in form.initial.items() if value not in (None, False)}
    sent |= {"groups": [Group.objects.get(name=OPERATOR).pk], "last_login_0": "",
             "date_joined_0": "2026-01-01", "date_joined_1": "10:00"}  # fmt: skip
    answer = client.post(path, sent)
    assert answer.status_code == 302
    entry = AuditEntry.objects.of(ada).get()
    assert (entry.actor_name, entry.verb) == (str(admin), "changed")
    assert entry.details["roles"] == "operator"
