from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse


class Pack(models.Model):
    """An evidence pack that was imported: what its rows were measured by, and where.

    Rows that came with it name it; they are read here, and never measured further.
    """

    sha256 = models.CharField(max_length=64, unique=True, help_text="Of its pack.json")
    title = models.CharField(max_length=300)
    source = models.CharField(max_length=300, help_text="Address of the PolyWeb that made it")
    made_at = models.DateTimeField(help_text="By the clock of that PolyWeb")
    made_by = models.CharField(max_length=150, blank=True)
    definitions = models.PositiveIntegerField()
    review = models.JSONField(default=dict, help_text="Review and audit trail as told there")
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    imported_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-imported_at"]

    def __str__(self) -> str:
        return f"pack {self.sha256[:12]}: {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("pack", args=[self.pk])
