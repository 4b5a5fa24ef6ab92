"""Noise-free energy and latency of every point of an emulated board's grid.

Each point is run back-to-back for a short while on a board without jitter and ripple:
governors settle first, then batches are served over a window, and busy energy per request is
that of docs/definitions.md from the model's exact energy. The CPU is pinned to its top
clock. The results are kept in var/benchmarks.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from measurements import graphs, zoo  # noqa: E402
from measurements.board.hardware.emulator.boards import BOARDS  # noqa: E402
from measurements.board.hardware.emulator.boards.data import BoardData, Ripple  # noqa: E402
from measurements.board.hardware.emulator.clock import VirtualClock  # noqa: E402
from measurements.board.hardware.emulator.emulation import Emulation  # noqa: E402
from measurements.board.hardware.emulator.engine import EmulatedLoad  # noqa: E402
from measurements.board.hardware.emulator.governor import Knobs  # noqa: E402
from measurements.board.hardware.emulator.model import Model  # noqa: E402
from measurements.board.load.protocol import ServedBatch  # noqa: E402
from measurements.energy import union_length_s  # noqa: E402
from measurements.messages import NetworkFeatures  # noqa: E402
from tuning.space import Axis, Point, Space  # noqa: E402

KEPT = ROOT / "var" / "benchmarks"
BATCH_SIZES = (1, 2, 4, 8, 16)
SETTLE_S = 0.5
WINDOW_S = 0.5
FEWEST_BATCHES = 4


class UnknownBoard(ValueError):
    """There is no emulated board of that kind."""


def truth(kind: str, network: str) -> tuple[Space, np.ndarray, np.ndarray]:
    """The grid, joules per request and mean latency in ms, in the order of its points.

    Raises:
        UnknownBoard: No such board.
        KeyError: No such built-in network.
    """
    if kind not in BOARDS:
        raise UnknownBoard(f"no emulated board {kind!r}; there are: {', '.join(sorted(BOARDS))}")
    board = BOARDS[kind]
    space, features = grid(board), features_of(network)
    digest = hashlib.sha256(repr((board, features, SETTLE_S, WINDOW_S)).encode()).hexdigest()[:16]
    path = KEPT / f"{kind}-{network}-{digest}.npy"
    if not path.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        np.save(path, [measured(quiet(board), features, space, p) for p in space.points])
    energy_j, latency_ms = np.load(path).T
    return space, energy_j, latency_ms


def grid(board: BoardData) -> Space:
    return Space((
        Axis("gpu_min_hz", board.gpu_hz),
        Axis("gpu_max_hz", board.gpu_hz),
        Axis("emc_hz", board.emc_hz),
        Axis("batch_size", BATCH_SIZES),
    ))  # fmt: skip


def features_of(network: str) -> NetworkFeatures:
    found = graphs.features(zoo.build(network, with_data=False))
    wanted = ("input_shape", "input_dtype", "flops_per_item", "flops_fixed", "bytes_per_item",
              "bytes_fixed")  # fmt: skip
    fields = {name: getattr(found, name) for name in wanted}
    return msgspec.convert({**fields, "name": network, "sha256": None}, NetworkFeatures)


def quiet(board: BoardData) -> BoardData:
    """The board without what varies by itself."""
    still = Ripple(0.0, 0.0, 0.0, 0.0, 0.0, tau_s=board.ripple.tau_s)
    engine = dataclasses.replace(board.engine, jitter=0.0)
    return dataclasses.replace(board, ripple=still, engine=engine)


def measured(
    board: BoardData, network: NetworkFeatures, space: Space, point: Point
) -> tuple[float, float]:
    """Joules per request and mean latency in ms at `point`."""
    values = space.named(point)
    model, served = served_at(board, network, values["batch_size"], _knobs(board, values))
    return busy_j(model, served), 1e3 * mean_latency_s(served)


def served_at(
    board: BoardData, network: NetworkFeatures, batch_size: int, knobs: Knobs,
    *, is_preprocessing: bool = False,
) -> tuple[Model, list[ServedBatch]]:  # fmt: skip
    """The board and what it served, back to back, after its governors had settled."""
    model = Model(board, seed=1, knobs=knobs)
    clock = VirtualClock(model, lambda: None)
    load = EmulatedLoad(
        network, batch_size, 1, emulation=Emulation(model), clock=clock, device_seed=1
    )
    serving = load.preprocessing() if is_preprocessing else load
    served: list[ServedBatch] = []
    for batch in serving.serve(None, 1_000_000_000):
        if batch is not None and batch.inference_start_s >= SETTLE_S:
            served.append(batch)
            if _is_enough(served):
                break
    return model, served


def _is_enough(served: Sequence[ServedBatch]) -> bool:
    spent = served[-1].inference_end_s - served[0].inference_start_s
    return len(served) >= FEWEST_BATCHES and spent >= WINDOW_S


def busy_j(model: Model, served: Sequence[ServedBatch]) -> float:
    start_s, end_s = served[0].inference_start_s, served[-1].inference_end_s
    mean_w = model.true_energy_j(start_s, end_s).total_j / (end_s - start_s)
    busy_s = union_length_s(
        [batch.inference_start_s for batch in served], [batch.inference_end_s for batch in served]
    )
    return mean_w * busy_s / sum(len(batch.start_s) for batch in served)


def mean_latency_s(served: Sequence[ServedBatch]) -> float:
    return float(np.mean([b.inference_end_s - start for b in served for start in b.start_s]))


def _knobs(board: BoardData, values: dict[str, int]) -> Knobs:
    knobs = Knobs.as_booted(board)
    top = [board.cpu_hz[-1]] * len(board.policies)
    return dataclasses.replace(
        knobs,
        gpu_min_hz=values["gpu_min_hz"],
        gpu_max_hz=values["gpu_max_hz"],
        emc_rate_hz=values["emc_hz"],
        emc_locked=True,
        emc_cap_hz=0,
        offline=[],
        cpu_min_hz=top,
        cpu_max_hz=list(top),
    )
