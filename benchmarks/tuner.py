"""How many measurements does a search need? Strategies and peers on measured tables.

    python benchmarks/tuner.py --table CSV[.gz] --knobs a,b --energy COL --latency COL
        [--where COL=VALUE]... [--slo-factor 1.2|none] [--noise 0.02]
        --strategy NAME[,NAME...] --seeds N --budget N [--json]
    python benchmarks/tuner.py --board tx2|agx-orin --network NAME --strategy ...
        [--warm-from BOARD:NETWORK[,BOARD:NETWORK...]]
    python benchmarks/tuner.py --suite DIRECTORY --strategy ...
    python benchmarks/tuner.py --read RESULTS.json...

Strategies: polyweb, cbo, random, grid; peers (pip install -r benchmarks/requirements.txt):
tpe, gpsampler, bayesian-optimization. `--suite` is the TX2 and GPU tables in DIRECTORY, each
at 1.2 ×, 1.5 × and no limit; `--read` prints earlier `--json` results together.

The same accounting for all:
- A measurement is a cell's energy and latency, each times exp(noise × a standard normal
  number) that depends on the seed and the cell only. Strategies are told the energy's interval,
  which peers have no use for.
- The limit is the factor times the latency of the table's fastest row. Which cells are
  feasible, and which is the best, is judged by the table, without noise.
- *Evaluations*: measurements until a feasible cell within 5 % of the best feasible one has
  been measured; budget + 1 when it was not (a miss).
- Rows of one combination of the knobs are averaged; a missing or non-positive value is refused.
- No cell is measured twice. A peer that suggests a cell again gets its old values, at no
  cost; after 30 such in a row it is given a random new cell.
- *Regret*: how far the best feasible cell among the first 15 measured is above the best;
  100 % while there is none, or if it is more.
- *ms per ask*: CPU time of this process, one thread.
- With `--warm-from` polyweb starts from a search of each of those emulated grids by polyweb
  itself, with the same limit factor, noise, seed and 20 measurements; their costs do not
  count. Problems then say "after" what.
- With `--json` each result also comes on stderr as soon as it is known.
- *Score*: mean evaluations over those of the best peer (random included) on the same
  problem; then the geometric mean over problems.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"  # before numpy reads them

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

import peers  # noqa: E402
from problems import Problem, emulated, rows_of, suite, table_problem  # noqa: E402

from tuning.space import Point  # noqa: E402
from tuning.strategies import STRATEGIES, Earlier, Observation, Question  # noqa: E402

REGRET_AFTER = 15
EARLIER_BUDGET = 20
EARLIER_SEED = 1000
MOST_REGRET = 1.0
RIVALS = (*peers.NAMES, "random")


@dataclass(frozen=True)
class Result:
    """How a strategy did on a problem, over seeds."""

    problem: str
    cells: int
    near: int
    strategy: str
    seeds: int
    budget: int
    mean: float
    median: float
    p90: float
    misses: int
    regret_15: float
    ms_per_ask: float


class Search(Protocol):
    def ask(self) -> Point | None: ...
    def tell(self, observation: Observation) -> None: ...


class Ours:
    """A pure strategy, asked with everything that it was told."""

    def __init__(
        self, name: str, problem: Problem, seed: int, earlier: Sequence[Earlier] = ()
    ) -> None:
        self._strategy, self._problem, self._seed = STRATEGIES[name], problem, seed
        self._earlier = tuple(earlier)
        self._seen: list[Observation] = []

    def ask(self) -> Point | None:
        question = Question(
            self._problem.space, self._seed, self._problem.slo_ms, self._seen,
            earlier=self._earlier,
        )  # fmt: skip
        return self._strategy(question)

    def tell(self, observation: Observation) -> None:
        self._seen.append(observation)


def opened(
    name: str, problem: Problem, seed: int, *, noise: float, warm_from: Sequence[Problem] = ()
) -> Search:
    if name in STRATEGIES:
        earlier = [searched_before(other, seed, noise) for other in warm_from]
        return Ours(name, problem, seed, earlier)
    return peers.open_peer(name, problem.space, problem.slo_ms, seed)


def searched_before(problem: Problem, seed: int, noise: float) -> Earlier:
    """What polyweb measured of another problem, under another seed's noise."""
    answers, search = measured(problem, EARLIER_SEED + seed, noise), Ours("polyweb", problem, seed)
    seen: list[Observation] = []
    while len(seen) < EARLIER_BUDGET and (point := search.ask()) is not None:
        seen.append(answers[problem.space.index[point]])
        search.tell(seen[-1])
    return Earlier(problem.space, tuple(seen))


