"""Do coarse first runs, and closer ones for contenders, save board time? On emulated boards.

    python benchmarks/short_runs.py [--boards agx-orin,tx2] [--networks efficientnet-b4,bert-base]
        [--slo-factors 1.2,none] [--half-widths 1,0.5] [--ways once,again,coarse]
        [--seeds 8] [--budget-s 160] [--json]

The strategy `polyweb` searches the grid of pinned GPU clocks × memory clocks × batch sizes.
Every measurement is a whole run in virtual time, by the same trial, record, stopping rule
and energy code as on a real board, with its noise, steps and phases. Three ways:

- *once*: each point is measured once, to the half-width that is asked;
- *again*: the same, and a measured contender may be run again;
- *coarse*: first looks end at ± 3 %, contenders may be run again to the half-width asked.

Truth is the emulator's exact energy, without noise. The limit is the factor times the
fastest true latency, held against the mean. *Seconds*: board seconds until the incumbent
(the best by what was measured) is truly within the limit and within 5 % of the best; the
budget where it never was (a miss). *Regret*: how far the last incumbent truly is above the
best; 100 % if it is truly over the limit. *A run*: mean board seconds of one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import energy_truth
import numpy as np
from paper_figure import grid_problem
from problems import Problem
from stands import features
from tuner import MOST_REGRET, _factor

from measurements import energy, quality
from measurements.board.hardware.emulator import open_board
from measurements.board.trial import run_trial
from measurements.messages import Arrivals, OperatingPoint, Record, Stopping
from tuning.optimizer import precision
from tuning.questions import Ask, Observation, Question
from tuning.space import Point
from tuning.strategies import ask, next_run

WAYS = ("once", "again", "coarse")


@dataclass(frozen=True)
class Result:
    """How one way did on one problem, over seeds."""

    problem: str
    half_width_percent: float
    way: str
    seeds: int
    near: int
    seconds: float
    misses: int
    regret: float
    worst_regret: float
    runs: float
    points: float
    run_s: float


@dataclass(frozen=True)
class Search:
    """One search: board seconds until its incumbent was near, and where it ended."""

    seconds: float | None
    regret: float
    runs: int
    points: int
    spent_s: float


@dataclass(frozen=True)
class Board:
    """An emulated board that is switched on anew for each run; its files are kept in `tree`."""

    kind: str
    network: str
    tree: Path
    known: dict[tuple[Point, float, int], tuple[Observation, float]] = field(default_factory=dict)

    def measured(
        self, point: Point, *, half_width_percent: float, seed: int
    ) -> tuple[Observation, float]:
        """What a run tells, and its board seconds; the same again for the same seed."""
        key = point, half_width_percent, seed
        if key not in self.known:
            record = self._record(point, half_width_percent, seed)
            self.known[key] = observation(point, record), record.board_s
        return self.known[key]

    def _record(self, point: Point, half_width_percent: float, seed: int) -> Record:
        gpu_hz, emc_hz, batch_size = point
        state = energy_truth.State(
            self.kind, seed, features(self.network),
            OperatingPoint(gpu_min_hz=gpu_hz, gpu_max_hz=gpu_hz, emc_hz=emc_hz),
            batch_size, Arrivals(), sample_interval_ms=50,
        )  # fmt: skip
        plan = energy_truth.plan_of(state, stopping=Stopping(half_width_percent=half_width_percent))
        board = open_board(self.kind, name="emulated", tree=self.tree, seed=seed)
        return run_trial(
            plan, board, attempt=1, progress=lambda _: None, cancelled=lambda: False
        )  # fmt: skip


def observation(point: Point, record: Record) -> Observation:
    """What the run tells; nothing if it is invalid."""
    if any(finding.severity == "invalid" for finding in quality.findings(record)):
        return Observation(point)
    found, requests = energy.busy(record), record.requests
    latency_ms = 1e3 * float(np.mean(np.subtract(requests.end_s, requests.start_s)))
    return Observation(point, found.energy_j, found.half_width_j, latency_ms)


def asked(way: str, question: Question) -> Ask:
    """The next run; the grids here are never used up."""
    if way == "once":
        found = next_run("polyweb", dataclasses.replace(question, may_repeat=False))
    elif way == "coarse":
        found = next_run("polyweb", question)
    else:
        point = ask("polyweb", question)
        once = dataclasses.replace(question, may_repeat=False)
        found = None if point is None else Ask(point, precision(once, point))
    assert found is not None and found.half_width_percent is not None
    return found


def searched(
    way: str, problem: Problem, board: Board, *, seed: int, wanted: float, budget_s: float
) -> Search:
    seen: list[Observation] = []
    spent_s, seconds, best = 0.0, None, None
    while spent_s < budget_s:
        question = Question(
            problem.space, seed, problem.slo_ms, seen, half_width_percent=wanted, may_repeat=True
        )
        point, half_width_percent = asked(way, question)
        assert half_width_percent is not None
        look = sum(o.point == point for o in seen)
        told, board_s = board.measured(
            point, half_width_percent=half_width_percent, seed=1 + 10 * seed + look
        )
        spent_s += board_s
        seen.append(told)
        best = dataclasses.replace(question, observations=tuple(seen)).best
        if seconds is None and best and problem.near[problem.space.index[best.point]]:
            seconds = spent_s
    regret = MOST_REGRET if best is None else _regret(problem, best.point)
    return Search(seconds, regret, len(seen), len({o.point for o in seen}), spent_s)


def _regret(problem: Problem, point: Point) -> float:
    at = problem.space.index[point]
    return float(problem.energy_j[at] / problem.best_j - 1) if problem.feasible[at] else MOST_REGRET


def run(way: str, problem: Problem, board: Board, *, wanted: float, seeds: int, budget_s: float
        ) -> Result:  # fmt: skip
    found = [
        searched(way, problem, board, seed=seed, wanted=wanted, budget_s=budget_s)
        for seed in range(seeds)
    ]
    return Result(
        problem.name, wanted, way, seeds, int(problem.near.sum()),
        float(np.mean([budget_s if one.seconds is None else one.seconds for one in found])),
        sum(one.seconds is None for one in found),
        float(np.mean([one.regret for one in found])), max(one.regret for one in found),
        float(np.mean([one.runs for one in found])), float(np.mean([one.points for one in found])),
        sum(one.spent_s for one in found) / sum(one.runs for one in found),
    )  # fmt: skip


def problems(kind: str, network: str, factors: Sequence[float | None]) -> Iterator[Problem]:
    whole, _ = grid_problem(kind, network, 2)
    for factor in factors:
        slo_ms = None if factor is None else factor * float(whole.latency_ms.min())
        words = "no limit" if factor is None else f"{factor:g}×"
        yield dataclasses.replace(whole, name=f"{kind} {network} {words}", slo_ms=slo_ms)


def results(chosen: argparse.Namespace) -> Iterator[Result]:
    factors = [_factor(text) for text in chosen.slo_factors.split(",")]
    for kind in chosen.boards.split(","):
        for network in chosen.networks.split(","):
            with tempfile.TemporaryDirectory(dir=energy_truth.IN_MEMORY) as tree:
                board = Board(kind, network, Path(tree))
                for problem in problems(kind, network, factors):
                    yield from _ways(problem, board, chosen)


def _ways(problem: Problem, board: Board, chosen: argparse.Namespace) -> Iterator[Result]:
    for wanted in map(float, chosen.half_widths.split(",")):
        for way in chosen.ways.split(","):
            yield run(
                way, problem, board, wanted=wanted, seeds=chosen.seeds, budget_s=chosen.budget_s
            )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--boards", default="agx-orin,tx2")
    parser.add_argument("--networks", default="efficientnet-b4,bert-base")
    parser.add_argument("--slo-factors", default="1.2,none")
    parser.add_argument("--half-widths", default="1,0.5", help="that are asked, in percent")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--budget-s", type=float, default=160.0, help="board seconds")
    parser.add_argument("--json", action="store_true", help="one line each, as soon as known")
    chosen = parser.parse_args()
    for one in results(chosen):
        if chosen.json:
            print(json.dumps(dataclasses.asdict(one)), flush=True)
        else:
            print(
                f"{one.problem:34} ±{one.half_width_percent:g} % {one.way:7} near {one.near:3d} "
                f"seconds {one.seconds:5.0f} missed {one.misses} regret {100 * one.regret:5.2f} % "
                f"(worst {100 * one.worst_regret:.1f} %) runs {one.runs:.1f} "
                f"points {one.points:.1f} a run {one.run_s:.1f} s", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
