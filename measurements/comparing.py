"""Runs side by side, read from the rows: what was set, what came of it, and what differs.

A run that is not done has no value here: it takes part in no test.
"""

from __future__ import annotations

import string
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import OuterRef, Subquery
from django.db.models.functions import JSONObject

from measurements import comparison, latency
from measurements.comparison import Difference, Estimate
from measurements.latency import Latencies
from measurements.models import Calibration, Run

MOST = 12
LETTERS = string.ascii_uppercase


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, or a number with half of its 95 % interval; None: not known, for `reason`."""

    value: str | float | None
    half_width: float | None = None
    reason: str = "It was not measured."

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)


@dataclass(frozen=True, slots=True)
class Row:
    """One property of all runs; `unit` is "energy" for an energy per request, "" for texts."""

    label: str
    unit: str
    cells: tuple[Cell, ...]
    versus: tuple[Difference | None, ...] = ()

    @property
    def differs(self) -> bool:
        return len({cell.value for cell in self.cells}) > 1

    @property
    def is_known(self) -> bool:
        return any(cell.value is not None for cell in self.cells)

    @property
    def words(self) -> tuple[str, ...]:
        """The verdict of each cell; empty for the baseline, and where no ratio is known."""
        verbs = ("takes", "takes") if self.unit == "ms" else ("uses", "uses")
        versus = self.versus or (None,) * len(self.cells)
        return tuple(one.words(verbs) if one and one.ratio is not None else "" for one in versus)

    @property
    def pairs(self) -> list[tuple[Cell, str, bool]]:
        """(cell, verdict, whether it is beyond noise)."""
        versus = self.versus or (None,) * len(self.cells)
        beyond = [bool(one and one.is_beyond_noise) for one in versus]
        return list(zip(self.cells, self.words, beyond, strict=True))


@dataclass(frozen=True, slots=True)
class Side:
    """One run of the comparison and what it is called in it."""

    letter: str
    run: Run
    latencies: Latencies
    calibration: Calibration | None

    @property
    def name(self) -> str:
        trial = self.run.in_sweep
        what = str(self.run.network) if self.run.network else str(self.run)
        return f"{what}, trial {trial['number']}" if trial else what

    @property
    def energy(self) -> Estimate:
        """Busy energy per request; of an imported log, which has none, the at-rate one."""
        if self.run.origin == Run.Origin.IMPORTED_LOG:
            return _known(self.run, "at_rate_energy_j", "at_rate_half_width_j")
        return _known(self.run, "busy_energy_j", "busy_half_width_j")


def runs(ids: Sequence[uuid.UUID]) -> list[Run]:
    """Those of `ids` that exist, in that order, with the sweep that asked for each."""
    trial = Run.objects.filter(pk=OuterRef("pk"), trial_run__isnull=False)
    told = JSONObject(
        sweep="trial_run__trial__sweep",
        name="trial_run__trial__sweep__name",
        number="trial_run__trial__number",
        slo_ms="trial_run__trial__sweep__slo_ms",
        statistic="trial_run__trial__sweep__slo_statistic",
    )
    link = trial.order_by("trial_run").annotate(told=told).values("told")[:1]
    found = Run.objects.select_related("device", "network", "request_log", "trace")
    rows = found.prefetch_related("phases").annotate(in_sweep=Subquery(link)).in_bulk(ids)
    return [rows[key] for key in ids if key in rows]


def sides(found: Sequence[Run]) -> list[Side]:
    devices = {run.device_id for run in found if run.device_id}
    calibrations = list(Calibration.objects.standing().filter(device__in=devices))
    return [
        Side(LETTERS[number], run, _latencies(run), _calibration(run, calibrations))
        for number, run in enumerate(found)
    ]


def results(shown: Sequence[Side], baseline: int) -> list[Row]:
    """What came of each run; the tested ones with their difference from the baseline."""
    rows = [
        _tested("Busy energy per request", "energy", [_busy(side) for side in shown], baseline),
        _tested("At-rate energy per request", "energy", [_at_rate(one) for one in shown], baseline),
        _tested("Mean latency", "ms", [latency.mean(one.latencies) for one in shown], baseline),
    ]
    for q, name in ((0.5, "Median latency"), (0.95, "p95 latency"), (0.99, "p99 latency")):
        estimates = [latency.percentile(side.latencies, q) for side in shown]
        rows.append(_tested(name, "ms", estimates, baseline))
    rows += [
        Row(label, unit, tuple(Cell(_done(side.run, column)) for side in shown))
        for label, unit, column in _MEASURED
    ]
    return [row for row in (*rows, *_rail_powers(shown)) if row.is_known or row.label in _TOLD]


def sentences(shown: Sequence[Side], baseline: int, rows: Sequence[Row]) -> list[str]:
    """What each other run does beside the baseline, in energy and in p95."""
    energy = [side.energy for side in shown]
    against = _tested("", "energy", energy, baseline).versus
    p95 = next(row for row in rows if row.label == "p95 latency").words
    base = shown[baseline].letter
    told = []
    for number, side in enumerate(shown):
        if number == baseline:
            continue
        words = against[number]
        text = f"{side.letter} against {base}: energy per request: {words.words() if words else ''}"
        told.append(f"{text}; p95 latency: {p95[number]}." if p95[number] else f"{text}.")
    return told


def csv_rows(shown: Sequence[Side], tables: Sequence[Sequence[Row]]) -> Iterable[list[object]]:
    yield ["property", "unit", *(f"{side.letter}" for side in shown),
           *(f"{side.letter} half_width_95" for side in shown),
           *(f"{side.letter} over baseline" for side in shown),
           *(f"{side.letter} verdict" for side in shown)]  # fmt: skip
    for row in (row for table in tables for row in table):
        unit = "J per request" if row.unit == "energy" else row.unit
        versus = row.versus or (None,) * len(shown)
        yield [row.label, unit, *(cell.value for cell in row.cells),
               *(cell.half_width for cell in row.cells),
               *(one.ratio if one else None for one in versus),
               *row.words]  # fmt: skip


def _tested(label: str, unit: str, estimates: Sequence[Estimate], baseline: int) -> Row:
    others = [one for number, one in enumerate(estimates) if number != baseline]
    versus: list[Difference | None] = list(comparison.against(estimates[baseline], others))
    versus.insert(baseline, None)
    cells = tuple(Cell(one.value, one.half_width) for one in estimates)
    return Row(label, unit, cells, tuple(versus))


def _rail_powers(shown: Sequence[Side]) -> list[Row]:
    """Mean power of each rail over the measured window."""
    names = list(dict.fromkeys(name for side in shown for name in side.run.rails))
    return [
        Row(f"{name}, mean power", "W", tuple(Cell(_rail_w(side.run, name)) for side in shown))
        for name in names
    ]


def _rail_w(run: Run, name: str) -> float | None:
    """The rail's share of busy energy is its share of the mean power."""
    if name not in run.rails or run.state != Run.State.DONE or not run.mean_power_w:
        return None
    for rails_j, whole_j in (
        (run.rail_busy_energy_j, run.busy_energy_j),
        (run.rail_at_rate_energy_j, run.at_rate_energy_j),
    ):
        if rails_j and whole_j and rails_j[run.rails.index(name)] is not None:
            return run.mean_power_w * float(rails_j[run.rails.index(name)]) / whole_j
    return None


