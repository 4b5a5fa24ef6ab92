"""PolyThrottle's findings, asked of the emulated boards: each beside the paper's own figure.

    python benchmarks/paper.py [--seeds 10] [--budget 60] [--only 2,3,7,4.1,4.2] [--json]

Tables 2, 3 and 7 and Figure 4 of arXiv 2310.19991 (its figures are in the shared reference;
absolute joules contradict each other there, so only shares and numbers of trials are compared).
The boards here are a physical model calibrated to published measurements
(docs/emulator.md), without noise: nothing is fitted to the paper. Energies are busy energy
per request (docs/definitions.md) unless a line says otherwise. The emulator does not tell
FP16 from FP32, so the paper's FP16 rows are compared. docs/paper.md explains the differences.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"  # before numpy reads them

import numpy as np  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

import emulated_grid as emulated  # noqa: E402
import tuner  # noqa: E402
from problems import Problem  # noqa: E402

from measurements.board.hardware.emulator.boards import BOARDS  # noqa: E402
from measurements.board.hardware.emulator.boards.data import BoardData  # noqa: E402
from measurements.board.hardware.emulator.governor import Knobs  # noqa: E402
from measurements.messages import NetworkFeatures  # noqa: E402
from tuning.cpu_phase import REFUTED, Reading, Terms, choose, slowing_s_hz  # noqa: E402
from tuning.space import Axis, Space  # noqa: E402

NETWORKS = ("efficientnet-b0", "efficientnet-b4", "efficientnet-b7", "bert-base")
PAPER = {
    "2": {"efficientnet-b0": (14.9, 1331), "efficientnet-b4": (14.3, 1331),
          "efficientnet-b7": (12.0, 1331), "bert-base": (25.4, 1062)},
    "3": {"efficientnet-b0": (47.6, 1236), "efficientnet-b4": (29.1, 1033),
          "efficientnet-b7": (8.8, 1134), "bert-base": (1.1, 217)},
    "7": {"agx-orin": (28.6, 900), "tx2": (29.4, 1000)},
}  # fmt: skip
"""Table -> (saving in %, at which MHz)."""
FIGURE_4 = {
    ("agx-orin", 1): {"efficientnet-b0": (8.7, 17.3, 14.1), "efficientnet-b4": (8.1, 13.0, 16.1),
                      "efficientnet-b7": (8.1, 13.0, 13.2), "bert-base": (9.7, 10.4, 13.3)},
    ("tx2", 1): {"efficientnet-b0": (7.8, 20.4, 10.3), "efficientnet-b4": (8.2, 23.8, 14.8),
                 "efficientnet-b7": (8.1, 28.6, 17.5), "bert-base": (9.9, 23.8, 22.2)},
    ("agx-orin", 2): {"efficientnet-b0": (11.6, 32.5, 22.0), "efficientnet-b4": (11.8, 37.0, 17.8),
                      "efficientnet-b7": (11.2, 32.5, 10.2), "bert-base": (12.9, 52.0, 21.8)},
    ("tx2", 2): {"efficientnet-b0": (12.3, 47.5, 20.9), "efficientnet-b4": (12.8, 47.5, 19.0),
                 "efficientnet-b7": (12.4, 79.5, 20.4), "bert-base": (13.2, 119.0, 36.3)},
}  # fmt: skip
"""(board, setting) -> network -> trials by CBO, by random search with replacement, % saved."""
STRATEGIES = ("cbo", "random", "polyweb")
NEAR = 1.05


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure of the paper beside ours."""

    where: str
    board: str
    network: str
    what: str
    paper: str
    ours: str


@dataclasses.dataclass(frozen=True)
class Stand:
    """A board serving back to back: J per request (busy; whole stream), seconds a request."""

    busy_j: float
    stream_j: float
    inference_s: float
    latency_s: float


@functools.cache
def features(network: str) -> NetworkFeatures:
    return emulated.features_of(network)


def stand(board: BoardData, network: str, batch_size: int = 1, **limits: int) -> Stand:
    model, served = emulated.served_at(
        emulated.quiet(board), features(network), batch_size, held(board, **limits)
    )
    start_s, end_s = served[0].inference_start_s, served[-1].inference_end_s
    requests = sum(len(batch.start_s) for batch in served)
    spent_j = model.true_energy_j(start_s, end_s).total_j
    inference_s = sum(batch.inference_end_s - batch.inference_start_s for batch in served)
    return Stand(
        emulated.busy_j(model, served), spent_j / requests, inference_s / requests,
        emulated.mean_latency_s(served),
    )  # fmt: skip


def held(board: BoardData, gpu_min: int = 0, gpu_max: int = 0, emc: int = 0, cpu: int = 0) -> Knobs:
    """As booted, but for these clocks in Hz; 0: as found."""
    knobs, clusters = Knobs.as_booted(board), len(board.policies)
    if gpu_min:
        knobs = dataclasses.replace(knobs, gpu_min_hz=gpu_min)
    if gpu_max:
        knobs = dataclasses.replace(knobs, gpu_max_hz=gpu_max)
    if emc:
        knobs = dataclasses.replace(knobs, emc_rate_hz=emc, emc_locked=True, emc_cap_hz=0)
    if cpu:
        pinned = [cpu] * clusters
        knobs = dataclasses.replace(knobs, cpu_min_hz=pinned, cpu_max_hz=list(pinned))
    return knobs


