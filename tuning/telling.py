"""Who hears of what happens to a sweep: its launcher, reviewers, those who are mentioned."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.utils import timezone

from measurements.events import Event
from measurements.notifying import tell
from measurements.roles import REVIEWER, holders
from tuning.models import Comment, Review, Sweep, Trial, Verification

OFFLINE_FOR = dt.timedelta(minutes=2)
WAITING_FOR = dt.timedelta(hours=1)


def ended(sweep: Sweep) -> None:
    """It finished or failed; who cancels a sweep knows it."""
    event = {Sweep.State.FINISHED: Event.SWEEP_FINISHED, Sweep.State.FAILED: Event.SWEEP_FAILED}
    text = f"“{sweep}” has {sweep.get_state_display()}. {sweep.ended_because}"
    tell(event[sweep.state], text, to=[sweep.created_by], subject=sweep)


def verified(found: Verification) -> None:
    words = f"{found.get_verdict_display()}: {found.words}" if found.verdict else (
        f"it {found.get_state_display()}: {found.ended_because}"
    )  # fmt: skip
    tell(
        Event.VERIFIED,
        f"Verification of “{found.sweep}”: {words}",
        to=[found.created_by, found.sweep.created_by],
        subject=found.sweep,
        url=found.get_absolute_url(),
        key=f"verified:{found.pk}",
    )


def given_up(trial: Trial) -> None:
    tell(
        Event.RUN_GIVEN_UP,
        f"Trial {trial.number} of “{trial.sweep}” was given up: its runs were invalid.",
        to=[trial.sweep.created_by],
        subject=trial.sweep,
        url=f"{trial.sweep.get_absolute_url()}#trials",
        key=f"given-up:{trial.pk}",
    )


def waiting(sweep: Sweep) -> None:
    """Of a sweep that waits: its boards are away, and how long they have been."""
    seen = [device.last_seen_at for device in sweep.devices if device.last_seen_at]
    if not seen:
        return
    since = max(seen)
    away = timezone.now() - since
    for event, patience in ((Event.BOARD_OFFLINE, OFFLINE_FOR), (Event.SWEEP_WAITING, WAITING_FOR)):
        if away > patience:
            tell(
                event,
                _waits(event, sweep, since),
                to=[sweep.created_by],
                subject=sweep,
                key=f"{event}:{sweep.pk}:{since:%Y%m%dT%H%M%S}",
            )


def asked_for_review(review: Review, *, by: AbstractUser) -> None:
    """The named reviewers, or all who may decide it."""
    named = list(review.requested.all())
    tell(
        Event.REVIEW_REQUESTED,
        f"{by} asks for a review of “{review.sweep}”.",
        to=named or holders(REVIEWER).exclude(pk=review.launcher_id),
        by=by,
        subject=review.sweep,
        url=review.get_absolute_url(),
    )


def decided(review: Review, words: str, *, by: AbstractUser) -> None:
    tell(
        Event.REVIEW_DECIDED,
        f"{by} {words} “{review.sweep}”.",
        to=[review.launcher, review.requested_by],
        by=by,
        subject=review.sweep,
        url=review.get_absolute_url(),
    )


def said(comment: Comment, *, anew: list[str] | None = None) -> None:
    """Those whom it mentions, and those whom it concerns.

    Args:
        anew: Of an edited comment: the names that were not in it before.
    """
    author, names = comment.author, comment.mentions if anew is None else anew
    mentioned = list(get_user_model().objects.filter(username__in=names))
    told = {"by": author, "subject": comment.subject, "url": comment.get_absolute_url()}
    text = f"{author} mentions you on “{comment.subject}”: {_short(comment.body)}"
    if mentioned:
        tell(Event.MENTION, text, to=mentioned, key=f"mention:{comment.pk}", **told)
    if anew is None and not comment.deed:
        others = [user for user in _concerned(comment) if user not in mentioned]
        text = f"{author} comments on “{comment.subject}”: {_short(comment.body)}"
        tell(Event.COMMENT, text, to=others, key=f"comment:{comment.pk}", **told)


def _concerned(comment: Comment) -> list[AbstractUser | None]:
    """Who launched it, and who wrote in this thread before."""
    first = comment.answers_to
    if first is None:
        return [comment.subject.created_by]
    answers = first.answers.select_related("author")
    return [comment.subject.created_by, first.author, *(answer.author for answer in answers)]


def _waits(event: Event, sweep: Sweep, since: dt.datetime) -> str:
    names = ", ".join(device.name for device in sweep.devices)
    when = f"{timezone.localtime(since):%Y-%m-%d %H:%M}"
    if event == Event.BOARD_OFFLINE:
        return f"{names} was last heard at {when}; “{sweep}” waits for it."
    return f"“{sweep}” has waited for {names} since {when}."


def _short(text: str, length: int = 160) -> str:
    words = " ".join(text.split())
    return words if len(words) <= length else f"{words[: length - 1]}…"
