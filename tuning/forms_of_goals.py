"""Fields of the forms that launch, extend and fork: what a sweep looks for, and until when."""

from __future__ import annotations

from typing import Any

from django import forms

from tuning.loaded_choices import LoadedChoicesField
from tuning.models import Sweep
from tuning.repeats import COARSE_PERCENT

WITH_MODEL = ("polyweb", "cbo")
"""Strategies that can say what the next measurement is expected to save."""


def goal_field() -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        choices=Sweep.GoalChoice,
        required=False,
        empty_value=Sweep.GoalChoice.ENERGY,
        initial=Sweep.GoalChoice.ENERGY,
        label="Look for",
    )


def pays_over_field() -> forms.IntegerField:
    return forms.IntegerField(
        min_value=1,
        max_value=10**15,
        required=False,
        label="This result will serve about so many requests",
        help_text="Then the search also ends once the next measurement is expected to save less "
        "on so many than it draws. Empty: only the budget ends it.",
    )


def why_it_cannot_pay(cleaned: dict[str, Any]) -> str:
    """Why the rule of `tuning.paying` cannot hold for what was chosen; empty if it can."""
    if not cleaned.get("pays_over_requests"):
        return ""
    if cleaned.get("strategy") not in WITH_MODEL:
        return "Only a strategy with a model knows what a measurement may save."
    if cleaned.get("goal") not in ("", None, Sweep.GoalChoice.ENERGY):
        return "Joules saved can be told only where the least energy is looked for."
    return ""


def repeats_field() -> forms.TypedChoiceField:
    coarse = f"{COARSE_PERCENT:g}"
    return forms.TypedChoiceField(
        choices=[
            ("", "each point once"),
            ("1", f"coarse first looks (± {coarse} %), contenders again and closer"),
        ],
        coerce=bool,
        empty_value=False,
        required=False,
        label="Measure",
        help_text="A run lasts ten seconds at least, so coarse looks save little board time "
        "unless energies are wanted better than ± 1 %. Every run is a trial.",
    )


def why_it_cannot_repeat(cleaned: dict[str, Any]) -> str:
    """Why no point can be measured again in what was chosen; empty if it can."""
    if not cleaned.get("may_repeat"):
        return ""
    if cleaned.get("strategy") != Sweep.Strategy.POLYWEB:
        return "Only the strategy polyweb measures contenders again."
    if cleaned.get("goal") == Sweep.GoalChoice.PARETO:
        return "A front has no contenders: its points are measured once."
    if cleaned.get("half_width_percent") is None:
        return "With a fixed number of requests all looks are alike."
    return ""


class EarlierField(LoadedChoicesField):
    """Earlier sweeps to start from, called by what they measured."""

    def label_from_instance(self, sweep: Sweep) -> str:
        return f"{sweep}: {sweep.network} on {sweep.device}"
