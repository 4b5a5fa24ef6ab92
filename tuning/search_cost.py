"""What a search itself cost: the energy and the board time of its own runs, board by board.

The energy of a run is its mean power while it served times the time of warm-up and serving,
plus its idle power times the rest of its board time (its mean power there too, where idle
power is not known). What was taken over from another sweep is free; verifications and the
time between runs are not in it. A run that tells no power is counted as untold, never as 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from measurements.models import Phase, Run

from .models import CpuTrialRun, Sweep, TrialRun

ACTIVE = ("warm_up", "serve")
J_PER_WH = 3600.0


@dataclass(frozen=True, slots=True)
class BoardCost:
    """Of one board; `energy_j` is None if none of its runs tells its power."""

    device: str
    runs: int
    board_s: float
    energy_j: float | None
    untold: int


@dataclass(frozen=True, slots=True)
class SearchCost:
    boards: tuple[BoardCost, ...]

    @property
    def runs(self) -> int:
        return sum(board.runs for board in self.boards)

    @property
    def board_s(self) -> float:
        return sum(board.board_s for board in self.boards)

    @property
    def untold(self) -> int:
        """How many runs tell no power: the energy is at least what the others drew."""
        return sum(board.untold for board in self.boards)

    @property
    def energy_j(self) -> float | None:
        known = [board.energy_j for board in self.boards if board.energy_j is not None]
        return sum(known) if known else None

    @property
    def energy_wh(self) -> float | None:
        return None if self.energy_j is None else self.energy_j / J_PER_WH

    @property
    def each_j(self) -> float | None:
        """Mean of the runs that tell their power: what the next one will about cost."""
        told = self.runs - self.untold
        return None if self.energy_j is None or not told else self.energy_j / told


def of(sweep: Sweep) -> SearchCost:
    """Of every run that it asked for and that took board time, in one query."""
    rows = (
        _with_energy(_runs(sweep))
        .order_by()
        .values("device__name")
        .annotate(
            runs=Count("pk"),
            took_s=Sum("board_s"),
            drawn_j=Sum("run_j"),
            untold=Count("pk", filter=Q(run_j__isnull=True)),
        )
        .order_by("device__name")
        .values_list("device__name", "runs", "took_s", "drawn_j", "untold")
    )
    return SearchCost(tuple(BoardCost(*row) for row in rows))


def _runs(sweep: Sweep) -> QuerySet[Run]:
    own = {"trial__taken_over": False}
    trials = TrialRun.objects.filter(trial__sweep=sweep, **own).values("run")
    cpu = CpuTrialRun.objects.filter(trial__phase__sweep=sweep, **own).values("run")
    return Run.objects.filter(Q(pk__in=trials) | Q(pk__in=cpu), board_s__isnull=False)


def _with_energy(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Annotate `run_j`: what the whole run drew, in J; NULL if it tells no power."""
    phases = Phase.objects.filter(run=OuterRef("pk"), name__in=ACTIVE).order_by().values("run")
    active_s = Subquery(phases.annotate(sum_s=Sum(F("end_s") - F("start_s"))).values("sum_s"))
    quiet_w = Coalesce("idle_power_w", "mean_power_w")
    return runs.annotate(active_s=Coalesce(active_s, F("board_s"))).annotate(
        run_j=F("mean_power_w") * F("active_s") + quiet_w * (F("board_s") - F("active_s"))
    )