def measured(problem: Problem, seed: int, noise: float) -> list[Observation]:
    """What a measurement of each point gives under this seed."""
    draws = np.exp(
        noise * np.random.default_rng([seed, 1]).standard_normal((2, len(problem.space)))
    )
    energy, latency = problem.energy_j * draws[0], problem.latency_ms * draws[1]
    rows = zip(problem.space.points, energy.tolist(), latency.tolist(), strict=True)
    return [Observation(p, e, 1.96 * noise * e if noise else None, t) for p, e, t in rows]


def searched(
    name: str, problem: Problem, *, seed: int, noise: float, budget: int,
    warm_from: Sequence[Problem] = (),
) -> tuple[list[int], float]:  # fmt: skip
    """The cells that were measured, in order, and the ms that an ask took on average."""
    search = opened(name, problem, seed, noise=noise, warm_from=warm_from)
    answers = measured(problem, seed, noise)
    near, order, spent_s, hit = problem.near, [], 0.0, False
    for _ in range(min(budget, len(problem.space))):
        began = time.process_time()
        point = search.ask()
        spent_s += time.process_time() - began
        assert point is not None
        order.append(problem.space.index[point])
        search.tell(answers[order[-1]])
        hit = hit or bool(near[order[-1]])
        if hit and len(order) >= REGRET_AFTER:
            break
    return order, 1e3 * spent_s / len(order)


def run(
    name: str, problem: Problem, *, seeds: int, noise: float, budget: int,
    warm_from: Sequence[Problem] = (),
) -> Result:  # fmt: skip
    near, feasible = problem.near, problem.feasible
    evaluations, regrets, times = [], [], []
    for seed in range(seeds):
        order, ms = searched(
            name, problem, seed=seed, noise=noise, budget=budget, warm_from=warm_from
        )
        hits = np.flatnonzero(near[order])
        evaluations.append(int(hits[0]) + 1 if len(hits) else budget + 1)
        first = [problem.energy_j[i] for i in order[:REGRET_AFTER] if feasible[i]]
        regrets.append(min(MOST_REGRET, min(first, default=np.inf) / problem.best_j - 1))
        times.append(ms)
    after = " and ".join(other.name.removeprefix("emulated ") for other in warm_from)
    told = f"{problem.name} after {after}" if after else problem.name
    return Result(
        told, len(problem.space), int(near.sum()), name, seeds, budget,
        float(np.mean(evaluations)), float(np.median(evaluations)),
        float(np.percentile(evaluations, 90)), sum(e > budget for e in evaluations),
        float(np.mean(regrets)), float(np.mean(times)),
    )  # fmt: skip


def problems(asked: argparse.Namespace) -> Iterable[Problem]:
    if asked.suite:
        return suite(asked.suite)
    if asked.board:
        return [emulated(asked.board, asked.network, asked.slo_factor)]
    if not (asked.table and asked.knobs and asked.energy and asked.latency):
        raise SystemExit("needs --table with --knobs, --energy and --latency; or --board; --suite")
    rows = rows_of(asked.table)
    for condition in asked.where:
        column, _, value = condition.partition("=")
        if rows and column not in rows[0]:
            raise SystemExit(
                f"--where {condition}: no such column; there are: {', '.join(rows[0])}"
            )
        rows = [row for row in rows if row[column] == value]
    name = " ".join(each.partition("=")[2] for each in asked.where) or asked.table.name
    return [
        table_problem(
            name, rows, knobs=asked.knobs.split(","), energy=asked.energy,
            latency=asked.latency, slo_factor=asked.slo_factor,
        )
    ]  # fmt: skip


