"""The review of a sweep: who may do what when, and what is pinned."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import IntegrityError
from django.utils import timezone

from measurements.models import AuditEntry, Run
from measurements.roles import ADMIN, OPERATOR, REVIEWER, VIEWER
from measurements.tests.rows import make_user
from tuning import pinning, reviewing
from tuning.models import Approval, CannotReview, Comment, Review, Sweep

from .rows import (
    approve,
    make_approved_sweep,
    make_finished_sweep,
    make_sweep,
    make_trial,
    make_verification,
)

pytestmark = pytest.mark.django_db


def requested(**fields) -> Sweep:
    sweep = make_finished_sweep(**{"created_by": make_user(OPERATOR), **fields})
    reviewing.request(sweep, by=sweep.created_by, reviewers=[])
    return sweep


def state(sweep: Sweep) -> str:
    return Review.objects.get(sweep=sweep).state


def standing(sweep: Sweep) -> Sweep:
    return Sweep.objects.with_standing().get(pk=sweep.pk)


def test_a_sweep_that_nobody_asked_for_is_a_draft():
    sweep = make_finished_sweep()
    assert Review.of(sweep).state == Review.State.DRAFT
    assert not Review.objects.exists()


def test_from_draft_by_changes_to_approval():
    sweep, reviewer = requested(), make_user(REVIEWER)
    reviewing.request_changes(sweep, by=reviewer, words="Measure batch 8, too.")
    assert state(sweep) == Review.State.CHANGES_REQUESTED
    reviewing.request(sweep, by=sweep.created_by, reviewers=[reviewer], words="Done.")
    assert state(sweep) == Review.State.IN_REVIEW
    approve(sweep, by=reviewer, words="Good.")
    assert state(sweep) == Review.State.APPROVED
    deeds = list(sweep.comments.values_list("deed", "body"))
    assert deeds == [("requested", ""), ("changes_requested", "Measure batch 8, too."),
                     ("requested", "Done."), ("approved", "Good.")]  # fmt: skip
    verbs = AuditEntry.objects.of(sweep).order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["requested a review", "requested changes",
                           "requested a review", "approved"]  # fmt: skip


@pytest.mark.parametrize("role", [VIEWER, OPERATOR])
def test_deciding_needs_the_reviewer_role(role: str):
    sweep = requested()
    with pytest.raises(CannotReview, match="reviewer role"):
        approve(sweep, by=make_user(role))
    assert state(sweep) == Review.State.IN_REVIEW


@pytest.mark.parametrize("role", [REVIEWER, ADMIN])
def test_the_launcher_decides_nothing_not_even_as_an_admin(role: str):
    launcher = make_user(role, is_superuser=role == ADMIN)
    sweep = requested(created_by=launcher)
    with pytest.raises(CannotReview, match="somebody else"):
        approve(sweep, by=launcher)
    with pytest.raises(CannotReview, match="somebody else"):
        reviewing.request_changes(sweep, by=launcher, words="x")
    with pytest.raises(CannotReview, match="cannot review it"):
        other = make_finished_sweep(created_by=launcher)
        reviewing.request(other, by=launcher, reviewers=[launcher])


def test_the_database_refuses_the_launcher_as_reviewer():
    sweep = requested()
    with pytest.raises(IntegrityError, match="reviewer_is_not_the_launcher"):
        Review.objects.update(
            state="approved", reviewer=sweep.created_by, decided_at=timezone.now()
        )


def test_the_database_refuses_the_launcher_as_approver():
    make_approved_sweep()
    with pytest.raises(IntegrityError, match="approver_is_not_the_launcher"):
        Approval.objects.update(approved_by=Review.objects.get().launcher)


def test_the_database_refuses_an_approval_without_reviewer_and_time():
    requested()
    with pytest.raises(IntegrityError, match="decided_review_has_a_reviewer_and_a_time"):
        Review.objects.update(state="approved")


def test_the_database_refuses_a_review_that_nobody_requested():
    with pytest.raises(IntegrityError, match="review_was_requested"):
        Review.objects.create(sweep=make_finished_sweep(), state="in_review")


def test_the_database_refuses_a_withdrawal_without_a_reason():
    make_approved_sweep()
    with pytest.raises(IntegrityError, match="withdrawn_approval_has_a_reason"):
        Approval.objects.update(withdrawn_at=timezone.now(), withdrawn_by=make_user(REVIEWER))


def test_the_database_refuses_two_standing_approvals():
    make_approved_sweep()
    again = Approval.objects.get()
    again.pk = None
    with pytest.raises(IntegrityError, match="one_standing_approval"):
        again.save(force_insert=True)


@pytest.mark.parametrize("state", [Sweep.State.RUNNING, Sweep.State.PAUSED, Sweep.State.CANCELLED,
                                   Sweep.State.FAILED])  # fmt: skip
def test_only_a_finished_sweep_is_reviewed(state: str):
    sweep = make_sweep(state=state)
    with pytest.raises(CannotReview, match="Only a finished sweep"):
        reviewing.request(sweep, by=make_user(OPERATOR), reviewers=[])
    assert not Review.objects.exists()


def test_a_sweep_that_was_extended_meanwhile_is_not_approved():
    sweep = requested()
    sweep.extend(trials=2)
    with pytest.raises(CannotReview, match="Only a finished sweep"):
        approve(sweep, by=make_user(REVIEWER))


def test_an_answer_that_changed_since_it_was_seen_is_not_approved():
    sweep = requested()
    seen = pinning.answer_of(standing(sweep)).digest
    make_trial(sweep, busy_energy_j=0.3)
    with pytest.raises(CannotReview, match="changed since you looked"):
        reviewing.approve(sweep, by=make_user(REVIEWER), seen=seen, unverified=True)


def test_an_unverified_winner_is_approved_only_by_saying_so():
    sweep = requested(verified=False)
    reviewer = make_user(REVIEWER)
    with pytest.raises(CannotReview, match="not verified"):
        approve(sweep, by=reviewer)
    assert approve(sweep, by=reviewer, unverified=True).standing == "not_yet_verified"


def test_nothing_is_approved_while_it_is_being_verified():
    sweep = requested()
    make_verification(sweep, sweep.trials.last(), state="running", verdict="", words="")
    with pytest.raises(CannotReview, match="being verified"):
        approve(sweep, by=make_user(REVIEWER))


def test_a_sweep_without_a_winner_has_nothing_to_approve():
    sweep = make_sweep(state=Sweep.State.FINISHED, slo_ms=1.0)
    make_trial(sweep)
    reviewing.request(sweep, by=make_user(OPERATOR), reviewers=[])
    with pytest.raises(CannotReview, match="no result to approve"):
        approve(sweep, by=make_user(REVIEWER))


def test_changes_and_withdrawals_need_a_reason():
    reviewer = make_user(REVIEWER)
    with pytest.raises(CannotReview, match="Say what"):
        reviewing.request_changes(requested(), by=reviewer, words="  ")
    with pytest.raises(CannotReview, match="Say why"):
        reviewing.withdraw(make_approved_sweep(), by=reviewer, words="")


def test_a_withdrawn_approval_is_kept_with_its_reason_and_the_review_goes_on():
    sweep, reviewer = make_approved_sweep(), make_user(REVIEWER)
    reviewing.withdraw(sweep, by=reviewer, words="The fan was off.")
    assert state(sweep) == Review.State.IN_REVIEW
    kept = Approval.objects.get()
    assert (kept.withdrawn_by, kept.withdrawn_because) == (reviewer, "The fan was off.")
    entry = AuditEntry.objects.of(sweep).first()
    assert (entry.verb, entry.details) == (
        "withdrew the approval",
        {"because": "The fan was off."},
    )
    approve(sweep, by=reviewer)
    assert Approval.objects.count() == 2


def test_a_second_decision_comes_too_late():
    sweep = make_approved_sweep()
    with pytest.raises(CannotReview, match="the review is approved"):
        reviewing.request_changes(sweep, by=make_user(REVIEWER), words="x")
    with pytest.raises(CannotReview, match="the review is approved"):
        reviewing.request(sweep, by=sweep.created_by, reviewers=[])


def test_what_was_approved_is_pinned_to_the_last_digit():
    sweep = make_approved_sweep()
    approval = Approval.objects.get()
    winner = sweep.trials.get(number=approval.trial).trial_runs.get().run
    assert (approval.trial, approval.run) == (2, winner.pk)
    assert (approval.energy_j, approval.half_width_j) == (0.41, 0.004)
    assert (approval.latency_ms, approval.bound_ms, approval.slo_ms) == (41.0, 43.0, 50.0)
    assert approval.standing == "verified"
    assert approval.verification_words == "saves 23 % (19 to 27 %)"
    assert approval.runs == 2
    assert approval.answer.digest == approval.digest
    assert pinning.differences(approval, pinning.answer_of(standing(sweep))) == []


def test_a_later_change_shows_as_a_mismatch():
    """The database refuses such a change, so the pinned side is changed here."""
    sweep = make_approved_sweep()
    Approval.objects.update(energy_j=0.4, records_sha256="0" * 64)
    found = pinning.differences(Approval.objects.get(), pinning.answer_of(standing(sweep)))
    assert {one.what: (one.then, one.now) for one in found}["energy per request"] == (
        "0.4",
        "0.41",
    )
    assert {one.what for one in found} == {"energy per request", "hash of the records"}


def test_the_hash_of_the_records_follows_each_of_them():
    sweep = make_finished_sweep()
    before = pinning.answer_of(standing(sweep))
    Run.objects.filter(pk=before.run).update(record_sha256="f" * 64)
    assert pinning.answer_of(standing(sweep)).records_sha256 != before.records_sha256


def test_a_reviewer_is_awaited_where_asked_or_where_everybody_is():
    ada, bob = make_user(REVIEWER), make_user(REVIEWER)
    for_all, mine, others = requested(), requested(), requested()
    Review.objects.get(sweep=mine).requested.set([ada])
    Review.objects.get(sweep=others).requested.set([bob])
    own = requested(created_by=ada)
    awaiting = {review.sweep for review in Review.objects.awaiting(ada)}
    assert awaiting == {for_all, mine}
    assert own not in awaiting
    assert not Review.objects.awaiting(make_user(OPERATOR)).exists()


def test_the_sweeps_whose_result_awaits_a_review():
    sweep = requested()
    make_approved_sweep()
    assert list(Sweep.objects.awaiting_review()) == [sweep]


def test_decisions_are_dated():
    before = timezone.now()
    make_approved_sweep()
    decided = Review.objects.get().decided_at
    assert before <= decided <= before + dt.timedelta(minutes=1)
    assert Comment.objects.filter(deed="approved").exists()
