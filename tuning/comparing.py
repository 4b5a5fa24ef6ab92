"""Sweeps side by side: their winners, their verified savings, and what they both measured.

A winner is the best of many noisy values, so its energy is flattered a little; what was
verified is not. The paired difference takes every configuration that two sweeps have in
common, and is blind to which of them won.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q

from measurements import comparison
from measurements.comparing import Cell, Row
from measurements.comparison import Difference, Estimate
from tuning import results
from tuning.models import Sweep, Trial
from tuning.results import STATISTIC_LABELS, Result
from tuning.wording import SHORT, clock_mhz

LETTERS = string.ascii_uppercase


@dataclass(frozen=True, slots=True)
class Side:
    """One sweep of the comparison; `found` are its measured points, with known energies."""

    letter: str
    sweep: Sweep
    found: tuple[Result, ...]

    @property
    def best(self) -> Result | None:
        feasible = [result for result in self.found if result.meets_slo]
        return min(feasible, key=lambda one: (one.energy_j or 0.0, one.number), default=None)

    @property
    def energy(self) -> Estimate:
        best = self.best
        return Estimate(best.energy_j, best.half_width_j) if best else Estimate(None)

    @property
    def verified_words(self) -> str:
        """What the latest verification said, if it speaks of the best point of now."""
        checked = self.sweep.checked
        standing = self.sweep.standing
        if standing == Sweep.Standing.NOT_YET or not checked:
            return "not yet verified"
        return str(checked["words"])


@dataclass(frozen=True, slots=True)
class Paired:
    """The mean difference over configurations that both have measured, each by its own runs."""

    difference: Difference
    configurations: int
    shared_runs: int
    """Further ones that one sweep took over from the other: the same run, so left out."""


def sweeps(ids: Sequence[int]) -> list[Sweep]:
    """Those of `ids` that exist, in that order."""
    observed = Count("trials", filter=Q(trials__state=Trial.State.OBSERVED))
    found = Sweep.objects.select_related("device", "network", "trace").prefetch_related("axes")
    rows = found.with_standing().annotate(observed=observed).in_bulk(ids)
    return [rows[key] for key in ids if key in rows]


def sides(found: Sequence[Sweep]) -> list[Side]:
    """All measured points of all of them in one query."""
    queries = [_measured(sweep) for sweep in found]
    rows = queries[0].union(*queries[1:], all=True) if len(queries) > 1 else queries[0]
    names = {sweep.pk: sweep.space().names for sweep in found}
    points: dict[int, list[Result]] = {sweep.pk: [] for sweep in found}
    for pk, number, state, run, run_state, values, *rest in rows:
        point = dict(zip(names[pk], values, strict=True))
        points[pk].append(Result(number, state, run, run_state, point, *rest))
    return [
        Side(LETTERS[n], sweep, tuple(sorted(points[sweep.pk], key=lambda one: one.number)))
        for n, sweep in enumerate(found)
    ]


def winners(shown: Sequence[Side], baseline: int) -> list[Difference | None]:
    """The energy of each winner over the baseline's, corrected for all; None for itself."""
    others = [side.energy for number, side in enumerate(shown) if number != baseline]
    found: list[Difference | None] = list(comparison.against(shown[baseline].energy, others))
    found.insert(baseline, None)
    return found


def paired(shown: Sequence[Side], baseline: int) -> list[Paired | None]:
    """Over the configurations that each has in common with the baseline, corrected for all."""
    base = shown[baseline]
    pairs = [None if side is base else _common(base, side) for side in shown]
    known = [one for one in pairs if one is not None]
    judged = iter(comparison.holm([comparison.paired(energies) for energies, _ in known]))
    return [None if one is None else Paired(next(judged), len(one[0]), one[1]) for one in pairs]


def settings(shown: Sequence[Side]) -> list[Row]:
    return [Row(label, "", tuple(Cell(of(side)) for side in shown)) for label, of in _ASKED]


def outcomes(shown: Sequence[Side], baseline: int) -> list[Row]:
    """The winners: energy with its difference, latency, clocks, and whether they were verified."""
    energies = tuple(Cell(*_pair(side.energy), reason=_NO_BEST) for side in shown)
    rows = [
        Row("Winner's energy per request", "energy", energies, tuple(winners(shown, baseline))),
        _of_best(shown, "Winner's latency", "ms", lambda best: best.latency_ms),
        _of_best(shown, "Winner's latency, at most", "ms", lambda best: best.upper_ms),
        _of_best(shown, "Winner's mean power", "W", lambda best: best.power_w),
    ]
    names = list(dict.fromkeys(name for side in shown for name in side.sweep.space().names))
    rows += [
        Row(f"Winner's {SHORT.get(name, name)}", "", tuple(Cell(_knob(one, name)) for one in shown))
        for name in names
    ]
    rows.append(Row("Verified", "", tuple(Cell(side.verified_words) for side in shown)))
    return rows


def unlike(shown: Sequence[Side]) -> list[str]:
    """In what the sweeps differ that a comparison should hold alike, in words."""
    found = []
    for label, of in _LIKE:
        values = [of(side) for side in shown]
        if len(set(values)) > 1:
            found.append(f"{label}: {', '.join(dict.fromkeys(values))}")
    return found


