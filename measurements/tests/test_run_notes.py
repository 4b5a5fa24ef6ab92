from __future__ import annotations

import pytest
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from measurements.models import AuditEntry, Run, RunNote
from measurements.roles import OPERATOR, VIEWER
from measurements.tests.rows import make_done_run, make_user

pytestmark = pytest.mark.django_db


def write(client: Client, run: Run, text: str, *, role: str = OPERATOR):
    client.force_login(make_user(role))
    return client.post(reverse("run_note", args=[run.pk]), {"text": text})


def test_an_operators_note_stands_on_the_run_with_name_and_time(client: Client):
    run = make_done_run()
    answer = write(client, run, "The fan was **off**. <script>alert(1)</script>")
    assert answer.url == f"{run.get_absolute_url()}#note"
    page = client.get(run.get_absolute_url()).content.decode()
    note = RunNote.objects.get()
    assert "The fan was <strong>off</strong>" in page and "<script>alert(1)" not in page
    assert f"{note.written_by}, " in page


def test_a_note_can_be_changed_and_the_trail_keeps_what_it_said(client: Client):
    run = make_done_run()
    write(client, run, "first")
    write(client, run, "second")
    assert RunNote.objects.get().text == "second"
    told = AuditEntry.objects.of(run).values_list("details__text", flat=True)
    assert list(told) == ["second", "first"]


def test_an_empty_text_takes_the_note_away(client: Client):
    run = make_done_run()
    write(client, run, "first")
    write(client, run, "  ")
    assert not RunNote.objects.exists()


def test_a_viewer_writes_nothing(client: Client):
    run = make_done_run()
    assert write(client, run, "x", role=VIEWER).status_code == 403
    assert "Write a note" not in client.get(run.get_absolute_url()).content.decode()


def test_a_text_that_is_too_long_is_kept_to_be_shortened(client: Client):
    answer = write(client, make_done_run(), "x" * 4001)
    assert answer.status_code == 422 and "x" * 4001 in answer.content.decode()
    assert not RunNote.objects.exists()


def test_the_database_refuses_an_empty_note():
    with pytest.raises(IntegrityError, match="note_of_a_run_says_something"):
        RunNote.objects.create(run=make_done_run(), text="", written_at=timezone.now())
