"""An approved result is frozen: by the pages, by the models, and by the database itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from measurements.models import Phase, PowerSample, Run, RunNote, Verdict
from measurements.roles import ADMIN, OPERATOR, REVIEWER
from measurements.tests.rows import make_done_run, make_user
from tuning import forking, reviewing, steering, verifying
from tuning.models import Frozen, Sweep, SweepAxis, Trial, TrialRun

from .rows import approve, make_approved_sweep, make_finished_sweep, make_trial, make_verification

pytestmark = pytest.mark.django_db


def winner(sweep: Sweep) -> Run:
    return TrialRun.objects.get(trial__sweep=sweep, trial__number=2).run


def delete_raw(run: Run) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM measurements_run WHERE id = %s", [run.pk])


REFUSED: dict[str, Callable[[Sweep], object]] = {
    "rename": lambda sweep: Sweep.objects.filter(pk=sweep.pk).update(name="other"),
    "another limit": lambda sweep: Sweep.objects.filter(pk=sweep.pk).update(slo_ms=99.0),
    "a new trial": lambda sweep: make_trial(sweep),
    "a changed trial": lambda sweep: sweep.trials.filter(number=1).update(values=[1, 2, 3]),
    "a deleted trial": lambda sweep: sweep.trials.filter(number=1).delete(),
    "a changed axis": lambda sweep: SweepAxis.objects.filter(sweep=sweep).update(values=[1]),
    "another run of a trial": lambda sweep: sweep.trials.get(number=1).trial_runs.create(
        run=make_done_run()
    ),
    "a run taken away": lambda sweep: TrialRun.objects.filter(trial__sweep=sweep).delete(),
    "a changed run": lambda sweep: Run.objects.filter(pk=winner(sweep).pk).update(
        busy_energy_j=0.1
    ),
    "a deleted run": lambda sweep: delete_raw(winner(sweep)),
    "changed samples": lambda sweep: PowerSample.objects.filter(run=winner(sweep)).update(
        total_w=1.0
    ),
    "deleted samples": lambda sweep: PowerSample.objects.filter(run=winner(sweep)).delete(),
    "a deleted phase": lambda sweep: Phase.objects.filter(run=winner(sweep)).delete(),
    "a verdict taken away": lambda sweep: Verdict.objects.filter(run=winner(sweep)).delete(),
    "a note on a run": lambda sweep: RunNote.objects.create(
        run=winner(sweep), text="x", written_at=timezone.now()
    ),
    "a tag": lambda sweep: sweep.tags.create(name="good"),
    "a tag on a run": lambda sweep: winner(sweep).tags.create(name="good"),
    "another verification": lambda sweep: make_verification(sweep, sweep.trials.last()),
    "a changed verdict": lambda sweep: sweep.verifications.update(words="saves 99 %"),
}


@pytest.fixture
def approved() -> Sweep:
    sweep = make_finished_sweep(created_by=make_user(OPERATOR))
    run = winner(sweep)
    PowerSample.objects.create(run=run, t_us=0, rails_w=[1.0], total_w=9.0)
    Phase.objects.create(run=run, name="serve", start_s=0, end_s=1)
    Verdict.objects.create(run=run, severity="note", code="x", text="x")
    reviewing.request(sweep, by=sweep.created_by, reviewers=[])
    approve(sweep, by=make_user(REVIEWER))
    return sweep


@pytest.mark.parametrize("deed", REFUSED)
def test_the_database_refuses(approved: Sweep, deed: str):
    with pytest.raises(IntegrityError, match="approved and frozen"), transaction.atomic():
        REFUSED[deed](approved)


@pytest.mark.parametrize("deed", sorted(REFUSED.keys() - {"a deleted run"}))
def test_after_the_approval_is_withdrawn_the_database_allows(approved: Sweep, deed: str):
    reviewing.withdraw(approved, by=make_user(REVIEWER), words="To be measured again.")
    REFUSED[deed](approved)


def test_other_sweeps_are_not_concerned(approved: Sweep):
    other = make_finished_sweep()
    for deed in ("rename", "a new trial", "a changed run", "deleted samples"):
        REFUSED[deed](other)


def test_the_models_refuse_with_what_to_do(approved: Sweep):
    operator = make_user(OPERATOR)
    with pytest.raises(Frozen, match="A reviewer can withdraw the approval"):
        steering.extend(approved, trials=3, board_s=None, by=operator)
    with pytest.raises(Frozen, match="approved and frozen"):
        verifying.begin(approved, blocks=4, by=operator)
    assert not steering.cancel(approved, by=operator)


def test_deleting_the_sweep_is_refused(approved: Sweep):
    with pytest.raises(ProtectedError, match="Review.sweep"):
        approved.delete()
    assert Trial.objects.filter(sweep=approved).count() == 2


def test_a_sweep_that_is_not_approved_is_deleted_with_its_review():
    sweep = make_finished_sweep(created_by=make_user(OPERATOR))
    reviewing.request(sweep, by=sweep.created_by, reviewers=[])
    sweep.delete()
    assert not Sweep.objects.exists()


def test_the_pages_refuse_and_say_why(approved: Sweep, client: Client):
    client.force_login(make_user(OPERATOR))
    for name, data in (("sweep_extend", {"trials": 3}), ("sweep_verify", {"blocks": 4})):
        page = client.post(reverse(name, args=[approved.pk]), data, follow=True)
        assert "approved and frozen" in page.content.decode()
    approved.refresh_from_db()
    assert (approved.state, approved.budget_trials) == (Sweep.State.FINISHED, 10)


def test_a_page_that_does_not_ask_first_says_what_to_do(approved: Sweep, client: Client):
    client.force_login(make_user(OPERATOR))
    answer = client.post(reverse("run_note", args=[winner(approved).pk]), {"text": "Noisy."})
    assert answer.status_code == 409
    assert "until a reviewer withdraws the approval" in answer.content.decode()


def test_the_admin_cannot_delete_it(approved: Sweep, client: Client):
    client.force_login(make_user(ADMIN, is_staff=True, is_superuser=True))
    path = reverse("admin:tuning_sweep_delete", args=[approved.pk])
    client.post(path, {"post": "yes"})
    action = {"action": "delete_selected", "_selected_action": [approved.pk], "post": "yes"}
    client.post(reverse("admin:tuning_sweep_changelist"), action)
    assert Sweep.objects.filter(pk=approved.pk).exists()


def test_a_fork_is_allowed_and_leaves_the_approved_sweep_alone(approved: Sweep):
    cleaned = {"name": "again", "objective": "busy", "slo_statistic": "p95", "slo_ms": 40.0,
               "strategy": "random", "budget_trials": 2, "budget_minutes": None}  # fmt: skip
    fork = forking.fork(approved, cleaned, by=make_user(OPERATOR))
    assert fork.trials.count() == approved.trials.count() == 2


def test_who_launched_may_lose_the_account_only_by_being_switched_off(approved: Sweep):
    with pytest.raises(ProtectedError):
        approved.created_by.delete()


def test_make_approved_sweep_is_approved():
    assert make_approved_sweep().is_frozen
