"""What a reader says of his use, so that pages can show hours, kWh, money and CO₂."""

from __future__ import annotations

from typing import Any

from django import forms

from measurements.models import UnitSettings
from measurements.models.unit_settings import SAID
from measurements.units import NAMES, NEEDS


def _number(label: str, help_text: str, *, most: float, example: str) -> forms.FloatField:
    return forms.FloatField(
        label=label,
        help_text=help_text,
        required=False,
        min_value=1e-6,
        max_value=most,
        widget=forms.NumberInput(attrs={"placeholder": f"e.g. {example}", "step": "any"}),
    )


class UnitsForm(forms.Form):
    """Nothing is assumed: a field left empty leaves the units that rest on it unset."""

    unit = forms.ChoiceField(choices=list(NAMES.items()), label="Show energy per request as")
    rate_hz = _number(
        "Requests a second, one board",
        "On average over the whole time, pauses included.",
        most=1e6,
        example="10",
    )
    boards = forms.IntegerField(
        label="Boards", min_value=1, max_value=10_000_000, initial=1, help_text="For a year's sums."
    )
    pack_wh = _number("Battery pack, Wh", "What it really gives.", most=1e9, example="99.9")
    price_per_kwh = _number("Price of a kWh", "As on your bill.", most=1e6, example="0.30")
    currency = forms.CharField(
        label="Currency",
        max_length=8,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "e.g. EUR", "autocomplete": "off"}),
    )
    grid_g_per_kwh = _number(
        "Grid factor, gCO₂ a kWh", "CO₂ equivalents, as your source says.", most=1e5, example="380"
    )
    grid_name = forms.CharField(
        label="Whose factor",
        max_length=80,
        required=False,
        help_text="The grid and the source: every page that shows CO₂ names it.",
        widget=forms.TextInput(attrs={"placeholder": "e.g. German mix, UBA"}),
    )
    grid_dated = forms.DateField(
        label="Of which date",
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        unit = cleaned.get("unit", "joule")
        for name in NEEDS[unit]:
            if not cleaned.get(name) and name not in self.errors:
                self.add_error(name, f"{NAMES[unit]} cannot be told without it.")
        return cleaned

    def store(self, settings: UnitSettings) -> None:
        settings.unit = self.cleaned_data["unit"]
        for name in SAID:
            setattr(settings, name, self.cleaned_data[name])
        settings.save()
