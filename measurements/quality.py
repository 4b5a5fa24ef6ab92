"""Is this record fit to be believed? Findings from what it says of itself.

A finding of severity "invalid" makes the run invalid; a "note" is for its reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from measurements import conditions, energy
from measurements.finding import Finding, Severity, is_invalid
from measurements.messages import BoardInfo, OperatingPoint, Record
from measurements.power import Floats, Window, rail_w, total_w

__all__ = ["Finding", "Severity", "findings", "gives_latency_only", "is_invalid", "longest_gap_s"]

CLOCK_TOLERANCE = 0.025
"""Hardware counters of the GPU clock read 0.4 to 1.6 % low: as set counts what is this near."""
OFF_CLOCK_SHARE = 0.05
"""So many of a run's samples may be off their clock: a counter is read in mid-change."""
FEWEST_SAMPLES = 5
PERIOD_EXCESS_MS = 10
"""tegrastats prints every interval + 8 to 10 ms: its own work adds to the sleep."""
GAP_PERIODS = 5
LONGEST_GAP_S = 1.0
IDLE_PERCENT, LOADED_PERCENT = 10, 50
NOT_SAMPLED = (
    "Not sampled, by plan: this run shows a meter what sampling costs. It has no energy, and "
    "enters no figure and no search."
)


def findings(record: Record) -> list[Finding]:
    """Everything that is wrong with `record`, at most one finding for each code."""
    checks = (_faults, _requests, _clocks_held, _clocks_measured, _sampled, _rails, _times,
              _coverage, _stuck, conditions.steady,
              conditions.temperature, _restored)  # fmt: skip
    return _merged(finding for check in checks for finding in check(record))


def gives_latency_only(board: BoardInfo) -> bool:
    """A table without power runs, or a machine without counters: energy is unknown, not missing."""
    return board.provenance in ("replay", "host") and not board.rails


def _merged(found: Iterable[Finding]) -> list[Finding]:
    """One finding for each code: texts joined, the graver severity kept."""
    by_code: dict[str, Finding] = {}
    for finding in found:
        before = by_code.setdefault(finding.code, finding)
        if before is not finding:
            severity: Severity = "invalid" if is_invalid((before, finding)) else "note"
            by_code[finding.code] = Finding(severity, finding.code, f"{before.text} {finding.text}")
    return list(by_code.values())


def _faults(record: Record) -> Iterator[Finding]:
    for fault in record.faults:
        yield Finding("invalid", fault.code, fault.text)


def _requests(record: Record) -> Iterator[Finding]:
    served, plan = len(record.requests.end_s), record.plan
    asked = plan.requests if plan.stopping is None else plan.stopping.floor_requests
    if served < min(asked, plan.requests):
        yield Finding(
            "invalid", "requests-missing", f"{served} of {asked} requests were served."
        )  # fmt: skip


def _clocks_held(record: Record) -> Iterator[Finding]:
    """Asked against read back; a board that never began holding has a fault that says so."""
    if not record.phases:
        return
    for knob, asked_hz in _clocks(record.plan.point).items():
        held_hz = _clocks(record.held)[knob]
        if asked_hz is None:
            continue
        if held_hz is None or not _near(held_hz, asked_hz):
            held = "nothing fixed" if held_hz is None else _mhz(held_hz)
            yield Finding(
                "invalid",
                "clock-not-held",
                f"{knob} was set to {_mhz(asked_hz)}, but the board read back {held}.",
            )


def _clocks_measured(record: Record) -> Iterator[Finding]:
    """Held against the counters, over the measured requests."""
    samples, held = record.samples, record.held
    for knob, column, low_hz, high_hz in (
        ("The GPU", samples.gpu_mhz, held.gpu_min_hz, held.gpu_max_hz),
        ("The memory", samples.emc_mhz, held.emc_hz, held.emc_hz),
        ("The CPU", samples.cpu_mhz, held.cpu_hz, held.cpu_hz),
    ):
        clocks_hz = _serving(record, column) * 1e6
        running_hz = clocks_hz[clocks_hz > 0]  # 0 MHz: the idle GPU's power was gated
        below = np.zeros(0) if low_hz is None else _beyond(low_hz - running_hz, low_hz)
        above = np.zeros(0) if high_hz is None else _beyond(running_hz - high_hz, high_hz)
        if below.sum() + above.sum() <= OFF_CLOCK_SHARE * len(running_hz):
            continue
        limits = " to ".join(dict.fromkeys(_mhz(hz) for hz in (low_hz, high_hz) if hz is not None))
        throttled = below.sum() >= above.sum()
        yield Finding(
            "invalid",
            "throttled" if throttled else "clock-drift",
            f"{knob} was held at {limits}, but {int(below.sum() + above.sum())} of "
            f"{len(running_hz)} samples read {_mhz(running_hz.min())} to "
            f"{_mhz(running_hz.max())} ("
            f"{'throttling, or a clock that did not take' if throttled else 'the clock drifted'}).",
        )


def _sampled(record: Record) -> Iterator[Finding]:
    if record.plan.sample_interval_ms is None:
        yield Finding("note", "not-sampled", NOT_SAMPLED)


