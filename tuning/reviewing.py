"""Deeds of a review: a transition, what was said with it, and who is told, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import AbstractUser
from django.db import transaction

from tuning import commenting, pinning, telling
from tuning.models import Approval, CannotReview, Comment, Review, Sweep, Verification

Deed = Comment.Deed


@transaction.atomic
def request(sweep: Sweep, *, by: AbstractUser, reviewers: Sequence[AbstractUser], words: str = ""
            ) -> None:  # fmt: skip
    """Put the result of a finished sweep before reviewers.

    Raises:
        CannotReview: It is not finished, or stands elsewhere already.
    """
    review = Review.locked(sweep)
    _needs_finished(sweep)
    review.request(by=by, reviewers=list(reviewers))
    commenting.with_deed(sweep, Deed.REQUESTED, words, by=by)
    telling.asked_for_review(review, by=by)


@transaction.atomic
def request_changes(sweep: Sweep, *, by: AbstractUser, words: str) -> None:
    """Send it back; `words` say what has to change.

    Raises:
        CannotReview: It is not in review, `by` may not decide, or no reason is given.
    """
    if not words.strip():
        raise CannotReview("Say what has to change: the launcher cannot guess it.")
    review = Review.locked(sweep)
    review.request_changes(by=by)
    commenting.with_deed(sweep, Deed.CHANGES_REQUESTED, words, by=by)
    telling.decided(review, "requests changes of", by=by)


@transaction.atomic
def approve(
    sweep: Sweep, *, by: AbstractUser, seen: str, unverified: bool = False, words: str = ""
) -> Approval:
    """Approve the answer whose digest is `seen`, which freezes the result.

    Args:
        unverified: The reviewer knows that the winner was not confirmed in pairs.

    Raises:
        CannotReview: `by` may not decide, or the answer is not there, not verified or not
            the one that was seen.
    """
    review = Review.locked(sweep)
    _needs_finished(sweep)
    if sweep.verifications.filter(state=Verification.State.RUNNING).exists():
        raise CannotReview("It is being verified: wait for the verdict.")
    sweep = Sweep.objects.with_standing().get(pk=sweep.pk)
    answer = pinning.answer_of(sweep)
    if answer is None:
        raise CannotReview("No measured point keeps the limit: there is no result to approve.")
    if answer.digest != seen:
        raise CannotReview("The answer has changed since you looked: read it again, then decide.")
    if answer.standing != Sweep.Standing.VERIFIED and not unverified:
        raise CannotReview("Its winner is not verified: say that you approve it nevertheless.")
    approval = review.approve(answer, by=by)
    commenting.with_deed(sweep, Deed.APPROVED, words, by=by)
    telling.decided(review, "approved", by=by)
    return approval


@transaction.atomic
def withdraw(sweep: Sweep, *, by: AbstractUser, words: str) -> None:
    """Take an approval back; `words` say why. The result can be changed again.

    Raises:
        CannotReview: It is not approved, `by` may not decide, or no reason is given.
    """
    if not words.strip():
        raise CannotReview("Say why: the reason is kept with the approval.")
    review = Review.locked(sweep)
    review.withdraw(by=by, because=words.strip()[:1000])
    commenting.with_deed(sweep, Deed.WITHDRAWN, words, by=by)
    telling.decided(review, "withdrew the approval of", by=by)


def _needs_finished(sweep: Sweep) -> None:
    sweep.refresh_from_db(fields=["state"])
    if sweep.state != Sweep.State.FINISHED:
        state = sweep.get_state_display()
        raise CannotReview(f"Only a finished sweep can be reviewed; this one is {state}.")
