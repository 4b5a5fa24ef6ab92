from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from .audit import AuditEntry
from .runs import Run

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

NOTE_LENGTH = 4000


class RunNote(models.Model):
    """What operators noted about a run, in Markdown: one text, and who wrote it last."""

    run = models.OneToOneField(Run, primary_key=True, on_delete=models.CASCADE, related_name="note")
    text = models.CharField(max_length=NOTE_LENGTH)
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    written_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(text=""), name="note_of_a_run_says_something")
        ]

    def __str__(self) -> str:
        return f"note on {self.run_id}"

    @classmethod
    def write(cls, run: Run, text: str, *, by: AbstractUser) -> RunNote | None:
        """Put `text` in the place of the run's note; an empty one takes it away."""
        text = text.strip()
        with transaction.atomic():
            if not text:
                if cls.objects.filter(run=run).delete()[0]:
                    AuditEntry.objects.note(by, "removed the note of", run)
                return None
            values = {"text": text, "written_by": by, "written_at": timezone.now()}
            note, _ = cls.objects.update_or_create(run=run, defaults=values)
            AuditEntry.objects.note(by, "wrote the note of", run, text=text)
        return note
