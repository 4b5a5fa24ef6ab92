"""The review of a sweep's result, and what was approved.

What an evidence pack should hold of it: the `Review` (state, launcher, reviewer, times), every
`Approval` with all its columns (withdrawn ones, too: they are the history), the `Comment` rows of
the sweep with their authors' names and `body` as Markdown, and the `AuditEntry` rows of sweep and
review. All of them are plain columns; nothing has to be computed but `Approval.digest`, which is
stored as well. An importer keeps them as text of another server: its accounts are not ours.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.aggregates import ArrayAgg
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.deletion import CASCADE, Collector, ProtectedError
from django.urls import reverse
from django.utils import timezone

from measurements.models import AuditEntry
from measurements.roles import REVIEWER, has_role

from .steered import Frozen
from .sweeps import Sweep
from .verifications import Verification


class CannotReview(ValueError):
    """Nothing was changed; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sweep says: its winner, how sure that is, and on which records it rests.

    Energy per request in J, latencies in ms; None: not known.
    """

    trial: int
    run: uuid.UUID
    point_names: tuple[str, ...]
    point_values: tuple[int, ...]
    objective: str
    energy_j: float
    half_width_j: float | None
    slo_statistic: str
    slo_ms: float | None
    latency_ms: float | None
    bound_ms: float | None
    standing: str
    verification: int | None
    verification_words: str
    calibration: int | None
    runs: int
    records_sha256: str
    definitions: str

    @property
    def digest(self) -> str:
        """The same for the same answer: what a reviewer saw is what is approved."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def protect_approved(collector: Collector, field: Any, rows: Any, using: str) -> None:
    """Deleting a sweep takes its review along, unless its result is approved."""
    approved = [row for row in rows if row.state == Review.State.APPROVED]
    if approved:
        raise ProtectedError("The result is approved: withdraw the approval first.", set(approved))
    CASCADE(collector, field, rows, using)


class ReviewQuerySet(models.QuerySet["Review"]):
    def in_review(self) -> ReviewQuerySet:
        return self.filter(state=Review.State.IN_REVIEW)

    def decided(self) -> ReviewQuerySet:
        return self.filter(state__in=Review.DECIDED)

    def awaiting(self, user: AbstractUser) -> ReviewQuerySet:
        """What `user` may decide now, and was asked for or everybody was."""
        if not has_role(user, REVIEWER):
            return self.none()
        asked = Q(requested=user) | Q(requested=None)
        mine = Q(launcher=user)
        return self.in_review().filter(asked).exclude(mine).distinct()

    def with_names(self) -> ReviewQuerySet:
        """Annotate `asked_names`: who was asked to review it, in one query with the row."""
        named = ArrayAgg("requested__username", filter=Q(requested__isnull=False), default=[])
        people = self.select_related("launcher", "requested_by", "reviewer")
        return people.annotate(asked_names=named)

    def with_sweeps(self) -> ReviewQuerySet:
        return self.with_names().select_related("sweep__device", "sweep__network")


