"""Logs that a worker reads, because a request must not last so long."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from measurements import tasks
from measurements.forms import logs as log_forms
from measurements.models import LogImport, Run
from measurements.models.log_imports import LEASE, MAX_ATTEMPTS, MOST_OPEN
from measurements.roles import OPERATOR
from measurements.tests.rows import make_run, make_user
from measurements.tests.test_log_import import steady

pytestmark = pytest.mark.django_db


def make_import(data: bytes = b"", **fields: object) -> LogImport:
    values: dict[str, object] = {
        "file": ContentFile(data or steady(), "board.log"), "file_name": "board.log",
        "interval_ms": 100, "requests": 50, "start_s": 0.0,
    }  # fmt: skip
    return LogImport.objects.create(**{**values, **fields})


def upload(client: Client, data: bytes):
    return client.post(
        reverse("import_log"),
        {"file": SimpleUploadedFile("board.log", data), "interval_ms": 100, "requests": 50},
    )


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(make_user(OPERATOR, username="op"))
    return client


def test_a_small_log_is_a_run_at_once(operator: Client):
    answer = upload(operator, steady())
    assert answer.url == Run.objects.get().get_absolute_url()
    assert not LogImport.objects.exists()


def test_a_large_log_is_read_by_a_worker_and_its_page_leads_to_the_run(operator, monkeypatch):
    monkeypatch.setattr(log_forms, "AT_ONCE_BYTES", 1000)
    answer = upload(operator, steady())
    row = LogImport.objects.get()
    assert answer.url == row.get_absolute_url() and not Run.objects.exists()
    assert b"board.log waits to be read" in operator.get(answer.url).content
    tasks.read_log(row.pk)
    run = Run.objects.get()
    assert (run.created_by.username, run.samples.count()) == ("op", 101)
    assert run.at_rate_energy_j == pytest.approx(10 * run.board_s / 50)
    assert operator.get(answer.url).url == run.get_absolute_url()
    polled = operator.get(answer.url, headers={"HX-Request": "true"})
    assert polled["HX-Redirect"] == run.get_absolute_url()


def test_what_the_log_refuses_is_said_on_its_page_and_nothing_is_stored(operator: Client):
    row = make_import(b"no such thing\n" * 50)
    tasks.read_log(row.pk)
    row.refresh_from_db()
    page = operator.get(row.get_absolute_url()).content.decode()
    assert row.state == LogImport.State.REFUSED and row.reason in page
    assert "state no power rail" in page and "every 1s" not in page
    assert not Run.objects.exists()


def test_the_file_goes_once_it_is_read(django_capture_on_commit_callbacks):
    row = make_import()
    storage, name = row.file.storage, row.file.name
    with django_capture_on_commit_callbacks(execute=True):
        tasks.read_log(row.pk)
    row.refresh_from_db()
    assert not storage.exists(name) and not row.file and row.percent == 100


def test_a_task_that_comes_twice_makes_one_run():
    row = make_import()
    tasks.read_log(row.pk)
    tasks.read_log(row.pk)
    assert Run.objects.count() == 1


def test_a_reader_that_was_overtaken_stores_nothing():
    row = make_import()
    assert row.claim()
    late = LogImport.objects.get(pk=row.pk)
    assert row.finish(make_run())
    assert not late.finish(make_run())


def test_an_import_that_died_with_its_worker_is_read_again_three_times_at_most():
    row = make_import()
    row.claim()
    assert not row.claim()
    for attempt in range(2, MAX_ATTEMPTS + 1):
        LogImport.objects.update(heard_at=timezone.now() - LEASE - dt.timedelta(seconds=1))
        assert list(LogImport.objects.lost()) == [row]
        assert row.claim() and row.attempt == attempt
    LogImport.objects.update(heard_at=timezone.now() - LEASE - dt.timedelta(seconds=1))
    tasks.read_log(row.pk)
    row.refresh_from_db()
    assert row.state == LogImport.State.REFUSED and "interrupted 3 times" in row.reason


def test_one_person_may_have_four_logs_under_way(operator: Client, monkeypatch):
    monkeypatch.setattr(log_forms, "AT_ONCE_BYTES", 1000)
    for _ in range(MOST_OPEN):
        assert upload(operator, steady()).status_code == 302
    refused = upload(operator, steady())
    assert refused.status_code == 422 and b"still being read" in refused.content


def test_viewers_import_nothing(client: Client):
    client.force_login(make_user())
    assert client.get(make_import().get_absolute_url()).status_code == 403


@pytest.mark.parametrize(
    "nonsense",
    [{"state": "refused"}, {"state": "reading", "reason": "no"}, {"percent": 101}],
)
def test_the_database_refuses_an_import_that_makes_no_sense(nonsense: dict):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_import(**nonsense)
