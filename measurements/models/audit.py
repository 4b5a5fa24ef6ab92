from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import TextField
from django.db.models.functions import Cast, Length
from django.db.models.lookups import LessThanOrEqual

LABEL_LENGTH = 200
DETAILS_LENGTH = 20_000
"""Of the details as JSON text: room for a comment's whole text before it was edited."""


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def of(self, subject: models.Model) -> AuditQuerySet:
        """What was done to `subject`, the latest first."""
        return self.filter(subject_type=subject._meta.model_name, subject_id=str(subject.pk))

    def note(
        self, by: models.Model | None, verb: str, subject: models.Model, **details: Any
    ) -> AuditEntry:
        """Write down that `by` did `verb` to `subject`; nobody: PolyWeb itself did.

        Call it in the transaction of the deed, so that neither is stored without the other.
        """
        return self.create(
            actor=by if by is not None and by.pk else None,
            actor_name=str(by)[:LABEL_LENGTH] if by is not None else "",
            verb=verb,
            subject_type=subject._meta.model_name,
            subject_id=str(subject.pk),
            subject_label=str(subject)[:LABEL_LENGTH],
            details=details,
        )


class AuditEntry(models.Model):
    """Who did what, when and to which object. Append-only: the database refuses all else.

    Neither actor nor subject is a foreign key in the database: the trail outlives both.
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    actor_name = models.CharField(max_length=LABEL_LENGTH, blank=True, help_text="As it was then")
    verb = models.CharField(max_length=60)
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=40)
    subject_label = models.CharField(max_length=LABEL_LENGTH, blank=True)
    details = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["subject_type", "subject_id", "-id"])]
        constraints = [
            models.CheckConstraint(condition=~models.Q(verb=""), name="audit_entry_has_a_verb"),
            models.CheckConstraint(
                condition=LessThanOrEqual(
                    Length(Cast("details", TextField())), models.Value(DETAILS_LENGTH)
                ),
                name="audit_details_are_small",
            ),
        ]

    def __str__(self) -> str:
        who = self.actor_name or "PolyWeb"
        return f"{who} {self.verb} {self.subject_type} {self.subject_label}"

    def told(self, *, to_admin: bool = False) -> list[tuple[str, str]]:
        """The details as (name, value) to show; a text as it was before is for admins."""
        shown = self.details.items()
        if not to_admin:
            shown = [(name, value) for name, value in shown if name != "was"]
        return [
            (name.replace("_", " "), str(value))
            for name, value in shown
            if value not in (None, "", [], {})
        ]
