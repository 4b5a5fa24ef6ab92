from __future__ import annotations

from typing import Any

from django import forms

from measurements.listing.asked import Asked
from measurements.listing.tables import Table
from measurements.models import SavedView
from measurements.models.saved_views import LONGEST_QUERY

MOST_VIEWS = 50
"""Of one person and one list; the menu has to stay a menu."""


class SavedViewForm(forms.ModelForm):
    class Meta:
        model = SavedView
        fields = ("name", "is_shared")

    def __init__(self, *args: Any, table: Table, owner: Any, asked: Asked, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        query = asked.query.copy()
        query.pop("page", None)
        query["columns"] = ",".join(column.key for column in asked.columns)
        self.instance.table, self.instance.owner = table.name, owner
        self.instance.query = query.urlencode()

    def clean_name(self) -> str:
        name: str = " ".join(self.cleaned_data["name"].split())
        mine = SavedView.objects.filter(owner=self.instance.owner, table=self.instance.table)
        if mine.filter(name=name).exists():
            raise forms.ValidationError(f"There is a view “{name}” already: choose another name.")
        if mine.count() >= MOST_VIEWS:
            raise forms.ValidationError(f"You have {MOST_VIEWS} views: delete one first.")
        return name

    def clean(self) -> dict[str, Any]:
        if len(self.instance.query) > LONGEST_QUERY:
            raise forms.ValidationError("This view is too long to keep: choose fewer filters.")
        return self.cleaned_data
