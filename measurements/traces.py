"""Reading a run's stored samples for a picture: as many as can be seen, each really measured."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import F, Max, Min, Q, QuerySet, Window
from django.db.models.expressions import OrderBy
from django.db.models.functions import Floor, RowNumber

from measurements.figures import PowerTrace, RailTrace, Span
from measurements.models import PowerSample, Run

MOST_SAMPLES = 2400
"""Above this, each of half as many stretches of time shows its lowest and its highest power."""
COLUMNS = ("t_us", "total_w", "rails_w", "gpu_mhz", "emc_mhz", "cpu_mhz", "temp_c")


def power_trace(run: Run, *, parts: dict[str, str], most: int = MOST_SAMPLES) -> PowerTrace | None:
    """At most `most` samples of `run`, ascending in time; None if it has none.

    Args:
        parts: What each rail feeds, by its name.
    """
    samples = PowerSample.objects.filter(run=run)
    rows = _extremes(samples, most // 2) if samples.count() > most else _all(samples)
    if not rows:
        return None
    t_us, total_w, rails_w, gpu_mhz, emc_mhz, cpu_mhz, temp_c = zip(*rows, strict=True)
    return PowerTrace(
        t_s=[t / 1e6 for t in t_us],
        total_w=total_w,
        rails=[
            RailTrace(name, parts.get(name, "other"), [watts[row] for watts in rails_w])
            for row, name in enumerate(run.rails)
        ],
        gpu_mhz=gpu_mhz,
        emc_mhz=emc_mhz,
        cpu_mhz=cpu_mhz,
        temp_c=temp_c,
    )


def phases(run: Run) -> list[Span]:
    return [Span(phase.name, phase.start_s, phase.end_s) for phase in run.phases.all()]


def _all(samples: QuerySet[PowerSample]) -> Sequence[tuple]:
    return list(samples.order_by("t_us").values_list(*COLUMNS))


def _extremes(samples: QuerySet[PowerSample], stretches: int) -> Sequence[tuple]:
    """The samples with the lowest and the highest total of each stretch of time."""
    edges = samples.aggregate(first=Min("t_us"), last=Max("t_us"))
    width = (edges["last"] - edges["first"] + 1) / stretches
    numbered = samples.annotate(stretch=Floor((F("t_us") - edges["first"]) / width))
    ranked = numbered.annotate(
        from_lowest=_rank(F("total_w").asc(nulls_last=True)),
        from_highest=_rank(F("total_w").desc(nulls_last=True)),
    )
    kept = ranked.filter(Q(from_lowest=1) | Q(from_highest=1))
    return list(kept.order_by("t_us").values_list(*COLUMNS))


def _rank(order: OrderBy) -> Window:
    return Window(RowNumber(), partition_by=F("stretch"), order_by=[order, F("t_us").asc()])
