"""What a sweep has found so far: its trials as rows, the best of them, and how far it is.

"Meets the SLO" means that the one-sided 95 % upper bound of the named percentile lies
within it; for the mean, which has no such bound, that the mean itself does.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Count,
    F,
    FloatField,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.urls import reverse

from measurements.models import Run
from measurements.units import JOULE

from .models import CpuTrialRun, Sweep, Trial, TrialRun
from .models.progress import beside_fixed_s

STATISTIC_LABELS = {"mean": "mean", "p50": "median", "p95": "p95", "p99": "p99"}


@dataclass(frozen=True, slots=True)
class Result:
    """One trial and its latest run, on `device`.

    Energy per request in joules; None: not (yet) known.
    """

    number: int
    state: str
    run_id: uuid.UUID
    run_state: str
    point: dict[str, int]
    energy_j: float | None
    half_width_j: float | None
    latency_ms: float | None
    upper_ms: float | None
    meets_slo: bool
    power_w: float | None
    board_s: float | None
    device: str = ""
    taken_over: bool = False
    precision_percent: float | None = None
    """How well its run was asked to know the energy; None: it had a fixed length."""
    look: int = 1
    """Which look at its point it is; a later one takes its place, and it is superseded."""
    is_superseded: bool = False

    @property
    def url(self) -> str:
        return reverse("run", args=[self.run_id])

    @property
    def is_measured(self) -> bool:
        return self.run_state == Run.State.DONE and self.energy_j is not None

    @property
    def bound_ms(self) -> float | None:
        """What is held against the SLO: the upper bound, or the mean itself."""
        return self.latency_ms if self.upper_ms is None else self.upper_ms

    @property
    def batch_size(self) -> int:
        return self.point.get("batch_size", 1)

    @property
    def energy_text(self) -> str:
        return "unknown" if self.energy_j is None else JOULE.text(self.energy_j)

    @property
    def latency_text(self) -> str:
        return "unknown" if self.latency_ms is None else f"{self.latency_ms:.3g} ms"

    @property
    def state_label(self) -> str:
        return Trial.State(self.state).label


@dataclass(frozen=True, slots=True)
class Progress:
    """How many trials the sweep itself asked for, how they ended, and their board seconds."""

    asked: int
    observed: int
    given_up: int
    board_s: float
    runs: int
    taken_over: int = 0
    adaptive_s: float = 0.0
    """Of its runs that stopped by themselves; `fixed_s`: with 1,000 requests each, estimated."""
    fixed_s: float = 0.0
    cpu_runs: int = 0
    """Of the CPU phase; `cpu_s`, their board seconds, is contained in `board_s`."""
    cpu_s: float = 0.0

    @property
    def saved_s(self) -> float:
        return self.fixed_s - self.adaptive_s

    @property
    def ended(self) -> int:
        return self.observed + self.given_up

    @property
    def mark(self) -> str:
        """Changes whenever there is something new to show."""
        trials = f"{self.asked}.{self.observed}.{self.given_up}.{self.runs}.{self.taken_over}"
        return f"{trials}.{self.cpu_runs}"


@dataclass(frozen=True, slots=True)
class Difference:
    """How much less energy one result takes than another, as a share with its half-width."""

    share: float
    half_width: float | None

    @property
    def low(self) -> float | None:
        return None if self.half_width is None else self.share - self.half_width

    @property
    def high(self) -> float | None:
        return None if self.half_width is None else self.share + self.half_width


def links(sweep: Sweep) -> QuerySet[TrialRun]:
    """The sweep's runs with `energy_j`, `half_width_j`, `latency_ms`, `upper_ms`, `meets_slo`."""
    energy = "busy" if sweep.objective == Sweep.Objective.BUSY else "at_rate"
    latency = f"run__latency_{sweep.slo_statistic}"
    has_bound = sweep.slo_statistic != Sweep.SloStatistic.MEAN
    return TrialRun.objects.filter(trial__sweep=sweep).annotate(
        energy_j=F(f"run__{energy}_energy_j"),
        half_width_j=F(f"run__{energy}_half_width_j"),
        latency_ms=F(f"{latency}_ms"),
        upper_ms=F(f"{latency}_upper_ms")
        if has_bound
        else Value(None, output_field=FloatField(null=True)),
        meets_slo=Case(
            When(
                _within(sweep, f"{latency}_upper_ms" if has_bound else f"{latency}_ms"), then=True
            ),
            default=False,
            output_field=BooleanField(),
        ),
    )


def latest(sweep: Sweep) -> QuerySet[TrialRun]:
    """One link a trial: its latest run."""
    newest = (
        TrialRun.objects.filter(trial__sweep=sweep).order_by("trial_id", "-pk").distinct("trial_id")
    )
    return links(sweep).filter(pk__in=newest.values("pk")).order_by("trial__number")


def measured(sweep: Sweep) -> QuerySet[TrialRun]:
    """Done runs with a known energy, of each point the latest: what figures may use."""
    done = links(sweep).filter(
        run__state=Run.State.DONE, energy_j__isnull=False, trial__is_superseded=False
    )
    return done.order_by("trial__number")


def rows(sweep: Sweep, found: QuerySet[TrialRun], names: tuple[str, ...]) -> list[Result]:
    """The links `found` as results; `names` are those of the sweep's axes, in their order."""
    columns = found.values_list(
        "trial__number", "trial__state", "run_id", "run__state", "trial__values",
        "energy_j", "half_width_j", "latency_ms", "upper_ms", "meets_slo",
        "run__mean_power_w", "run__board_s", "run__device__name", "trial__taken_over",
        "run__half_width_percent", "trial__look", "trial__is_superseded",
    )  # fmt: skip
    return [
        Result(number, state, run, run_state, dict(zip(names, values, strict=True)), *rest)
        for number, state, run, run_state, values, *rest in columns
    ]


