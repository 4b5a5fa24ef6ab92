"""What is measured, fitted and extrapolated on a replay board, in words."""

from __future__ import annotations

from collections.abc import Sequence

from .power import PowerModel
from .table import Cell, ReplayTable


def note(table: ReplayTable) -> str:
    """Where every number of this board comes from, in two or three sentences."""
    cpu = "" if table.cpu_mhz is None else f", CPU pinned at {table.cpu_mhz:g} MHz"
    return (
        f"Replay of {table.name}: {table.source} (licence: {table.licence}){cpu}. "
        "Latency is measured: each request is drawn from the log-normal distribution with the "
        f"cell's median and 99th percentile, at batch 1. {_power_note(table.power)}"
    )


def _power_note(power: PowerModel | None) -> str:
    if power is None:
        return "There are no power runs, so energy is not known."
    return (
        f"Power is fitted to {power.runs} measured runs at GPU clocks of "
        f"{_listed(power.measured_gpu_mhz)} MHz and up to {power.most_busy:.0%} busy "
        f"(residual {power.fits[0].residual_rms_w:.2f} W RMS); at any other clocks, and for "
        "fuller loads, it is extrapolated."
    )


def problems(table: ReplayTable) -> list[str]:
    """What a replay board lacks, for its device page."""
    found = {
        "This table has no power runs: energy is unknown here, and runs give latency only.": (
            table.power is None
        ),
        f"The table lacks {table.holes} of its combinations of workload and clocks; "
        "a run there is invalid.": table.holes > 0,
    }
    return [sentence for sentence, is_so in found.items() if is_so]


def rests_on(table: ReplayTable, cell: Cell) -> dict[str, str]:
    """What latency and power of a run at `cell` rest on; the first word is the verdict."""
    return {
        "latency": (
            f"measured: median {cell.p50_ms:g} ms and 99th percentile {cell.p99_ms:g} ms of "
            f"{cell.workload}; the distribution between them is taken as log-normal"
        ),
        "power": _power_basis(table.power, cell),
    }


def _power_basis(power: PowerModel | None, cell: Cell) -> str:
    if power is None:
        return "unknown: the table has no power runs"
    clocks = f"GPU {cell.gpu_mhz:g} MHz and memory {cell.emc_mhz:g} MHz"
    residual = f"residual of the fit {power.fits[0].residual_rms_w:.2f} W RMS"
    if power.was_measured_at(gpu_mhz=cell.gpu_mhz, emc_mhz=cell.emc_mhz):
        return (
            f"fitted: power was measured at {clocks}, with other loads, up to "
            f"{power.most_busy:.0%} busy over all clocks; {residual}"
        )
    return f"extrapolated: no power run stood at {clocks}; {residual} where there were runs"


def _listed(values: Sequence[float]) -> str:
    words = [f"{value:g}" for value in values]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
