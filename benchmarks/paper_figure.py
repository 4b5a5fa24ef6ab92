"""Figure 4 of PolyThrottle, asked of the emulated boards: how many trials a search takes."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import emulated_grid as emulated
import numpy as np
import tuner
from paper_tables import Row
from problems import Problem
from stands import Stand, stand

from measurements.board.hardware.emulator.boards import BOARDS
from tuning.space import Axis, Space

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
