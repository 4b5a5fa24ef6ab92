"""Tables 2, 3 and 7 of PolyThrottle, asked of the emulated boards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from stands import Alone, Stand, alone, stand

from measurements.board.hardware.emulator.boards import BOARDS
from measurements.board.hardware.emulator.boards.data import BoardData
from tuning.cpu_phase import REFUTED, Reading, Terms, choose, slowing_s_hz

NETWORKS = ("efficientnet-b0", "efficientnet-b4", "efficientnet-b7", "bert-base")
PAPER = {
    "2": {"efficientnet-b0": (14.9, 1331), "efficientnet-b4": (14.3, 1331),
          "efficientnet-b7": (12.0, 1331), "bert-base": (25.4, 1062)},
    "3": {"efficientnet-b0": (47.6, 1236), "efficientnet-b4": (29.1, 1033),
          "efficientnet-b7": (8.8, 1134), "bert-base": (1.1, 217)},
    "7": {"agx-orin": (28.6, 900), "tx2": (29.4, 1000)},
}  # fmt: skip
"""Table -> (saving in %, at which MHz)."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure of the paper beside ours."""

    where: str
    board: str
    network: str
    what: str
    paper: str
    ours: str


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