def scores(results: Sequence[Result]) -> dict[str, tuple[float, int]]:
    """Per strategy: geometric mean of its evaluations over the best rival's, on how many."""
    by_problem: dict[str, dict[str, float]] = {}
    for result in results:
        by_problem.setdefault(result.problem, {})[result.strategy] = result.mean
    ratios: dict[str, list[float]] = {}
    for found in by_problem.values():
        for name, mean in found.items():
            rivals = [found[other] for other in RIVALS if other in found and other != name]
            if rivals:
                ratios.setdefault(name, []).append(mean / min(rivals))
    return {name: (float(np.exp(np.mean(np.log(r)))), len(r)) for name, r in ratios.items()}


def show(results: Sequence[Result]) -> None:
    width = max((len(result.problem) for result in results), default=0)
    print(f"{'problem':{width}}  cells near strategy               seeds  mean med.  p90 miss"
          "  regret15 ms/ask")  # fmt: skip
    for r in results:
        print(
            f"{r.problem:{width}} {r.cells:6d} {r.near:4d} {r.strategy:22s} {r.seeds:5d} "
            f"{r.mean:5.1f} {r.median:4.1f} {r.p90:4.1f} {r.misses:4d} {100 * r.regret_15:7.1f} % "
            f"{r.ms_per_ask:6.1f}"
        )
    for name, (score, count) in sorted(scores(results).items()):
        print(f"score {name}: {score:.2f} over {count} problem(s), against the best peer each")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--table", type=Path)
    parser.add_argument("--knobs", help="column names, with commas")
    parser.add_argument("--energy", help="column of the energy")
    parser.add_argument("--latency", help="column of the latency")
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE")
    parser.add_argument("--board", choices=("tx2", "agx-orin"))
    parser.add_argument("--network", default="efficientnet-b4")
    parser.add_argument("--warm-from", default="", metavar="BOARD:NETWORK[,...]")
    parser.add_argument("--suite", type=Path, help="directory of the TX2 and GPU tables")
    parser.add_argument("--read", type=Path, nargs="+", help="results of --json, shown together")
    parser.add_argument("--slo-factor", type=_factor, default=1.2, help="a number, or none")
    parser.add_argument("--noise", type=float, default=0.02)
    parser.add_argument("--strategy", default="polyweb,cbo,random")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budget", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _factor(text: str) -> float | None:
    return None if text == "none" else float(text)


def results(asked: argparse.Namespace) -> Iterator[Result]:
    if asked.read:
        for path in asked.read:
            yield from read(path)
        return
    pairs = [one.split(":") for one in asked.warm_from.split(",") if one]
    before = [emulated(board, network, asked.slo_factor) for board, network in pairs]
    for problem in problems(asked):
        for name in asked.strategy.split(","):
            found = run(
                name, problem, seeds=asked.seeds, noise=asked.noise, budget=asked.budget,
                warm_from=before,
            )  # fmt: skip
            if asked.json:
                print(json.dumps(asdict(found)), file=sys.stderr, flush=True)
            yield found


def read(path: Path) -> list[Result]:
    """What `--json` printed: the whole of stdout, or the lines that came on stderr on the way."""
    text = path.read_text()
    if text.startswith("["):
        return [Result(**row) for row in json.loads(text)]
    return [Result(**json.loads(line)) for line in text.splitlines() if line.startswith("{")]


def main() -> None:
    asked = arguments()
    found = list(results(asked))
    if asked.json:
        print(json.dumps([asdict(result) for result in found], indent=1))
    else:
        show(sorted(found, key=lambda result: result.problem))


if __name__ == "__main__":
    main()
