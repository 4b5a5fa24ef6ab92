"""Did the run begin in a steady state, as warm as the others of its sweep?"""

from __future__ import annotations

from collections.abc import Iterator

from measurements.finding import Finding
from measurements.messages import Record

BEFORE_S = 1.0
"""The end of settling whose temperature counts as the run's first."""


def steady(record: Record) -> Iterator[Finding]:
    """A board that still drifts has no mean there and then."""
    if record.is_steady is False:
        yield Finding(
            "invalid",
            "not-steady",
            f"After {record.plan.longest_warm_up_s:.0f} s of warm-up power or inference time "
            "still moved in one direction by more than 1 % a second.",
        )


def temperature(record: Record) -> Iterator[Finding]:
    """Outside the gate's band is for the reader to know; beyond twice the band is another state.

    Idle power changes by a few percent in 10 K: inside the band by less than the interval
    that is asked for, beyond twice the band by more.
    """
    gate, before_c = record.plan.gate, temperature_before_c(record)
    if gate is None or not record.phases:
        return
    if before_c is None:
        yield Finding(
            "note", "no-temperature", "No thermal zone could be read: nothing was waited for."
        )
    elif gate.reference_c is not None and abs(before_c - gate.reference_c) > gate.band_k:
        off_k = before_c - gate.reference_c
        yield Finding(
            "note" if abs(off_k) <= 2 * gate.band_k else "invalid",
            "temperature-gate",
            f"The run began at {before_c:.1f} °C, {abs(off_k):.1f} K "
            f"{'above' if off_k > 0 else 'below'} its sweep's reference; "
            f"{gate.longest_s:.0f} s of waiting did not bring it within {gate.band_k:g} K.",
        )


def temperature_before_c(record: Record) -> float | None:
    """The hottest zone over the last second before the warm-up; None if nothing stated it."""
    ends_s = [phase.end_s for phase in record.phases if phase.name == "settle"]
    if not ends_s:
        return None
    seen = zip(record.samples.t_us, record.samples.temp_c, strict=True)
    before = [
        temp_c
        for t_us, temp_c in seen
        if temp_c is not None and ends_s[-1] - BEFORE_S <= t_us / 1e6 <= ends_s[-1]
    ]
    return sum(before) / len(before) if before else None
