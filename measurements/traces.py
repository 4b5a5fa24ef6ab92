"""Reading a run's stored samples: for a picture, as many as can be seen; for a window, all.

A picture of more samples than fit shows the extremes of equal stretches (`envelope`),
which were marked when the samples were stored; so a million of them cost no more than
some thousands. Every sample drawn was really measured.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import connection
from django.db.models import F, Max, Min, Q, QuerySet, Window
from django.db.models.expressions import OrderBy
from django.db.models.functions import Floor, RowNumber

from measurements import envelope
from measurements.models import PowerSample, Run
from measurements.power import Trace
from measurements.power import Window as TimeWindow
from measurements.trace_figure import Batch, PowerTrace, RailTrace, Span

MOST_SAMPLES = envelope.SHORT
MOST_BATCHES = 300
"""With more of them in sight, batches are not told apart by eye."""
COLUMNS = ("t_us", "total_w", "rails_w", "gpu_mhz", "emc_mhz", "cpu_mhz", "temp_c")


@dataclass(frozen=True, slots=True)
class Columns:
    """Samples of a window and one beyond each end; `rails_w` (rails, n), the others (n,)."""

    t_s: np.ndarray
    total_w: np.ndarray
    rails_w: np.ndarray

    def total(self, lag_s: float) -> Trace:
        return Trace(self.t_s, self.total_w, lag_s)

    def rail(self, row: int, lag_s: float) -> Trace:
        return Trace(self.t_s, self.rails_w[row], lag_s)


def power_trace(
    run: Run,
    *,
    parts: dict[str, str],
    within: TimeWindow | None = None,
    most: int = MOST_SAMPLES,
) -> PowerTrace | None:
    """At most `most` samples of `run` within a window, ascending in time; None if it has none.

    Args:
        parts: What each rail feeds, by its name.
    """
    rows, level = _visible(_samples(run, within), most)
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
        stretch=level,
    )


def phases(run: Run) -> list[Span]:
    return [Span(phase.name, phase.start_s, phase.end_s) for phase in run.phases.all()]


def batches(run: Run, within: TimeWindow) -> list[Batch] | None:
    """Inferences that touch the window, in order of time; None if there are too many to see."""
    sql = """
        SELECT u.inference, u.finish, count(*)
        FROM measurements_requestlog,
             unnest(inference_start_s, end_s) AS u(inference, finish)
        WHERE run_id = %s AND u.finish >= %s AND u.inference <= %s
        GROUP BY 1, 2 ORDER BY 1 LIMIT %s"""
    with connection.cursor() as cursor:
        cursor.execute(sql, [run.pk, *within, MOST_BATCHES + 1])
        found = [Batch(*row) for row in cursor.fetchall()]
    return None if len(found) > MOST_BATCHES else found


def completed_in(run: Run, within: TimeWindow) -> int | None:
    """How many requests were completed in the window; None if nobody timed them."""
    sql = """
        SELECT (SELECT count(*) FROM unnest(end_s) AS finish WHERE finish > %s AND finish <= %s)
        FROM measurements_requestlog WHERE run_id = %s"""
    with connection.cursor() as cursor:
        cursor.execute(sql, [*within, run.pk])
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def columns(run: Run, within: TimeWindow) -> Columns:
    """All samples of the window, and the nearest one beyond each of its ends."""
    rails = "".join(f", rails_w[{row + 1}]" for row in range(len(run.rails)))
    sql = f"""
        COPY (
            SELECT t_us, total_w{rails} FROM measurements_powersample WHERE run_id = %(run)s
            AND t_us >= coalesce((SELECT max(t_us) FROM measurements_powersample
                                  WHERE run_id = %(run)s AND t_us <= %(start)s), %(start)s)
            AND t_us <= coalesce((SELECT min(t_us) FROM measurements_powersample
                                  WHERE run_id = %(run)s AND t_us >= %(end)s), %(end)s)
            ORDER BY t_us
        ) TO STDOUT (DELIMITER ' ', NULL 'nan')"""
    values = {
        "run": run.pk,
        "start": int(within.start_s * 1e6),
        "end": int(np.ceil(within.end_s * 1e6)),
    }
    text = io.StringIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(cursor.mogrify(sql, values), text)
    table = np.fromstring(text.getvalue(), sep=" ").reshape(-1, 2 + len(run.rails)).T
    return Columns(table[0] / 1e6, table[1], table[2:])


def _samples(run: Run, within: TimeWindow | None) -> QuerySet[PowerSample]:
    samples = PowerSample.objects.filter(run=run)
    if within is None:
        return samples
    return samples.filter(t_us__gte=within.start_s * 1e6, t_us__lte=within.end_s * 1e6)


def _visible(samples: QuerySet[PowerSample], most: int) -> tuple[Sequence[tuple], int]:
    """(rows, how many samples stand behind each pair) of the finest level that fits."""
    fits = samples
    for level in range(envelope.LEVELS + 1):
        fits = samples.filter(level__in=range(level, envelope.LEVELS + 1)) if level else samples
        # Counting stops one beyond what fits: it costs the same for any number of samples.
        count = fits[: most + 1].count()
        if level and not count:
            fits = samples  # Stored before levels were.
            break
        if count <= most:
            return list(fits.order_by("t_us").values_list(*COLUMNS)), envelope.stretch(level)
    return _extremes(fits, most // 2), envelope.stretch(envelope.LEVELS)


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
