from __future__ import annotations

from django.conf import settings
from django.db import models

from measurements.board.hardware import replay


class ReplayTable(models.Model):
    """A table of real measurements that boards replay; never changed once it is stored."""

    name = models.SlugField(max_length=40, unique=True)
    sha256 = models.CharField(max_length=64, unique=True)
    document = models.TextField(help_text="As measurements.board.hardware.replay encodes it")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def table(self) -> replay.ReplayTable:
        return replay.decoded(self.document.encode())

    @property
    def is_built_in(self) -> bool:
        return self.sha256 == replay.orin_nano().sha256

    @property
    def spec(self) -> str:
        """What a worker's `--board` says; a file where the table does not come with PolyWeb."""
        return f"replay:{replay.ORIN_NANO if self.is_built_in else f'{self.name}.json'}"
