from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from measurements.models import AuditEntry, Run

from .steered import Frozen
from .sweeps import Sweep

BODY_LENGTH = 4000
MOST_MENTIONS = 20


class CommentQuerySet(models.QuerySet["Comment"]):
    def threads(self) -> list[list[Comment]]:
        """Each thread's first comment and its answers, the oldest first, in one query."""
        threads: dict[int, list[Comment]] = {}
        for comment in self.select_related("author", "resolved_by").order_by("pk"):
            threads.setdefault(comment.answers_to_id or comment.pk, []).append(comment)
        return list(threads.values())


class Comment(models.Model):
    """What somebody says of a sweep or of a run, in Markdown; an answer stands below a first one.

    One that goes with a decision of the review says which in `deed`.
    """

    class Deed(models.TextChoices):
        REQUESTED = "requested", "requested a review"
        APPROVED = "approved", "approved"
        CHANGES_REQUESTED = "changes_requested", "requested changes"
        WITHDRAWN = "withdrawn", "withdrew the approval"

    sweep = models.ForeignKey(Sweep, null=True, on_delete=models.CASCADE, related_name="comments")
    run = models.ForeignKey(Run, null=True, on_delete=models.CASCADE, related_name="comments")
    answers_to = models.ForeignKey(
        "self", null=True, on_delete=models.CASCADE, related_name="answers"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="comments"
    )
    body = models.CharField(max_length=BODY_LENGTH, blank=True, help_text="Markdown")
    mentions = ArrayField(
        models.CharField(max_length=150), default=list, help_text="Names of accounts in it"
    )
    deed = models.CharField(max_length=20, choices=Deed, blank=True)
    written_at = models.DateTimeField(auto_now_add=True)
    edited_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    objects = CommentQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(sweep__isnull=False, run=None) | Q(sweep=None, run__isnull=False),
                name="comment_is_on_a_sweep_or_a_run",
            ),
            models.CheckConstraint(
                condition=~Q(body="") | ~Q(deed="") | Q(deleted_at__isnull=False),
                name="comment_says_something",
            ),
            models.CheckConstraint(
                condition=Q(resolved_at=None, resolved_by=None)
                | Q(resolved_at__isnull=False, resolved_by__isnull=False, answers_to=None),
                name="threads_are_resolved_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"comment {self.pk} on {self.subject}"

    def get_absolute_url(self) -> str:
        page = reverse("review", args=[self.sweep_id]) if self.sweep_id else self.run_page
        return f"{page}#comment-{self.pk}"

    @property
    def run_page(self) -> str:
        return reverse("comments", args=["run", str(self.run_id)])

    @property
    def subject(self) -> Sweep | Run:
        return self.sweep or self.run

    def may_be_changed_by(self, user: AbstractUser) -> bool:
        """Its author's, unless it goes with a decision or is gone."""
        return self.author_id == user.pk and not self.deed and self.deleted_at is None

    @transaction.atomic
    def edit(self, body: str, *, mentions: list[str]) -> None:
        """A new text; the old one is kept in the audit trail.

        Raises:
            Frozen: The result that it is about is approved.
        """
        self._refuse_if_frozen()
        was, self.body, self.mentions = self.body, body, mentions
        self.edited_at = timezone.now()
        self.save(update_fields=["body", "mentions", "edited_at"])
        AuditEntry.objects.note(self.author, "edited a comment", self.subject, was=was)

    @transaction.atomic
    def take_back(self) -> None:
        """Its text goes to the audit trail; its place stays, for the answers below it.

        Raises:
            Frozen: The result that it is about is approved.
        """
        self._refuse_if_frozen()
        was, self.body, self.mentions = self.body, "", []
        self.deleted_at = timezone.now()
        self.save(update_fields=["body", "mentions", "deleted_at"])
        AuditEntry.objects.note(self.author, "deleted a comment", self.subject, was=was)

    @transaction.atomic
    def resolve(self, *, by: AbstractUser, is_open: bool = False) -> None:
        """Close the thread, or open it again."""
        self.resolved_at, self.resolved_by = (None, None) if is_open else (timezone.now(), by)
        self.save(update_fields=["resolved_at", "resolved_by"])
        verb = "reopened a thread" if is_open else "resolved a thread"
        AuditEntry.objects.note(by, verb, self.subject, comment=self.pk)

    def _refuse_if_frozen(self) -> None:
        if self.sweep is not None and self.sweep.is_frozen:
            raise Frozen("The result is approved: what was said of it stays as it is.")
