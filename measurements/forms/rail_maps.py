from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractUser

from measurements.board.hardware.rails import counted_twice
from measurements.models import Device, RailMap


class RailMapForm(forms.Form):
    """Which rails make the device's total; none means what the board says."""

    total_of = forms.MultipleChoiceField(
        label="These rails make the total",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Leave all empty for what the board says. Holds for runs that start from now on.",
    )

    def __init__(self, device: Device, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, initial={"total_of": device.total_of}, **kwargs)
        self.device = device
        self.fields["total_of"].choices = [(name, name) for name in device.rails]

    def clean_total_of(self) -> list[str]:
        names: list[str] = self.cleaned_data["total_of"]
        if twice := counted_twice(names):
            parent, child = twice
            raise forms.ValidationError(
                f"{parent} feeds {child}: together they would count its power twice."
            )
        return names

    def store(self, by: AbstractUser) -> RailMap:
        return RailMap.correct(self.device, self.cleaned_data["total_of"], by=by)