def best(sweep: Sweep, names: tuple[str, ...]) -> Result | None:
    """The measured point that the sweep's goal ranks first among those that meet the SLO.

    Of a front it is the knee, the least energy x latency, where one percent less energy
    costs one percent more latency.
    """
    only_energy = sweep.goal == Sweep.GoalChoice.ENERGY
    cost = F("energy_j") if only_energy else F("energy_j") * F("latency_ms")
    feasible = measured(sweep).annotate(cost=cost).filter(meets_slo=True, cost__isnull=False)
    return next(iter(rows(sweep, feasible.order_by("cost", "trial__number")[:1], names)), None)


def front(found: Iterable[Result]) -> list[Result]:
    """Those within the SLO that no other beats in both latency and energy, the fastest first."""
    known = [one for one in found if one.meets_slo and one.is_measured and one.latency_ms]
    return non_dominated(known)


def non_dominated(found: Iterable[Result]) -> list[Result]:
    """Those of known energy and latency that no other beats in both, by rising latency."""
    best: list[Result] = []
    for one in sorted(found, key=lambda one: (one.latency_ms or 0.0, one.energy_j or 0.0)):
        if not best or (one.energy_j or 0.0) < (best[-1].energy_j or 0.0):
            best.append(one)
    return best


def best_of(sweep: Sweep) -> Result | None:
    """The best point as a row, of a sweep that `with_best` annotated; no query of its own."""
    found = sweep.best
    if found is None:
        return None
    has_bound = sweep.slo_statistic != Sweep.SloStatistic.MEAN
    return Result(
        number=found["number"],
        state=Trial.State.OBSERVED,
        run_id=uuid.UUID(found["run"]),
        run_state=Run.State.DONE,
        point=dict(zip(sweep.space().names, found["values"], strict=True)),
        energy_j=found["energy_j"],
        half_width_j=found["half_width_j"],
        latency_ms=found["latency_ms"],
        upper_ms=found["bound_ms"] if has_bound else None,
        meets_slo=True,
        power_w=None,
        board_s=None,
    )


def at_default_clocks(sweep: Sweep, names: tuple[str, ...], batch_size: int) -> Result | None:
    """The trial at the device's default clocks and `batch_size`, if this sweep measured it.

    A knob that the sweep leaves as found is at its default. One whose default is a
    governor, not a clock, cannot be matched by any fixed clock.
    """
    if sweep.held_cpu_hz is not None:
        return None
    default = {name: getattr(sweep.device, f"default_{name}", None) for name in names}
    values = [batch_size if name == "batch_size" else default[name] for name in names]
    if None in values:
        return None
    found = measured(sweep).filter(trial__values=values)[:1]
    return next(iter(rows(sweep, found, names)), None)


def less(result: Result, than: Result) -> Difference | None:
    """By what share `result` takes less energy than `than`; None if one is unknown.

    The half-width treats the two as independent measurements.
    """
    if not result.energy_j or not than.energy_j:
        return None
    ratio = result.energy_j / than.energy_j
    if result.half_width_j is None or than.half_width_j is None:
        return Difference(1 - ratio, None)
    relative = math.hypot(result.half_width_j / result.energy_j, than.half_width_j / than.energy_j)
    return Difference(1 - ratio, ratio * relative)


def progress(sweep: Sweep) -> Progress:
    own, State = Q(taken_over=False), Trial.State
    trials = sweep.trials.order_by().aggregate(
        asked=Count("pk", filter=own),
        observed=Count("pk", filter=own & Q(state=State.OBSERVED)),
        given_up=Count("pk", filter=own & Q(state=State.GIVEN_UP)),
        taken_over=Count("pk", filter=~own),
    )
    return Progress(**trials, **_spent(sweep))


def _spent(sweep: Sweep) -> dict[str, Any]:
    """How many runs it has, what its own cost, and what the adaptive ones would have cost."""
    own = Q(trial__taken_over=False)
    adaptive = own & Q(
        run__state=Run.State.DONE,
        run__half_width_percent__isnull=False,
        run__window_end_s__isnull=False,
    )
    spent = TrialRun.objects.filter(trial__sweep=sweep).aggregate(
        runs=Count("pk"),
        board_s=Sum("run__board_s", filter=own),
        adaptive_s=Sum("run__board_s", filter=adaptive),
        fixed_s=Sum(beside_fixed_s("run__"), filter=adaptive),
    )
    cpu = _spent_on_cpu(sweep)
    board_s = (spent["board_s"] or 0.0) + cpu["cpu_s"]
    seconds = {name: value or 0.0 for name, value in spent.items()}
    return seconds | {"runs": spent["runs"], "board_s": board_s} | cpu


def _spent_on_cpu(sweep: Sweep) -> dict[str, Any]:
    if sweep.phase is None:
        return {"cpu_runs": 0, "cpu_s": 0.0}
    own = Q(trial__taken_over=False)
    spent = CpuTrialRun.objects.filter(trial__phase=sweep.phase).aggregate(
        cpu_runs=Count("pk"), cpu_s=Sum("run__board_s", filter=own)
    )
    return {"cpu_runs": spent["cpu_runs"], "cpu_s": spent["cpu_s"] or 0.0}


def _within(sweep: Sweep, column: str) -> Q:
    """The SLO as a condition on a latency column; always true without one."""
    if sweep.slo_ms is None:
        return Q(pk__isnull=False)
    return Q(**{f"{column}__isnull": False, f"{column}__lte": sweep.slo_ms})