class Review(models.Model):
    """Where the review of a sweep's result stands. A sweep without one is a draft."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        IN_REVIEW = "in_review", "in review"
        APPROVED = "approved", "approved"
        CHANGES_REQUESTED = "changes_requested", "changes requested"

    DECIDED = (State.APPROVED, State.CHANGES_REQUESTED)

    sweep = models.OneToOneField(Sweep, on_delete=protect_approved, related_name="review")
    state = models.CharField(max_length=20, choices=State, default=State.DRAFT)
    launcher = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    requested = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="reviews_asked_for", help_text="None: anybody"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField(null=True)
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["state", "-requested_at"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    state__in=["approved", "changes_requested"],
                    reviewer__isnull=False,
                    decided_at__isnull=False,
                )
                | (Q(state__in=["draft", "in_review"]) & Q(reviewer=None, decided_at=None)),
                name="decided_review_has_a_reviewer_and_a_time",
            ),
            models.CheckConstraint(
                condition=Q(launcher=None) | Q(reviewer=None) | ~Q(reviewer=F("launcher")),
                name="reviewer_is_not_the_launcher",
            ),
            models.CheckConstraint(
                condition=Q(state="draft")
                | Q(requested_by__isnull=False, requested_at__isnull=False),
                name="review_was_requested",
            ),
        ]

    def __str__(self) -> str:
        return f"review of {self.sweep}"

    def get_absolute_url(self) -> str:
        return reverse("review", args=[self.sweep_id])

    @property
    def is_approved(self) -> bool:
        return self.state == self.State.APPROVED

    @classmethod
    def of(cls, sweep: Sweep) -> Review:
        """The review of `sweep`; a draft that is not stored where nobody asked for one yet."""
        draft = cls(sweep=sweep, launcher=sweep.created_by)
        return cls.objects.with_names().filter(sweep=sweep).first() or draft

    @classmethod
    def locked(cls, sweep: Sweep) -> Review:
        """The stored review of `sweep`; both rows are locked to the end of the transaction."""
        Sweep.objects.select_for_update().get(pk=sweep.pk)
        cls.objects.get_or_create(sweep=sweep, defaults={"launcher_id": sweep.created_by_id})
        return cls.objects.select_for_update().get(sweep=sweep)

    def why_not(self, user: AbstractUser) -> str:
        """Why `user` may not decide it; empty if they may."""
        if not has_role(user, REVIEWER):
            return "Deciding needs the reviewer role."
        if self.launcher_id == user.pk:
            return "You launched this sweep: somebody else has to review it."
        return ""

    def request(self, *, by: AbstractUser, reviewers: list[AbstractUser]) -> None:
        """DRAFT or CHANGES_REQUESTED -> IN_REVIEW, by `reviewers`, or by anybody if none."""
        self._needs(self.State.DRAFT, self.State.CHANGES_REQUESTED)
        if any(user.pk == self.launcher_id for user in reviewers):
            raise CannotReview("Who launched a sweep cannot review it.")
        self._move(self.State.IN_REVIEW, requested_by=by, requested_at=timezone.now())
        self.requested.set(reviewers)
        names = ", ".join(str(user) for user in reviewers)
        AuditEntry.objects.note(by, "requested a review", self.sweep, reviewers=names)

    def request_changes(self, *, by: AbstractUser) -> None:
        """IN_REVIEW -> CHANGES_REQUESTED."""
        self._needs(self.State.IN_REVIEW, by=by)
        self._move(self.State.CHANGES_REQUESTED, reviewer=by, decided_at=timezone.now())
        AuditEntry.objects.note(by, "requested changes", self.sweep)

    def approve(self, answer: Answer, *, by: AbstractUser) -> Approval:
        """IN_REVIEW -> APPROVED: from now on the result is frozen, and `answer` is pinned."""
        self._needs(self.State.IN_REVIEW, by=by)
        approval = Approval.pin(self, answer, by=by)
        self._move(self.State.APPROVED, reviewer=by, decided_at=timezone.now())
        told = {"digest": answer.digest, "standing": answer.standing, "runs": answer.runs}
        AuditEntry.objects.note(by, "approved", self.sweep, **told)
        return approval

    def withdraw(self, *, by: AbstractUser, because: str) -> None:
        """APPROVED -> IN_REVIEW: the result can be changed again."""
        self._needs(self.State.APPROVED, by=by)
        standing = self.approvals.filter(withdrawn_at=None)
        standing.update(withdrawn_at=timezone.now(), withdrawn_by=by, withdrawn_because=because)
        self._move(self.State.IN_REVIEW)
        AuditEntry.objects.note(by, "withdrew the approval", self.sweep, because=because)

    def _needs(self, *states: str, by: AbstractUser | None = None) -> None:
        if self.state not in states:
            raise CannotReview(f"Nothing was changed: the review is {self.get_state_display()}.")
        if by is not None and (why := self.why_not(by)):
            raise CannotReview(why)

    def _move(self, state: str, **fields: Any) -> None:
        """Of a row that `locked` gave. The last decision goes, unless `fields` has a new one."""
        changed = {"reviewer": None, "decided_at": None, "state": state, **fields}
        with transaction.atomic():
            for name, value in changed.items():
                setattr(self, name, value)
            self.save(update_fields=list(changed))


class Approval(models.Model):
    """The answer that was approved, as it was then; columns as in `Answer`."""

    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="approvals")
    launcher = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    approved_at = models.DateTimeField(auto_now_add=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_because = models.CharField(max_length=1000, blank=True)
    trial = models.PositiveIntegerField(help_text="Number of the winning trial")
    run = models.UUIDField()
    point_names = ArrayField(models.CharField(max_length=40))
    point_values = ArrayField(models.BigIntegerField())
    objective = models.CharField(max_length=40)
    energy_j = models.FloatField(help_text="Per request")
    half_width_j = models.FloatField(null=True)
    slo_statistic = models.CharField(max_length=10)
    slo_ms = models.FloatField(null=True)
    latency_ms = models.FloatField(null=True)
    bound_ms = models.FloatField(null=True, help_text="What was held against the SLO")
    standing = models.CharField(max_length=20, choices=Sweep.Standing)
    verification = models.ForeignKey(
        Verification, null=True, on_delete=models.RESTRICT, related_name="+"
    )
    verification_words = models.CharField(max_length=300, blank=True)
    calibration = models.BigIntegerField(null=True, help_text="Key of the one that held")
    runs = models.PositiveIntegerField(help_text="How many records the answer rests on")
    records_sha256 = models.CharField(max_length=64)
    definitions = models.CharField(max_length=40, help_text="Versions that the figures follow")
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["review"], condition=Q(withdrawn_at=None), name="one_standing_approval"
            ),
            models.CheckConstraint(
                condition=Q(launcher=None) | ~Q(approved_by=F("launcher")),
                name="approver_is_not_the_launcher",
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None, withdrawn_by=None, withdrawn_because="")
                | (
                    Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False)
                    & ~Q(withdrawn_because="")
                ),
                name="withdrawn_approval_has_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"approval of {self.review_id} by {self.approved_by_id}"

    @classmethod
    def pin(cls, review: Review, answer: Answer, *, by: AbstractUser) -> Approval:
        columns = {name: getattr(answer, name) for name in answer.__slots__}
        columns["verification_id"] = columns.pop("verification")
        columns |= {name: list(columns[name]) for name in ("point_names", "point_values")}
        return cls.objects.create(
            review=review,
            launcher_id=review.launcher_id,
            approved_by=by,
            digest=answer.digest,
            **columns,
        )

    @property
    def answer(self) -> Answer:
        columns = {name: getattr(self, name) for name in Answer.__slots__}
        columns["verification"] = self.verification_id
        columns |= {name: tuple(columns[name]) for name in ("point_names", "point_values")}
        return Answer(**columns)


__all__ = ["Answer", "Approval", "CannotReview", "Frozen", "Review"]
