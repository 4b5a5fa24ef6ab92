"""Whether a sweep's winner really saves energy: the order of the runs, and what they say.

A block holds every arm twice, the second half the mirror image of the first. So each
pair of arms stands in it as ABBA or BAAB, and a drift that is linear in time (warming up,
a battery) falls out of their difference. Energies are joules per request; savings are
shares of the reference's energy; intervals are two-sided 95 %.

Source: paired differences by Student's t, Box, Hunter & Hunter, Statistics for
Experimenters (2nd ed.), section 3.2; ABBA as in NIST Handbook 145, SOP 5 (drift elimination).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from measurements.statistics import CONFIDENCE, percentile_upper, student_t


class Arm(str, Enum):
    """What a run of a verification measures."""

    WINNER = "winner"
    DEFAULT = "default"
    MAXIMUM = "maximum"
    DEFAULT_ONE = "default_one"

    @property
    def words(self) -> str:
        return {
            Arm.WINNER: "winner",
            Arm.DEFAULT: "default clocks",
            Arm.MAXIMUM: "maximum clocks",
            Arm.DEFAULT_ONE: "default clocks at batch 1",
        }[self]


class Verdict(str, Enum):
    VERIFIED = "verified"
    NOT_CONFIRMED = "not_confirmed"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")


class TooFewPairs(ValueError):
    """A comparison needs two blocks at least, each with both arms twice."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a verification. None: not known."""

    arm: Arm
    block: int
    energy_j: float
    half_width_j: float | None
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; `within` is what the runs' own intervals say of its half."""

    value: float
    low: float
    high: float
    within: float | None
    pairs: tuple[float, ...]
    """The value of each block by itself."""


def order(arms: Sequence[Arm], *, blocks: int, seed: int) -> list[tuple[int, Arm]]:
    """(block, arm) of every run in the order of measuring; the same for the same seed."""
    chance, plan = random.Random(seed), []
    for block in range(blocks):
        half = list(arms)
        chance.shuffle(half)
        plan += [(block, arm) for arm in (*half, *reversed(half))]
    return plan


def saving(runs: Sequence[Measured], *, against: Arm) -> Estimate:
    """By what share the winner takes less energy than `against`; negative if it takes more.

    The mean over blocks of the log-ratio of energies, with Student's t over the blocks. If
    the runs' own intervals ask for a wider one, that is taken: few blocks may agree by chance.

    Raises:
        TooFewPairs: There are fewer than two whole blocks.
    """
    logs = [
        _mean(math.log(run.energy_j) for run in winners)
        - _mean(math.log(run.energy_j) for run in references)
        for winners, references in _blocks(runs, against)
    ]
    value, half = _mean(logs), _half_width(logs)
    within = _within(runs, against)
    half = max(half, within or 0.0)
    return Estimate(
        value=-math.expm1(value),
        low=-math.expm1(value + half),
        high=-math.expm1(value - half),
        within=within,
        pairs=tuple(-math.expm1(log) for log in logs),
    )


def latency_change(runs: Sequence[Measured], *, against: Arm) -> Estimate | None:
    """The winner's latency minus that of `against` in ms; None if a run does not know its own.

    Raises:
        TooFewPairs: There are fewer than two whole blocks.
    """
    changes = []
    for winners, references in _blocks(runs, against):
        known = [run.latency_ms for run in (*winners, *references) if run.latency_ms is not None]
        if len(known) < len(winners) + len(references):
            return None
        changes.append(_mean(known[: len(winners)]) - _mean(known[len(winners) :]))
    value, half = _mean(changes), _half_width(changes)
    return Estimate(value, value - half, value + half, None, tuple(changes))


def latency_bound_ms(
    latencies_ms: Sequence[float], batches: Sequence[int], *, quantile: float | None
) -> float | None:
    """What is held against the limit, over all requests of the winner's runs together.

    The one-sided 95 % order-statistic bound of the quantile; for the mean (None) the mean.

    Args:
        batches: To which batch each request belongs, shape (requests,).
    """
    if quantile is None:
        return _mean(latencies_ms) if latencies_ms else None
    return percentile_upper(latencies_ms, quantile, batches=batches)


def verdict(saved: Estimate, *, bound_ms: float | None, slo_ms: float | None) -> Verdict:
    """Verified: the whole interval is a saving, and the limit (if there is one) is met."""
    is_met = slo_ms is None or (bound_ms is not None and bound_ms <= slo_ms)
    return Verdict.VERIFIED if saved.low > 0 and is_met else Verdict.NOT_CONFIRMED


def sentence(
    saved: Estimate,
    change: Estimate | None,
    *,
    statistic: str,
    bound_ms: float | None,
    slo_ms: float | None,
) -> str:
    """Like "saves 23 % (19 to 27 %), p99 +3 ms; SLO met"."""
    words = saving_words(saved)
    if change is not None:
        words += f", {statistic} {_signed(change.value)} ms"
    if slo_ms is None:
        return f"{words}; no latency limit"
    if bound_ms is None:
        return f"{words}; whether the SLO is met is unknown"
    return f"{words}; SLO {'met' if bound_ms <= slo_ms else 'not met'}"


def saving_words(saved: Estimate) -> str:
    """Like "saves 23 % (19 to 27 %)", or that there is no saving to be seen."""
    if saved.low > 0:
        return f"saves {_range(saved.value, saved.low, saved.high)}"
    if saved.high < 0:
        return f"takes {_range(-saved.value, -saved.high, -saved.low)} more"
    return f"no saving shown: {_range(saved.value, saved.low, saved.high)}"


def _range(value: float, low: float, high: float) -> str:
    digits = 0 if high - low >= 0.01 else 1 if high - low >= 0.001 else 2
    shown = [f"{100 * share:.{digits}f}".replace("-", "\N{MINUS SIGN}") for share in (low, high)]
    return f"{100 * value:.{digits}f} % ({shown[0]} to {shown[1]} %)".replace("-", "\N{MINUS SIGN}")


def _signed(change_ms: float) -> str:
    digits = 0 if abs(change_ms) >= 10 else 1
    return f"{change_ms:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _blocks(runs: Sequence[Measured], against: Arm) -> list[tuple[list[Measured], list[Measured]]]:
    """(winner's runs, the other's runs) of each block."""
    found = []
    for block in sorted({run.block for run in runs}):
        sides = [
            [run for run in runs if run.block == block and run.arm is arm]
            for arm in (Arm.WINNER, against)
        ]
        if all(len(side) == 2 for side in sides):
            found.append((sides[0], sides[1]))
    if len(found) < 2:
        raise TooFewPairs(f"{len(found)} whole blocks against {against.words}; it takes two")
    return found


def _within(runs: Sequence[Measured], against: Arm) -> float | None:
    """Half-width of the mean log-ratio if the runs' own intervals were all there is."""
    blocks = _blocks(runs, against)
    squares = 0.0
    for run in (run for sides in blocks for side in sides for run in side):
        if run.half_width_j is None:
            return None
        squares += (run.half_width_j / run.energy_j / 2) ** 2
    return math.sqrt(squares) / len(blocks)


def _half_width(values: Sequence[float]) -> float:
    """Of the mean of independent values, by Student's t."""
    mean, n = _mean(values), len(values)
    variance = sum((value - mean) ** 2 for value in values) / (n - 1)
    return student_t(0.5 + CONFIDENCE / 2, n - 1) * math.sqrt(variance / n)


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return math.fsum(known) / len(known)
