"""Power of a replayed board: a model fitted to measured runs, and where it was fitted.

Power of a rail in W, with clocks in GHz and the GPU's busy share u (0 to 1):

    P = c0 + c1 gpu + c2 memory + u gpu (c3 + c4 memory)

Idle power rises with the clocks that are held; what work adds goes with the GPU's
cycles, and each moves the more data the faster the memory is. Each rail has its own
five coefficients. The fit knows nothing of what the work is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from .rows import Bounds, TableRefused, read

RAILS = {"VDD_IN": "vdd_in_mean", "VDD_CPU_GPU_CV": "cgc_mean", "VDD_SOC": "soc_mean"}
"""Rails of a replayed board and the columns of their means; the first one is the total."""
TERMS = ("1", "gpu_ghz", "memory_ghz", "busy · gpu_ghz", "busy · gpu_ghz · memory_ghz")
NEAR = 0.02
"""Clock counters read 0.4 to 1.6 % low: what is this near was measured at this clock."""
FEWEST_RUNS = 8
_MW = Bounds(50, 200_000, "mW", " (watts?)")
_MHZ = Bounds(10, 10_000, "MHz", " (Hz or kHz?)")
_COLUMNS = ("file", "emc_mhz", "gpu_mhz_med", "gr3d_mean", "vdd_in_p5", "vdd_in_p95",
            *RAILS.values())  # fmt: skip
_NORMAL_P5_TO_P95 = 3.2897
"""Distance of a normal distribution's 5th and 95th percentile in standard deviations."""


class PowerRun(msgspec.Struct, frozen=True, kw_only=True):
    """Mean power of one steady run; `rails_w` in the order of `RAILS`."""

    name: str
    gpu_mhz: float
    emc_mhz: float
    busy: float
    rails_w: list[float]
    spread_w: float
    """Standard deviation of the total within the run, from its 5th and 95th percentile."""


class RailFit(msgspec.Struct, frozen=True, kw_only=True):
    """One rail's coefficients in the order of `TERMS`, in W, and how far off they are."""

    rail: str
    coefficients: list[float]
    residual_rms_w: float
    residual_worst_w: float


class PowerModel(msgspec.Struct, frozen=True, kw_only=True):
    """What was fitted, to how many runs, and at which clocks those were."""

    fits: list[RailFit]
    runs: int
    left_out: int
    measured_at: list[tuple[float, float]]
    """Pairs (gpu_mhz, emc_mhz) that power runs were measured at, ascending."""
    most_busy: float
    """The largest busy share among the runs."""
    spread_w: float
    """Standard deviation of the total from sample to sample: the runs' median."""

    def rails_w(self, *, gpu_mhz: float, emc_mhz: float, busy: float) -> list[float | None]:
        """Power of each rail, in W; None where the model gives nothing above 0."""
        terms = terms_of(gpu_mhz=gpu_mhz, emc_mhz=emc_mhz, busy=busy)
        sums = [sum(c * x for c, x in zip(fit.coefficients, terms, strict=True))
                for fit in self.fits]  # fmt: skip
        return [power if power > 0 else None for power in sums]

    def was_measured_at(self, *, gpu_mhz: float, emc_mhz: float) -> bool:
        """Whether power runs stood at these clocks; elsewhere the model extrapolates."""
        return any(
            _near(gpu_mhz, measured_gpu) and _near(emc_mhz, measured_emc)
            for measured_gpu, measured_emc in self.measured_at
        )

    @property
    def measured_gpu_mhz(self) -> list[float]:
        """Ascending; clocks that only the counters tell apart count once, as the higher."""
        kept: list[float] = []
        for gpu in sorted({gpu for gpu, _ in self.measured_at}, reverse=True):
            if not any(_near(other, gpu) for other in kept):
                kept.append(gpu)
        return kept[::-1]


def read_runs(data: bytes) -> list[PowerRun]:
    """The power runs of a CSV file whose powers are in mW.

    Raises:
        TableRefused: It cannot be read; the text names the line.
    """
    _, rows = read(data, columns=_COLUMNS)
    return [
        PowerRun(
            name=row.text("file"),
            gpu_mhz=row.number("gpu_mhz_med", _MHZ),
            emc_mhz=row.number("emc_mhz", _MHZ),
            busy=row.number("gr3d_mean", Bounds(0, 100, "%")) / 100,
            rails_w=[row.number(column, _MW) / 1000 for column in RAILS.values()],
            spread_w=max(0.0, row.number("vdd_in_p95", _MW) - row.number("vdd_in_p5", _MW))
            / 1000
            / _NORMAL_P5_TO_P95,
        )
        for row in rows
    ]


def fit(runs: Sequence[PowerRun], *, leave_out: Sequence[str] = ()) -> PowerModel:
    """The model by least squares, each run with the same weight.

    Args:
        leave_out: Runs whose name holds one of these words are not used, since
            something else than the network ran beside it.

    Raises:
        TableRefused: Too few runs, or clocks and loads that the terms cannot be told apart by.
    """
    import numpy as np  # Only a fit needs it: a worker whose table was fitted before does not.

    used = [run for run in runs if not any(word in run.name for word in leave_out)]
    if len(used) < FEWEST_RUNS:
        raise TableRefused(f"{len(used)} power runs are too few to fit; it takes {FEWEST_RUNS}")
    x = np.array([terms_of(gpu_mhz=run.gpu_mhz, emc_mhz=run.emc_mhz, busy=run.busy)
                  for run in used])  # fmt: skip
    y = np.array([run.rails_w for run in used])
    solved, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    if rank < len(TERMS):
        raise TableRefused(
            "the power runs cannot tell the model's terms apart: they must be at two GPU "
            "clocks and two memory clocks at least, idle and busy"
        )
    residuals = y - x @ solved
    return PowerModel(
        fits=[
            RailFit(
                rail=rail,
                coefficients=[float(c) for c in solved[:, i]],
                residual_rms_w=float(np.sqrt(np.mean(residuals[:, i] ** 2))),
                residual_worst_w=float(np.abs(residuals[:, i]).max()),
            )
            for i, rail in enumerate(RAILS)
        ],
        runs=len(used),
        left_out=len(runs) - len(used),
        measured_at=_distinct((run.gpu_mhz, run.emc_mhz) for run in used),
        most_busy=max(run.busy for run in used),
        spread_w=float(np.median([run.spread_w for run in used])),
    )


def terms_of(*, gpu_mhz: float, emc_mhz: float, busy: float) -> list[float]:
    """The values of `TERMS`."""
    gpu, memory = gpu_mhz / 1000, emc_mhz / 1000
    return [1.0, gpu, memory, busy * gpu, busy * gpu * memory]


def _distinct(pairs: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """The pairs in order; of clocks so near that only the counters differ, the highest stays."""
    kept: list[tuple[float, float]] = []
    for gpu, emc in sorted(set(pairs), reverse=True):
        if not any(_near(near_gpu, gpu) and _near(near_emc, emc) for near_gpu, near_emc in kept):
            kept.append((gpu, emc))
    return sorted(kept)


def _near(mhz: float, measured_mhz: float) -> bool:
    return abs(mhz - measured_mhz) <= NEAR * mhz
