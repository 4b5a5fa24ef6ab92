"""Fields that choose among rows and read these once, however often a page looks at them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms.models import ModelChoiceIterator


class LoadedIterator(ModelChoiceIterator):
    """Django's own asks the database anew for each look at the choices."""

    def __iter__(self) -> Iterator[tuple[Any, str]]:
        if self.field.empty_label is not None:
            yield ("", self.field.empty_label)
        for row in self.queryset:
            yield self.choice(row)

    def __len__(self) -> int:
        return len(self.queryset) + (self.field.empty_label is not None)


class LoadedChoiceField(forms.ModelChoiceField):
    """One of the rows; for the few that a select offers anyway."""

    iterator = LoadedIterator

    def to_python(self, value: Any) -> Model | None:
        if value in self.empty_values:
            return None
        wanted = str(getattr(value, "pk", value))
        for row in self.queryset:
            if str(row.pk) == wanted:
                return row
        raise ValidationError(
            self.error_messages["invalid_choice"], code="invalid_choice", params={"value": value}
        )


class LoadedChoicesField(forms.ModelMultipleChoiceField):
    """Several of the rows; checking what was sent asks the database again."""

    iterator = LoadedIterator