def _latencies(run: Run) -> Latencies:
    """None of them without a log, or where the run is not valid."""
    return (
        latency.of(getattr(run, "request_log", None))
        if run.state == Run.State.DONE
        else latency.NONE
    )


def _calibration(run: Run, known: Sequence[Calibration]) -> Calibration | None:
    """The one that held when its board took it; as `Calibration.of_run`, without a query."""
    when = run.claimed_at or run.finished_at
    held = [
        one
        for one in known
        if when and one.device_id == run.device_id and one.valid_from <= when < one.valid_until
    ]
    return max(held, key=lambda one: (one.valid_from, one.pk), default=None)


def _known(run: Run, value: str, half_width: str) -> Estimate:
    if run.state != Run.State.DONE:
        return Estimate(None)
    return Estimate(getattr(run, value), getattr(run, half_width))


def _busy(side: Side) -> Estimate:
    return _known(side.run, "busy_energy_j", "busy_half_width_j")


def _at_rate(side: Side) -> Estimate:
    return _known(side.run, "at_rate_energy_j", "at_rate_half_width_j")


def _done(run: Run, column: str) -> float | None:
    return getattr(run, column) if run.state == Run.State.DONE else None


_TOLD = ("Busy energy per request", "p95 latency")
"""Rows that stand there even where no run knows them."""
_MEASURED = (
    ("Mean power", "W", "mean_power_w"),
    ("Idle power", "W", "idle_power_w"),
    ("Hottest zone", "°C", "temp_max_c"),
    ("At its start", "°C", "temp_before_c"),
    ("Requests served", "", "requests_served"),
    ("Board time", "s", "board_s"),
)
