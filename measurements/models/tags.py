from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import models, transaction
from django.db.models import OuterRef, Q, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

LONGEST = 40
MOST_AT_ONCE = 10
MOST_ROWS = 100_000
"""Of one change: what it did is kept, so that it can be undone."""
WORD = re.compile(r"[\w][\w .:/+#-]*")


class TagRefused(ValueError):
    """The words are no tags; the text says why."""


class TagQuerySet(models.QuerySet["Tag"]):
    def named(self, names: Iterable[str]) -> list[Tag]:
        """The tags of these names, whatever their case; those that are new are made."""
        wanted = {name.lower(): name for name in names}
        self.bulk_create((Tag(name=name) for name in wanted.values()), ignore_conflicts=True)
        return list(self.alias(lower=Lower("name")).filter(lower__in=wanted))


class Tag(models.Model):
    """A word that people put on runs, sweeps, networks and devices to find them again."""

    name = models.CharField(max_length=LONGEST)

    objects = TagQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(Lower("name"), name="tag_once_whatever_its_case"),
            models.CheckConstraint(condition=~Q(name=""), name="tag_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def words(text: str) -> list[str]:
        """Names from "one, two".

        Raises:
            TagRefused: None, too many, too long, or characters that no tag has.
        """
        names = [" ".join(part.split()) for part in text.split(",")]
        names = list(dict.fromkeys(name for name in names if name))
        if not names:
            raise TagRefused("Write a tag, or several with commas between them.")
        if len(names) > MOST_AT_ONCE:
            raise TagRefused(f"At most {MOST_AT_ONCE} tags at once.")
        for name in names:
            if len(name) > LONGEST or not WORD.fullmatch(name):
                raise TagRefused(
                    f"“{name[:LONGEST]}” is no tag: letters, digits, spaces and . : / + # - _ are "
                    f"allowed, {LONGEST} characters at most, beginning with a letter or digit."
                )
        return names

    @staticmethod
    def of(model: type[models.Model]) -> ArraySubquery:
        """The names of a row's tags, in SQL."""
        links = model.tags.through.objects  # type: ignore[attr-defined]
        mine = links.filter(**{model._meta.model_name: OuterRef("pk")})
        return ArraySubquery(mine.order_by("tag__name").values("tag__name"))

    @staticmethod
    def on(model: type[models.Model], names: Sequence[str]) -> Q:
        """The condition that a row has one of these tags."""
        links = model.tags.through.objects  # type: ignore[attr-defined]
        mine = links.filter(**{model._meta.model_name: OuterRef("pk"), "tag__name__in": names})
        return Q(models.Exists(mine))


class TagChange(models.Model):
    """Who put which tag on which rows of a list, or took it off; it can be undone once."""

    table = models.CharField(max_length=20)
    added = models.BooleanField()
    tags = models.JSONField(help_text="Names")
    links = models.JSONField(help_text="Pairs of a tag's and a row's key that really changed")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        verb = "added to" if self.added else "removed from"
        return f"{', '.join(self.tags)} {verb} {self.rows} of {self.table}"

    @property
    def rows(self) -> int:
        return len({row for _, row in self.links})

    @classmethod
    @transaction.atomic
    def make(
        cls, rows: QuerySet[Any], names: Sequence[str], *, table: str, added: bool, by: Any
    ) -> TagChange:
        """Put the tags on `rows`, or take them off; rows that were so before are left alone."""
        model, tags = rows.model, _tags(names, make=added)
        keys = list(rows.values_list("pk", flat=True)[: MOST_ROWS + 1])
        if len(keys) > MOST_ROWS:
            raise TagRefused(f"At most {MOST_ROWS:,} rows at once: narrow the list first.")
        there = set(_links(model, tags, keys))
        links = [(tag.pk, key) for tag in tags for key in keys]
        changed = [link for link in links if (link in there) != added]
        _apply(model, changed, added=added)
        stored = [[tag, str(key)] for tag, key in changed]
        return cls.objects.create(
            table=table, added=added, tags=list(names), links=stored, made_by=by
        )

    @transaction.atomic
    def undo(self, model: type[models.Model]) -> bool:
        """Bring back what was; False if that has been done. Rows that are gone stay gone."""
        fresh = TagChange.objects.filter(pk=self.pk, undone_at=None)
        if not fresh.update(undone_at=timezone.now()):
            return False
        to_key = model._meta.pk.to_python
        links = [(tag, to_key(key)) for tag, key in self.links]
        there = set(model._default_manager.filter(pk__in=[key for _, key in links])
                    .values_list("pk", flat=True))  # fmt: skip
        _apply(model, [link for link in links if link[1] in there], added=not self.added)
        return True


def _tags(names: Sequence[str], *, make: bool) -> list[Tag]:
    if make:
        return Tag.objects.named(names)
    lower = [name.lower() for name in names]
    return list(Tag.objects.alias(lower=Lower("name")).filter(lower__in=lower))


def _links(model: Any, tags: Sequence[Tag], keys: Sequence[Any]) -> QuerySet[Any]:
    name = f"{model._meta.model_name}_id"
    links = model.tags.through.objects.filter(**{"tag__in": tags, f"{name}__in": keys})
    return links.values_list("tag_id", name)


def _apply(model: Any, links: Sequence[tuple[int, Any]], *, added: bool) -> None:
    through, name = model.tags.through, f"{model._meta.model_name}_id"
    if added:
        through.objects.bulk_create(
            (through(**{"tag_id": tag, name: key}) for tag, key in links),
            ignore_conflicts=True,
            batch_size=5000,
        )
        return
    for tag in {tag for tag, _ in links}:
        keys = [key for of, key in links if of == tag]
        through.objects.filter(**{"tag_id": tag, f"{name}__in": keys}).delete()
