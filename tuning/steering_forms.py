"""Forms on a sweep that exists: more budget, another question, a verification."""

from __future__ import annotations

from typing import Any

from django import forms

from measurements.models import Run
from measurements.statistics import fewest_for_upper_bound
from tuning.forms import (
    MOST_POINTS,
    QUANTILES,
    STRATEGY_LABELS,
)
from tuning.forms_of_goals import (
    WITH_MODEL,
    goal_field,
    pays_over_field,
    why_it_cannot_pay,
)
from tuning.models import Sweep
from tuning.strategies import STRATEGIES


class ExtendForm(forms.Form):
    trials = forms.IntegerField(
        min_value=0, max_value=MOST_POINTS, initial=8, label="More trials at most"
    )
    minutes = forms.FloatField(min_value=0.1, required=False, label="More board minutes")
    pays_over_requests = pays_over_field()

    def __init__(self, *args: Any, sweep: Sweep, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.initial["pays_over_requests"] = sweep.pays_over_requests
        if sweep.budget_board_s is None:
            del self.fields["minutes"]
        if sweep.strategy not in WITH_MODEL or sweep.goal != Sweep.GoalChoice.ENERGY:
            del self.fields["pays_over_requests"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("trials") == 0 and not cleaned.get("minutes"):
            self.add_error("trials", "Ask for at least one more trial, or for more board minutes.")
        return cleaned

    @property
    def board_s(self) -> float | None:
        minutes = self.cleaned_data.get("minutes")
        return None if minutes is None else minutes * 60


class ForkForm(forms.Form):
    name = forms.CharField(max_length=120, label="Name")
    goal = goal_field()
    objective = forms.ChoiceField(choices=Sweep.Objective, label="Energy counted")
    slo_ms = forms.FloatField(
        min_value=0.001, required=False, label="Latency limit (SLO), ms", help_text="Empty: none."
    )
    slo_statistic = forms.ChoiceField(choices=Sweep.SloStatistic, label="The limit holds for the")
    strategy = forms.ChoiceField(
        choices=[(name, STRATEGY_LABELS.get(name, name)) for name in STRATEGIES], label="Strategy"
    )
    budget_trials = forms.IntegerField(
        min_value=1, max_value=MOST_POINTS, label="New trials at most", initial=8
    )
    budget_minutes = forms.FloatField(
        min_value=0.1, required=False, label="Board minutes at most", help_text="Empty: no limit."
    )
    pays_over_requests = pays_over_field()

    def __init__(self, *args: Any, sweep: Sweep, **kwargs: Any) -> None:
        copied = ("goal", "pays_over_requests", "objective", "slo_ms", "slo_statistic", "strategy")
        initial = {field: getattr(sweep, field) for field in copied}
        initial["name"] = f"{sweep.name}, forked"[:120]
        super().__init__(*args, label_suffix="", initial=initial, **kwargs)
        self._sweep = sweep

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        statistic = cleaned.get("slo_statistic", "")
        quantile = QUANTILES.get(statistic) if cleaned.get("slo_ms") is not None else None
        fewest = fewest_for_upper_bound(quantile) if quantile else 1
        if self._sweep.requests < fewest:
            self.add_error(
                "slo_statistic",
                f"The runs of this sweep have {self._sweep.requests} requests; "
                f"this limit needs {fewest}.",
            )
        back_to_back = self._sweep.arrivals == Run.ArrivalsKind.BACK_TO_BACK
        if back_to_back and cleaned.get("objective") == Sweep.Objective.AT_RATE:
            self.add_error("objective", "Its requests came back to back: there is no rate.")
        if why := why_it_cannot_pay(cleaned):
            self.add_error("pays_over_requests", why)
        return cleaned


class VerifyForm(forms.Form):
    blocks = forms.IntegerField(min_value=2, max_value=24, initial=4, label="Blocks")
    trial = forms.IntegerField(min_value=1, required=False, label="Point of the front")
