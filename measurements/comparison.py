"""Whether one measured value differs from another by more than noise.

Conventions: values are positive; a half-width is half of a two-sided 95 % interval. A
comparison is made on the log scale, so "12 % less" and its interval are those of a ratio,
and the same from either side. The two variances are added, not pooled (Welch): runs may
be known more or less well. Several comparisons with one baseline are corrected by Holm's
step-down: the chance that any of them claims a difference where there is none stays 5 %.

What is not known is None and claims nothing. These intervals are for each run's mean there
and then; they hold nothing of the difference between two boards or two days.

Source: B. L. Welch, Biometrika 34 (1947), 28-35; S. Holm, Scand. J. Statist. 6 (1979), 65-70.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from measurements.statistics import CONFIDENCE, student_t

ALPHA = 1 - CONFIDENCE
NORMAL_95 = 1.959963984540054
FEWEST_PAIRS = 3
"""Configurations that two sweeps have in common, for a mean difference to have an interval."""
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A positive measured value and half of its 95 % interval; None: not known."""

    value: float | None
    half_width: float | None = None

    @property
    def log_error(self) -> float | None:
        """Standard error of the value's logarithm; None if there is no interval.

        The half-width already holds Student's t of its own degrees of freedom, so this
        errs to the wide side for few batches.
        """
        if not self.value or self.value <= 0 or self.half_width is None:
            return None
        return self.half_width / self.value / NORMAL_95


@dataclass(frozen=True, slots=True)
class Difference:
    """A value over that of the baseline, with its 95 % interval; `p` after correction.

    `of` comparisons were made together. None: not known, and nothing is claimed.
    """

    ratio: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    of: int = 1

    @property
    def is_beyond_noise(self) -> bool | None:
        """Whether there is a difference, after correction; None if that is not known."""
        return None if self.p is None else self.p < ALPHA

    @property
    def share(self) -> float | None:
        """How much more than the baseline, as a share; negative: less."""
        return None if self.ratio is None else self.ratio - 1

    def words(self, verbs: tuple[str, str] = ("uses", "uses")) -> str:
        """Like "uses 12 % (9 to 15 %) less", or that nothing is seen beyond noise.

        Args:
            verbs: For less and for more.
        """
        if self.ratio is None:
            return "not known for both"
        if self.low is None or self.high is None:
            return f"{_signed(self.ratio - 1)}; whether that is noise is not known"
        if not self.is_beyond_noise:
            ends = f"{_signed(self.low - 1)} to {_signed(self.high - 1)}"
            alone = self.of > 1 and not self.low <= 1 <= self.high
            corrected = f", corrected for {self.of} comparisons" if alone else ""
            return f"no difference beyond noise ({ends}{corrected})"
        if self.ratio < 1:
            return f"{verbs[0]} {_range(1 - self.ratio, 1 - self.high, 1 - self.low)} less"
        return f"{verbs[1]} {_range(self.ratio - 1, self.low - 1, self.high - 1)} more"


def ratio(first: Estimate, second: Estimate) -> Difference:
    """`second` over `first`, with the interval and the two-sided p of a normal log-ratio."""
    if not first.value or not second.value or first.value <= 0 or second.value <= 0:
        return Difference(None)
    log = math.log(second.value / first.value)
    errors = first.log_error, second.log_error
    if errors[0] is None or errors[1] is None:
        return Difference(math.exp(log))
    error = math.hypot(errors[0], errors[1])
    return _judged(log, NORMAL_95 * error, _normal_p(log, error))


def against(baseline: Estimate, others: Sequence[Estimate]) -> list[Difference]:
    """Each of `others` over `baseline`, corrected together; unknown ones do not count."""
    return holm([ratio(baseline, other) for other in others])


def holm(found: Sequence[Difference]) -> list[Difference]:
    """The same differences with p corrected for all of them by Holm's step-down."""
    known = sorted(
        (number for number, one in enumerate(found) if one.p is not None),
        key=lambda number: found[number].p or 0.0,
    )
    corrected, floor = list(found), 0.0
    for rank, number in enumerate(known):
        floor = max(floor, min(1.0, (len(known) - rank) * (found[number].p or 0.0)))
        corrected[number] = replace(found[number], p=floor, of=len(known))
    return corrected


def paired(pairs: Sequence[tuple[float, float]]) -> Difference:
    """Mean ratio (geometric) of second to first over configurations that both have measured.

    Student's t over the pairs: each configuration counts once, however well it is known.

    Args:
        pairs: (first, second) at the same configuration, all positive, shape (n, 2).
    """
    if not pairs:
        return Difference(None)
    logs = [math.log(second / first) for first, second in pairs]
    n, mean = len(logs), math.fsum(logs) / len(logs)
    if n < FEWEST_PAIRS:
        return Difference(math.exp(mean))
    error = math.sqrt(math.fsum((log - mean) ** 2 for log in logs) / (n - 1) / n)
    half = student_t(0.5 + CONFIDENCE / 2, n - 1) * error
    return _judged(mean, half, _student_p(mean, error, n - 1))


def _judged(log: float, half: float, p: float) -> Difference:
    return Difference(math.exp(log), math.exp(log - half), math.exp(log + half), p)


def _normal_p(log: float, error: float) -> float:
    """P(|Z| >= |log| / error); exact values differ certainly, or not at all."""
    if error == 0:
        return 1.0 if log == 0 else 0.0
    return math.erfc(abs(log) / error / math.sqrt(2))


def _student_p(mean: float, error: float, degrees: int) -> float:
    """Two-sided p of Student's t, by bisection of its quantile."""
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    t, low, high = abs(mean) / error, 0.5, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if middle in (0.5, 1.0):
            break
        low, high = (middle, high) if student_t(middle, degrees) < t else (low, middle)
    return 2 * (1 - (low + high) / 2)


def _range(value: float, low: float, high: float) -> str:
    digits = _digits(low, high)
    return (
        f"{100 * value:.{digits}f} % ({100 * low:.{digits}f} to {100 * high:.{digits}f} %)".replace(
            "-", MINUS
        )
    )


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %".replace("-", MINUS)


def _digits(low: float, high: float) -> int:
    return 0 if high - low >= 0.01 and min(abs(low), abs(high)) >= 0.005 else 1