def sentences(
    shown: Sequence[Side],
    baseline: int,
    best: Sequence[Difference | None],
    common: Sequence[Paired | None],
) -> list[str]:
    base = shown[baseline].letter
    told = []
    for side, winner, pair in zip(shown, best, common, strict=True):
        if winner is None or pair is None:
            continue
        told.append(
            f"{side.letter} against {base}: winner against winner: {winner.words()}; "
            f"{_paired_words(pair)}."
        )
    return told


def csv_rows(shown: Sequence[Side], tables: Sequence[Sequence[Row]]) -> Iterable[list[object]]:
    yield ["property", "unit", *(side.letter for side in shown),
           *(f"{side.letter} half_width_95" for side in shown),
           *(f"{side.letter} verdict" for side in shown)]  # fmt: skip
    for row in (row for table in tables for row in table):
        yield [row.label, "J per request" if row.unit == "energy" else row.unit,
               *(cell.value for cell in row.cells), *(cell.half_width for cell in row.cells),
               *row.words]  # fmt: skip


def _measured(sweep: Sweep):  # noqa: ANN202 a values_list has no shorter name
    return results.measured(sweep).order_by().values_list(
        "trial__sweep_id", "trial__number", "trial__state", "run_id", "run__state",
        "trial__values", "energy_j", "half_width_j", "latency_ms", "upper_ms", "meets_slo",
        "run__mean_power_w", "run__board_s", "run__device__name", "trial__taken_over",
    )  # fmt: skip


def _common(base: Side, side: Side) -> tuple[list[tuple[float, float]], int]:
    """((baseline's energy, the other's) of each common configuration, how many share a run)."""
    known = {_key(result): result for result in base.found}
    pairs, shared = [], 0
    for result in side.found:
        twin = known.get(_key(result))
        if twin is None or not twin.energy_j or not result.energy_j:
            continue
        if twin.run_id == result.run_id:
            shared += 1
        else:
            pairs.append((twin.energy_j, result.energy_j))
    return pairs, shared


def _key(result: Result) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(result.point.items()))


def _paired_words(pair: Paired) -> str:
    taken = f" ({pair.shared_runs} more are the same runs, taken over)" if pair.shared_runs else ""
    if not pair.configurations:
        return f"no configuration was measured by both{taken}"
    over = f"over {pair.configurations} common configurations{taken}"
    if pair.configurations < comparison.FEWEST_PAIRS:
        return f"{over}: too few for an interval"
    return f"{over}: {pair.difference.words()}"


def _pair(estimate: Estimate) -> tuple[float | None, float | None]:
    return estimate.value, estimate.half_width


def _of_best(shown: Sequence[Side], label: str, unit: str, of) -> Row:  # noqa: ANN001
    values = [None if side.best is None else of(side.best) for side in shown]
    return Row(label, unit, tuple(Cell(value, reason=_NO_BEST) for value in values))


def _knob(side: Side, name: str) -> str:
    if side.best is None or name not in side.best.point:
        return "as found" if side.best else "no winner yet"
    value = side.best.point[name]
    return str(value) if not name.endswith("_hz") else f"{clock_mhz(value)} MHz"


def _slo(side: Side) -> str:
    sweep = side.sweep
    if sweep.slo_ms is None:
        return "none"
    return f"{STATISTIC_LABELS[sweep.slo_statistic]} ≤ {sweep.slo_ms:g} ms"


def _arrivals(side: Side) -> str:
    sweep = side.sweep
    rate = f" at {sweep.rate_hz:g} a second" if sweep.rate_hz else ""
    return f"{sweep.get_arrivals_display()}{rate}{f', {sweep.trace}' if sweep.trace else ''}"


def _space(side: Side) -> str:
    space = side.sweep.space()
    return f"{len(space)} points: {', '.join(SHORT.get(name, name) for name in space.names)}"


_NO_BEST = "No measured point keeps the limit."
_ASKED = (
    ("Network", lambda side: side.sweep.network.name),
    ("Device", lambda side: side.sweep.device.name),
    ("Provenance", lambda side: str(side.sweep.device.provenance)),
    ("Board", lambda side: side.sweep.device.board_model or "not stated"),
    ("JetPack", lambda side: side.sweep.device.jetpack or "not stated"),
    ("Look for", lambda side: side.sweep.get_goal_display()),
    ("Energy counted", lambda side: side.sweep.get_objective_display()),
    ("Latency limit (SLO)", _slo),
    ("Arrivals", _arrivals),
    ("Space", _space),
    ("Strategy", lambda side: side.sweep.get_strategy_display()),
    ("Trials observed", lambda side: str(side.sweep.observed)),
    ("Requests a run, at most", lambda side: str(side.sweep.requests)),
    ("Sampled every (ms)", lambda side: str(side.sweep.sample_interval_ms)),
    ("Seed", lambda side: str(side.sweep.seed)),
)
_LIKE = (
    ("Network", lambda side: side.sweep.network.name),
    ("Device", lambda side: side.sweep.device.name),
    ("Provenance", lambda side: str(side.sweep.device.provenance)),
    ("Look for", lambda side: side.sweep.get_goal_display()),
    ("Energy counted", lambda side: side.sweep.get_objective_display()),
    ("Latency limit", _slo),
    ("Arrivals", _arrivals),
    ("Sampled every (ms)", lambda side: str(side.sweep.sample_interval_ms)),
)
