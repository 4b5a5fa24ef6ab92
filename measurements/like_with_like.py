"""What the runs of a comparison were asked and made by, and in what they are not alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from measurements.comparing import Cell, Row, Side
from measurements.models import Run


def settings(shown: Sequence[Side]) -> list[Row]:
    """What was asked of each run."""
    return [Row(label, unit, tuple(Cell(of(side)) for side in shown)) for label, unit, of in _ASKED]


def versions(shown: Sequence[Side]) -> list[Row]:
    """On what, with what and by which definitions each run was made."""
    software = sorted({name for side in shown for name in _software(side.run)})
    rows = [Row(label, "", tuple(Cell(of(side)) for side in shown)) for label, of in _MADE_BY]
    rows += [
        Row(name, "", tuple(Cell(_software(side.run).get(name, "not stated")) for side in shown))
        for name in software
    ]
    return rows


def unlike(shown: Sequence[Side]) -> list[str]:
    """In what the runs differ that a comparison should hold alike, in words."""
    found = []
    for label, of in _LIKE:
        values = [of(side) for side in shown]
        if len(set(values)) > 1:
            listed = ", ".join(dict.fromkeys(str(value) for value in values))
            found.append(f"{label}: {listed}")
    return found


def _software(run: Run) -> dict[str, str]:
    found: dict[str, str] = run.manifest.get("board", {}).get("software", {})
    return found


def _clock(column: str) -> Callable[[Side], str]:
    """The limit that was asked; "as found" where nothing was."""

    def text(side: Side) -> str:
        value = getattr(side.run, column)
        if side.run.origin == Run.Origin.IMPORTED_LOG:
            return "a log does not say"
        return "as found" if value is None else f"{value / 1e6:.2f}".rstrip("0").rstrip(".")

    return text


def _slo(side: Side) -> str:
    told = side.run.in_sweep
    if not told or told["slo_ms"] is None:
        return "none"
    return f"{told['statistic']} ≤ {told['slo_ms']:g} ms"


def _arrivals(side: Side) -> str:
    run = side.run
    if run.origin == Run.Origin.IMPORTED_LOG:
        return "a log does not say"
    rate = f" at {run.rate_hz:g} a second" if run.rate_hz else ""
    return f"{run.get_arrivals_display()}{rate}{f', {run.trace}' if run.trace else ''}"


def _stopping(side: Side) -> str:
    percent = side.run.half_width_percent
    return "fixed requests" if percent is None else f"energy known to ± {percent:g} %"


def _board(key: str) -> Callable[[Side], str]:
    return lambda side: str(side.run.manifest.get("board", {}).get(key) or "not stated")


def _manifest(key: str) -> Callable[[Side], str]:
    return lambda side: str(side.run.manifest.get(key) or "not stated")


def _provenance(side: Side) -> str:
    """As the device was when it measured: "real", "emulated", "replay", "host"."""
    if side.run.device is None:
        return "imported log"
    told = side.run.manifest.get("board", {}).get("provenance")
    return str(told or side.run.device.provenance)


def _sampled(side: Side) -> str:
    return str(side.run.sample_interval_ms or "off")


def _calibrated(side: Side) -> str:
    return f"of {side.calibration.made_at:%Y-%m-%d}" if side.calibration else "none"


_ASKED: tuple[tuple[str, str, Callable[[Side], str]], ...] = (
    ("Network", "", lambda side: str(side.run.network or "not stated")),
    ("Device", "", lambda side: str(side.run.device or "not stated")),
    ("Batch size", "", lambda side: str(side.run.batch_size or "not stated")),
    ("GPU min", "MHz", _clock("gpu_min_hz")),
    ("GPU max", "MHz", _clock("gpu_max_hz")),
    ("Memory clock", "MHz", _clock("emc_hz")),
    ("CPU clock", "MHz", _clock("cpu_hz")),
    ("Arrivals", "", _arrivals),
    ("Latency limit (SLO)", "", _slo),
    ("Requests asked", "", lambda side: str(side.run.requests_asked)),
    ("Ends by", "", _stopping),
    ("Sampled every", "ms", _sampled),
    ("Seed", "", lambda side: str(side.run.seed)),
)
_MADE_BY: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("Provenance", _provenance),
    ("Board", _board("model")),
    ("L4T", _board("l4t")),
    ("JetPack", _board("jetpack")),
    ("Load", _manifest("load")),
    ("Definitions version", _manifest("definitions")),
    ("Calibration", _calibrated),
    ("Rails of the total", lambda side: " + ".join(side.run.total_of) or "not known"),
)
_LIKE: tuple[tuple[str, Callable[[Side], str]], ...] = (
    ("Network", lambda side: str(side.run.network or "not stated")),
    ("Provenance", _provenance),
    ("Device", lambda side: str(side.run.device or "not stated")),
    ("Batch size", lambda side: str(side.run.batch_size or "not stated")),
    ("Arrivals", _arrivals),
    ("Latency limit", _slo),
    ("Sampled every (ms)", _sampled),
    ("Sampler", lambda side: _software(side.run).get("sampler", "not stated")),
    ("Load", _manifest("load")),
    ("Calibration", _calibrated),
    ("Definitions version", _manifest("definitions")),
    ("Rails of the total", lambda side: " + ".join(side.run.total_of) or "not known"),
)
