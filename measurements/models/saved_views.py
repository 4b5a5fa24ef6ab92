from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q

LONGEST_QUERY = 2000


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def seen_by(self, user: Any, table: str) -> SavedViewQuerySet:
        """Their own views of a list, and those that others share; annotates `is_default`."""
        mine = SavedView.default_for.through.objects.filter(savedview=OuterRef("pk"), user=user)
        seen = self.filter(Q(owner=user) | Q(is_shared=True), table=table)
        return seen.annotate(is_default=Exists(mine), owner_name=F("owner__username"))


class SavedView(models.Model):
    """A list as somebody wants to see it again: filters, words, order and columns of its URL."""

    table = models.CharField(max_length=20)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=LONGEST_QUERY, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    is_shared = models.BooleanField(default=False)
    default_for = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="+", help_text="Whose list opens with it"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "table", "name"], name="view_name_once"),
            models.CheckConstraint(condition=~Q(name=""), name="view_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @transaction.atomic
    def make_default(self, user: Any) -> None:
        """The list opens with this view for `user`, and with no other."""
        self.clear_default(user, self.table)
        self.default_for.add(user)

    @staticmethod
    def clear_default(user: Any, table: str) -> None:
        through = SavedView.default_for.through
        through.objects.filter(user=user, savedview__table=table).delete()

    def share(self, shared: bool) -> None:
        """Share it, or keep it; who had it as default and may not see it any more loses it."""
        self.is_shared = shared
        self.save(update_fields=["is_shared"])
        if not shared:
            others = SavedView.default_for.through.objects.filter(savedview=self)
            others.exclude(user=self.owner_id).delete()
