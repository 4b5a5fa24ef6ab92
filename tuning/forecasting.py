"""Forecasts of sweeps: read by pages, made by the tuner, since a fit takes seconds."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Max, QuerySet

from tuning import results
from tuning.forecast import Forecast, forecast
from tuning.space import Point

from .models import StoredForecast, Sweep, TrialRun

SCHEME = 1
"""Goes up when what is stored, or the model behind it, changes."""
LEAST_MEASURED = 3
BEHIND = 0.1
"""A running sweep's forecast may lack this share of its points; else it would never rest."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The latest forecast of a sweep, if any, and whether a newer one is on its way."""

    forecast: Forecast | None
    is_coming: bool
    measured: int

    @property
    def needs(self) -> int:
        """How many points more have to be measured before there can be a forecast."""
        return max(0, LEAST_MEASURED - self.measured)


def outlook(sweep: Sweep) -> Outlook:
    """What is stored; whoever shows it asks the tuner for a newer one if that `is_coming`."""
    mark, measured = _mark(sweep)
    stored = StoredForecast.objects.filter(sweep=sweep).first()
    if stored is not None and not _fits(stored, sweep):
        stored = None
    is_coming = measured >= LEAST_MEASURED and not _is_enough(stored, sweep, mark, measured)
    return Outlook(stored and stored.forecast(), is_coming, measured)


def renew(sweep_id: int) -> bool:
    """Fit the model, if anything was measured since it last was; False if there is no need."""
    sweep = Sweep.objects.filter(pk=sweep_id).first()
    if sweep is None:
        return False
    mark, measured = _mark(sweep)
    known = StoredForecast.objects.filter(sweep=sweep, mark=mark).exists()
    if known or measured < LEAST_MEASURED:
        return False
    StoredForecast.keep(sweep, forecast(sweep.question()), mark=mark)
    return True


def measured_points(sweep: Sweep) -> set[Point]:
    """The points that a forecast of the sweep rests on, or will."""
    return {tuple(values) for values in _known(sweep).values_list("trial__values", flat=True)}


def _known(sweep: Sweep) -> QuerySet[TrialRun]:
    known = results.measured(sweep).filter(latency_ms__gt=0, trial__state="observed")
    return known.order_by()


def _mark(sweep: Sweep) -> tuple[str, int]:
    """What a forecast would rest on, in short; and how many points were measured."""
    found = _known(sweep).aggregate(count=Count("trial", distinct=True), newest=Max("pk"))
    return f"{SCHEME}.{sweep.slo_ms}.{found['count']}.{found['newest']}", found["count"]


def _fits(stored: StoredForecast, sweep: Sweep) -> bool:
    """Whether it was made by today's scheme, for the space as it is."""
    return stored.mark.startswith(f"{SCHEME}.") and len(stored.moments) == 16 * len(sweep.space())


def _is_enough(stored: StoredForecast | None, sweep: Sweep, mark: str, measured: int) -> bool:
    if stored is None:
        return False
    return stored.mark == mark or (
        sweep.is_open and measured - stored.measured < max(3, BEHIND * measured)
    )