def _rails(record: Record) -> Iterator[Finding]:
    totals = [(i, rail.name) for i, rail in enumerate(record.board.rails) if rail.in_total]
    if record.plan.sample_interval_ms is None:
        return
    if gives_latency_only(record.board):
        why = " ".join(record.board.problems) or "Nothing here measures power."
        yield Finding("note", "latency-only", f"This run has no energy. {why}")
    elif not totals:
        yield Finding(
            "invalid", "no-total", "No rail of this board is known to make its total power."
        )
    for index, name in totals:
        missing = int(np.isnan(rail_w(record.samples, index)).sum())
        if missing:
            yield Finding(
                "invalid",
                "rail-missing",
                f"{missing} of {len(record.samples.t_us)} samples do not state {name}, "
                "which is part of the total.",
            )


def _times(record: Record) -> Iterator[Finding]:
    backwards = int((np.diff(record.samples.t_us) <= 0).sum())
    if backwards:
        yield Finding(
            "invalid", "time-backwards", f"The sampler's time did not advance {backwards} times."
        )


def _coverage(record: Record) -> Iterator[Finding]:
    """Enough samples, all over the window, without a hole."""
    window, t_s = _window(record), np.asarray(record.samples.t_us, dtype=float) / 1e6
    interval_ms = record.plan.sample_interval_ms
    if window is None or interval_ms is None:
        return
    if not len(t_s) or t_s[0] > window.start_s or t_s[-1] < window.end_s:
        yield Finding(
            "invalid",
            "window-not-covered",
            f"The samples do not span the requests ({window.start_s:.2f} to {window.end_s:.2f} s).",
        )
        return
    inside = int(((t_s >= window.start_s) & (t_s <= window.end_s)).sum())
    if inside < FEWEST_SAMPLES and not gives_latency_only(record.board):
        yield Finding(
            "invalid",
            "too-few-samples",
            f"{inside} samples fall among the requests; at least {FEWEST_SAMPLES} are needed. "
            "Ask for more requests or a shorter interval.",
        )
    first, last = np.searchsorted(t_s, window, side="right") - [1, 0]
    gap_s = float(np.diff(t_s[first : last + 1]).max(initial=0))
    if gap_s > longest_gap_s(interval_ms):
        yield Finding("invalid", "gap", f"The sampler was silent for {gap_s:.2f} s.")


def longest_gap_s(interval_ms: int) -> float:
    """Five periods or 1 s, whichever is shorter; two periods are always allowed."""
    period_s = (interval_ms + PERIOD_EXCESS_MS) / 1000
    return min(GAP_PERIODS * period_s, max(LONGEST_GAP_S, 2 * period_s))


def _stuck(record: Record) -> Iterator[Finding]:
    """Every rail of the total frozen while the GPU went from idle to work.

    One rail alone may well stand still: a step is 0.4 W on some boards.
    """
    busy = [percent for percent in record.samples.gpu_busy_percent if percent is not None]
    try:
        power_w = total_w(record.samples, record.board.rails)
    except energy.PowerMissing:
        return
    frozen = len(power_w) >= FEWEST_SAMPLES and np.unique(power_w).size == 1
    if frozen and busy and min(busy) <= IDLE_PERCENT and max(busy) >= LOADED_PERCENT:
        yield Finding(
            "invalid",
            "sensor-stuck",
            f"All {len(power_w)} samples read {power_w[0]:.3f} W, although the GPU went from "
            f"{min(busy):.0f} to {max(busy):.0f} % busy.",
        )


def _restored(record: Record) -> Iterator[Finding]:
    before, restored = _clocks(record.before), _clocks(record.restored)
    changed = [knob for knob in before if before[knob] != restored[knob]]
    if changed:
        yield Finding(
            "note",
            "not-restored",
            f"After the run the board did not stand as before: {', '.join(changed)}.",
        )


def _window(record: Record) -> Window | None:
    """From the first arrival or inference to the last completion; None without requests."""
    requests = record.requests
    if not requests.end_s:
        return None
    return Window(min(requests.arrival_s + requests.inference_start_s), max(requests.end_s))


def _serving(record: Record, column: Sequence[int | None]) -> Floats:
    """The known values of a column of samples taken while requests were served."""
    window, t_s = _window(record), np.asarray(record.samples.t_us, dtype=float) / 1e6
    values = np.array(column, dtype=float)
    if window is None:
        return values[:0]
    inside = (t_s >= window.start_s) & (t_s <= window.end_s)
    return np.asarray(values[inside & ~np.isnan(values)])


def _clocks(point: OperatingPoint) -> dict[str, int | None]:
    return {
        "The GPU's lower limit": point.gpu_min_hz,
        "The GPU's upper limit": point.gpu_max_hz,
        "The memory clock": point.emc_hz,
        "The CPU clock": point.cpu_hz,
    }


def _near(hz: float, asked_hz: float) -> bool:
    return abs(hz - asked_hz) <= CLOCK_TOLERANCE * asked_hz


def _beyond(excess_hz: Floats, limit_hz: float) -> Floats:
    return np.asarray(excess_hz > CLOCK_TOLERANCE * limit_hz)


def _mhz(hz: float) -> str:
    return f"{hz / 1e6:g} MHz"
