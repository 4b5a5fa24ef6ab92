from __future__ import annotations

import datetime as dt
from functools import partial

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from .runs import Run

LEASE = dt.timedelta(seconds=120)
"""An import that said nothing for so long was lost with its worker, and is begun again."""
MAX_ATTEMPTS = 3
MOST_OPEN = 4
"""Logs of one person that may wait or be read at a time."""


class LogImportQuerySet(models.QuerySet["LogImport"]):
    def open(self) -> LogImportQuerySet:
        return self.filter(state__in=[LogImport.State.WAITING, LogImport.State.READING])

    def lost(self) -> LogImportQuerySet:
        return self.open().filter(heard_at__lt=timezone.now() - LEASE)


class LogImport(models.Model):
    """A large tegrastats log on its way to become a run; the file goes once it is read."""

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        READING = "reading", "being read"
        DONE = "done", "imported"
        REFUSED = "refused", "refused"

    file = models.FileField(upload_to="logs/")
    file_name = models.CharField(max_length=200)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="log_imports"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    interval_ms = models.PositiveIntegerField()
    requests = models.PositiveIntegerField()
    start_s = models.FloatField()
    end_s = models.FloatField(null=True, help_text="NULL: to the log's last line")
    title = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempt = models.PositiveIntegerField(default=0)
    heard_at = models.DateTimeField(default=timezone.now)
    percent = models.PositiveSmallIntegerField(default=0, help_text="Of its lines")
    run = models.OneToOneField(Run, null=True, on_delete=models.SET_NULL, related_name="log_import")
    reason = models.TextField(blank=True)

    objects = LogImportQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="refused", run__isnull=True) & ~Q(reason="")
                | ~Q(state="refused") & Q(reason=""),
                name="refused_import_has_a_reason",
            ),
            models.CheckConstraint(condition=Q(percent__lte=100), name="import_is_a_share"),
        ]

    def __str__(self) -> str:
        return self.title or self.file_name

    def get_absolute_url(self) -> str:
        return reverse("log_import", args=[self.pk])

    @property
    def is_open(self) -> bool:
        return self.state in (self.State.WAITING, self.State.READING)

    def claim(self) -> bool:
        """WAITING, or READING and lost, -> READING; False if somebody else reads it or it ended."""
        now = timezone.now()
        free = Q(state=self.State.WAITING) | Q(state=self.State.READING, heard_at__lt=now - LEASE)
        claimed = LogImport.objects.filter(free, pk=self.pk).update(
            state=self.State.READING, attempt=F("attempt") + 1, heard_at=now, percent=0
        )
        self.refresh_from_db()
        return bool(claimed)

    def tell(self, percent: int) -> None:
        """How far the reading is; it also says that the reader lives."""
        LogImport.objects.filter(pk=self.pk).update(percent=percent, heard_at=timezone.now())

    def finish(self, run: Run) -> bool:
        """READING -> DONE: `run` holds all of it; False if another reader was first."""
        return self._end(state=self.State.DONE, run=run, percent=100)

    def refuse(self, reason: str) -> bool:
        """WAITING or READING -> REFUSED: nothing was stored; False if it had ended."""
        return self._end(state=self.State.REFUSED, reason=reason)

    def _end(self, **fields: object) -> bool:
        name, storage = self.file.name, self.file.storage
        if not LogImport.objects.open().filter(pk=self.pk).update(**fields, file=""):
            return False
        transaction.on_commit(partial(storage.delete, name))
        self.refresh_from_db()
        return True
