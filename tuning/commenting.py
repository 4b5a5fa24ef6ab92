"""Saying something about a sweep or a run: the comment, its mentions, who hears of it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.db import transaction
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from measurements import markdown
from measurements.models import AuditEntry, Run
from tuning import telling
from tuning.models import Comment, Sweep
from tuning.models.comments import MOST_MENTIONS


@transaction.atomic
def say(
    subject: Sweep | Run, body: str, *, by: AbstractUser, answers_to: Comment | None = None
) -> Comment:
    """A new comment on `subject`; an answer to an answer joins the same thread."""
    first = answers_to and (answers_to.answers_to or answers_to)
    comment = Comment.objects.create(
        **_on(subject), body=body, author=by, answers_to=first, mentions=known_names(body)
    )
    AuditEntry.objects.note(by, "commented", subject, comment=comment.pk)
    telling.said(comment)
    return comment


def with_deed(sweep: Sweep, deed: str, words: str, *, by: AbstractUser) -> Comment:
    """What was said with a decision, which the thread shows even where nothing was."""
    body = words.strip()
    comment = Comment.objects.create(
        sweep=sweep, body=body, author=by, deed=deed, mentions=known_names(body)
    )
    telling.said(comment)
    return comment


def known_names(body: str) -> list[str]:
    """The accounts that `body` mentions."""
    names = markdown.mentioned(body)[:MOST_MENTIONS]
    active = get_user_model().objects.filter(username__in=names, is_active=True)
    return list(active.order_by("username").values_list("username", flat=True)) if names else []


@transaction.atomic
def edit(comment: Comment, body: str) -> None:
    """A new text of a comment.

    Raises:
        Frozen: The result that it is about is approved.
    """
    before, names = set(comment.mentions), known_names(body)
    comment.edit(body, mentions=names)
    telling.said(comment, anew=[name for name in names if name not in before])


@dataclass(frozen=True, slots=True)
class Shown:
    """A comment as a page shows it to one reader."""

    comment: Comment
    html: SafeString
    may_change: bool
    answers: tuple[Shown, ...] = ()


def shown(
    threads: list[list[Comment]], subject: Sweep | Run, *, reader: AbstractUser
) -> list[Shown]:
    """Threads as `threads()` gave them: each first comment with its answers."""
    return [
        _shown(first, subject, reader, tuple(_shown(one, subject, reader) for one in answers))
        for first, *answers in threads
    ]


def _shown(
    comment: Comment, subject: Sweep | Run, reader: AbstractUser, answers: tuple[Shown, ...] = ()
) -> Shown:
    html = preview(subject, comment.body, names=comment.mentions)
    return Shown(comment, html, comment.may_be_changed_by(reader), answers)


def preview(subject: Sweep | Run, body: str, *, names: list[str]) -> SafeString:
    """What `body` looks like under `subject`."""

    def trial_url(number: int) -> str | None:
        return reverse("trial", args=[subject.pk, number]) if isinstance(subject, Sweep) else None

    return mark_safe(markdown.rendered(body, names=names, trial_url=trial_url))  # noqa: S308


def _on(subject: Sweep | Run) -> dict[str, Sweep | Run]:
    return {"sweep": subject} if isinstance(subject, Sweep) else {"run": subject}