def table_2() -> Iterator[Row]:
    """The memory clock, GPU fixed where the grid's optimum has it; against the top clock."""
    board = BOARDS["tx2"]
    for network in NETWORKS:
        grid = {
            (gpu, emc): stand(board, network, gpu_min=gpu, gpu_max=gpu, emc=emc).busy_j
            for gpu in board.gpu_hz for emc in board.emc_hz
        }  # fmt: skip
        gpu, emc = min(grid, key=grid.__getitem__)
        saved = 1 - grid[gpu, emc] / grid[gpu, board.emc_hz[-1]]
        percent, mhz = PAPER["2"][network]
        yield Row("Table 2", "tx2", network, "memory clock", f"{percent} % at {mhz} MHz",
                  f"{100 * saved:.1f} % at {emc / 1e6:.0f} MHz (GPU {gpu / 1e6:.0f})")  # fmt: skip


def table_3() -> Iterator[Row]:
    """Only the lower GPU limit raised, everything else as found."""
    board = BOARDS["agx-orin"]
    for network in NETWORKS:
        found = stand(board, network)
        raised = {hz: stand(board, network, gpu_min=hz) for hz in board.gpu_hz}
        best = min(raised, key=lambda hz: raised[hz].busy_j)
        saved = 1 - raised[best].busy_j / found.busy_j
        quicker = 1 - raised[best].latency_s / found.latency_s
        whole = max(1 - one.stream_j / found.stream_j for one in raised.values())
        percent, mhz = PAPER["3"][network]
        yield Row("Table 3", "agx-orin", network, "minimum GPU clock", f"{percent} % at {mhz} MHz",
                  f"{100 * saved:.1f} % at {best / 1e6:.0f} MHz, latency {-100 * quicker:+.0f} % "
                  f" (whole stream {100 * whole:.1f} %)")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Alone:
    """Preprocessing alone at one CPU clock: what a reading tells, and J on the CPU's own rail."""

    reading: Reading
    cpu_j: float

    @property
    def added_j(self) -> float:
        return (self.reading.power_w - self.reading.idle_w) * self.reading.time_s


def alone(board: BoardData, network: str, cpu: int = 0) -> Alone:
    quiet, knobs = emulated.quiet(board), held(board, cpu=cpu)
    model, served = emulated.served_at(quiet, features(network), 1, knobs, is_preprocessing=True)
    start_s, end_s = served[0].start_s[0], served[-1].inference_end_s
    spent = model.true_energy_j(start_s, end_s)
    time_s = (end_s - start_s) / len(served)
    idle = emulated.Model(quiet, seed=1, knobs=knobs)
    idle.advance(1.0)
    idle_w = idle.true_energy_j(0.5, 1.0).total_j / 0.5
    rail = next(i for i, one in enumerate(board.rails) if one.parts == ("cpu",))
    reading = Reading(time_s, spent.total_j / (end_s - start_s), idle_w)
    return Alone(reading, spent.rails_j[rail] / len(served))


def table_7() -> Iterator[Row]:
    """The CPU clock: in preprocessing by four countings, and overall."""
    for kind in ("agx-orin", "tx2"):
        board, percent = BOARDS[kind], PAPER["7"][kind]
        network = "efficientnet-b0"
        found = alone(board, network)
        held_at = {hz: alone(board, network, hz) for hz in board.cpu_hz}
        countings: dict[str, Callable[[Alone], float]] = {
            "whole board": lambda one: one.reading.energy_j,
            "the CPU's rail": lambda one: one.cpu_j,
            "beyond the idle board": lambda one: one.added_j,
        }
        for what, counted in countings.items():
            best = min(held_at, key=lambda hz: counted(held_at[hz]))
            saved = 1 - counted(held_at[best]) / counted(found)
            yield Row("Table 7", kind, network, f"preprocessing, {what}",
                      f"{percent[0]} % at {percent[1]} MHz",
                      f"{100 * saved:.1f} % at {best / 1e6:.0f} MHz")  # fmt: skip
        for name in NETWORKS[:3]:
            yield _overall(kind, name)


def _overall(kind: str, network: str) -> Row:
    """The clock that a sweep's CPU phase would choose from readings without noise."""
    board = BOARDS[kind]
    found = stand(board, network)
    readings: dict[int | None, Reading] = {None: alone(board, network).reading}
    readings |= {hz: alone(board, network, hz).reading for hz in board.cpu_hz}
    chosen, terms = None, Terms(found.inference_s, None)
    whole = {None: found}
    while (chosen := choose(list(board.cpu_hz), readings, terms).cpu_hz) not in whole:
        whole[chosen] = stand(board, network, cpu=chosen)
        terms = _learnt(board, whole)
    every = {hz: stand(board, network, cpu=hz).stream_j for hz in board.cpu_hz}
    best = min(every, key=every.__getitem__)
    most = max(0.0, 1 - every[best] / found.stream_j)
    ceiling = f"[at most {100 * most:.1f} %, at {best / 1e6:.0f} MHz]"
    if chosen is None:
        return Row("Table 7", kind, network, "overall", "up to 6 %, less for larger ones",
                   f"0 %: as found beats what preprocessing speaks for {ceiling}")  # fmt: skip
    ours = whole[chosen]
    saved, busy = 1 - ours.stream_j / found.stream_j, 1 - ours.busy_j / found.busy_j
    return Row("Table 7", kind, network, "overall", "up to 6 %, less for larger ones",
               f"{100 * saved:.1f} % of the stream at {chosen / 1e6:.0f} MHz "
               f"(busy energy {100 * busy:.1f} %) {ceiling}")  # fmt: skip


def _learnt(board: BoardData, whole: dict[int | None, Stand]) -> Terms:
    """What whole requests at some clocks tell, as `tuning.cpu_search.terms` has it from rows."""
    found, top_hz = whole[None], board.cpu_hz[-1]
    slowing = slowing_s_hz({hz or top_hz: one.inference_s for hz, one in whole.items()})
    refuted = [hz for hz, one in whole.items() if hz and one.stream_j >= found.stream_j]
    power_w = found.busy_j / found.inference_s
    return Terms(
        found.inference_s, None, floor_hz=REFUTED * max(refuted, default=0),
        slowing_j_hz=power_w * slowing,
    )  # fmt: skip


def figure_4(wanted: int, seeds: int, budget: int, noise: float) -> Iterator[Row]:
    """Trials to within 5 % of the grid's optimum, over (GPU, memory[, batch]) as in the paper."""
    for (kind, setting), paper in FIGURE_4.items():
        if setting != wanted:
            continue
        for network, (cbo, drawn, saved) in paper.items():
            problem, found_j = grid_problem(kind, network, setting)
            near, cells = int(problem.near.sum()), len(problem.space)
            fair = (cells + 1) / (near + 1)
            ours = {name: tuner.run(name, problem, seeds=seeds, noise=noise, budget=budget)
                    for name in STRATEGIES}  # fmt: skip
            told = ", ".join(f"{name} {one.mean:.1f}" + f" ({one.misses} missed)" * (one.misses > 0)
                             for name, one in ours.items())  # fmt: skip
            yield Row(
                f"Figure 4, setting {setting}", kind, network, f"trials of {cells}, {near} near",
                f"cbo {cbo}, random {drawn} with replacement",
                f"{told}; random by its law {fair:.1f} without, {cells / near:.1f} with",
            )  # fmt: skip
            yield Row(f"Figure 4, setting {setting}", kind, network, "saved by the optimum",
                      f"{saved} %", f"{100 * (1 - problem.best_j / found_j):.1f} %")  # fmt: skip


def grid_problem(kind: str, network: str, setting: int) -> tuple[Problem, float]:
    """The grid with pinned GPU clocks, and J per request as found at the optimum's batch size.

    Setting 1: batch 1, at most 1.2 times the fastest latency. Setting 2: no limit.
    """
    board, sizes = BOARDS[kind], (1,) if setting == 1 else emulated.BATCH_SIZES
    space = Space((Axis("gpu_hz", board.gpu_hz), Axis("emc_hz", board.emc_hz),
                   Axis("batch_size", sizes)))  # fmt: skip
    stands = [_pinned(kind, network, *point) for point in space.points]
    energy_j = np.array([one.busy_j for one in stands])
    latency_ms = 1e3 * np.array([one.latency_s for one in stands])
    limit_ms = 1.2 * float(latency_ms.min()) if setting == 1 else None
    problem = Problem(f"{kind} {network} {setting}", space, energy_j, latency_ms, limit_ms)
    best = int(np.flatnonzero(problem.near & (energy_j == problem.best_j))[0])
    return problem, stand(board, network, space.points[best][-1]).busy_j


@functools.cache
def _pinned(kind: str, network: str, gpu: int, emc: int, batch_size: int) -> Stand:
    return stand(BOARDS[kind], network, batch_size, gpu_min=gpu, gpu_max=gpu, emc=emc)


def rows(asked: argparse.Namespace) -> Iterator[Row]:
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "2": table_2, "3": table_3, "7": table_7,
        "4.1": lambda: figure_4(1, asked.seeds, asked.budget, asked.noise),
        "4.2": lambda: figure_4(2, asked.seeds, asked.budget, asked.noise),
    }  # fmt: skip
    for name in asked.only.split(","):
        yield from parts[name]()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--only", default="2,3,7,4.1,4.2", help="tables; figure 4, by setting")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    for row in rows(asked):
        if asked.json:
            print(json.dumps(dataclasses.asdict(row)), flush=True)
        else:
            print(f"| {' | '.join(dataclasses.astuple(row))} |", flush=True)


if __name__ == "__main__":
    main()
