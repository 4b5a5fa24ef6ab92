"""What `trtexec` prints and exports, in both of its output formats.

TensorRT 8 and later print a block headed "=== Performance summary ===" whose lines read
"<what>: min = 1 ms, max = …"; TensorRT 7 and older print short lines such as "mean: 1 ms
(end to end 2 ms)". What a text does not state is None.
Source: reference of the runtime on Jetson, trtexec of TensorRT 7.1 and 8.4 to 10.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal

import msgspec

PREFIX = re.compile(r"^\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[([IWEVF])\] ?")
NUMBER = r"(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
NAMED = re.compile(rf"(min|max|mean|median|percentile\((\d+(?:\.\d+)?)%\)) = {NUMBER} ms")
MEASURES = {
    "Latency": "latency", "End-to-End Host Latency": "end_to_end", "Enqueue Time": "enqueue",
    "H2D Latency": "host_to_device", "GPU Compute Time": "gpu_compute",
    "GPU Compute": "gpu_compute", "D2H Latency": "device_to_host",
}  # fmt: skip
HEADINGS = {"Host latency": "latency", "Host Latency": "latency", "GPU Compute": "gpu_compute"}
"""Of TensorRT 7, whose lines are short."""
TOTALS = {
    "Throughput": ("throughput_qps", "qps"),
    "throughput": ("throughput_qps", "qps"),
    "Total Host Walltime": ("host_walltime_s", "s"),
    "host walltime": ("host_walltime_s", "s"),
    "walltime": ("host_walltime_s", "s"),
    "Total GPU Compute Time": ("gpu_compute_s", "s"),
    "total compute time": ("gpu_compute_s", "s"),
}
END = re.compile(r"^&&&& (PASSED|FAILED) TensorRT\.trtexec(?: \[TensorRT v(\d+)\])?")
OLD_SINGLE = re.compile(rf"^(min|max|mean|median): {NUMBER} ms(?: \(end to end {NUMBER} ms\))?")
OLD_PERCENTILE = re.compile(
    rf"^percentile: {NUMBER} ms at (\d+(?:\.\d+)?)%(?: \(end to end {NUMBER} ms at [\d.]+%\))?"
)


@dataclass(slots=True)
class Times:
    """One measure of all queries, in ms; None: not stated."""

    min_ms: float | None = None
    max_ms: float | None = None
    mean_ms: float | None = None
    median_ms: float | None = None
    percentiles_ms: dict[float, float] = field(default_factory=dict)

    def take(self, name: str, value_ms: float) -> None:
        setattr(self, f"{name}_ms", value_ms)


@dataclass(slots=True)
class Summary:
    """What one run of trtexec said of itself."""

    measures: dict[str, Times] = field(default_factory=dict)
    """By `latency end_to_end enqueue host_to_device gpu_compute device_to_host`."""
    throughput_qps: float | None = None
    host_walltime_s: float | None = None
    gpu_compute_s: float | None = None
    outcome: Literal["PASSED", "FAILED"] | None = None
    """None: it never came to its last line."""
    tensorrt: str | None = None
    """Version as its last line writes it: "8401"."""
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    section: str = "latency"
    """Which measure the short lines of TensorRT 7 belong to, by the heading above them."""

    def of(self, measure: str) -> Times:
        return self.measures.setdefault(measure, Times())


NAMES = {
    "start_h2d_ms": "startH2dMs", "end_h2d_ms": "endH2dMs", "start_compute_ms": "startComputeMs",
    "end_compute_ms": "endComputeMs", "start_d2h_ms": "startD2hMs", "end_d2h_ms": "endD2hMs",
    "start_enq_ms": "startEnqMs",
}  # fmt: skip


class Query(msgspec.Struct, frozen=True, rename=NAMES):
    """One entry of `--exportTimes`, in ms from trtexec's own zero."""

    start_h2d_ms: float
    end_h2d_ms: float
    start_compute_ms: float
    end_compute_ms: float
    start_d2h_ms: float
    end_d2h_ms: float
    start_enq_ms: float | None = None


class BadTimes(ValueError):
    """The exported times cannot be read; the text says why."""


def summary(text: str) -> Summary:
    """Everything that `text` states; words of no known shape are passed over."""
    found = Summary()
    for line in text.splitlines():
        _take(found, line)
    return found


def queries(exported: bytes) -> list[Query]:
    """The queries that `--exportTimes` wrote, in order of their start.

    Raises:
        BadTimes: It is no such JSON, or a time is not finite or runs backwards.
    """
    try:
        found = msgspec.json.decode(_renamed(exported), type=list[Query])
    except msgspec.MsgspecError as error:
        raise BadTimes(f"trtexec's exported times cannot be read: {error}") from error
    for query in found:
        times = (query.start_h2d_ms, query.start_compute_ms, query.end_compute_ms, query.end_d2h_ms)
        if not all(map(math.isfinite, times)) or list(times) != sorted(times):
            raise BadTimes(f"a query of trtexec ends before it starts: {times}")
    return sorted(found, key=lambda query: query.start_h2d_ms)


def _renamed(exported: bytes) -> bytes:
    """TensorRT 7 names the two ends of a query startInMs and endOutMs instead."""
    pairs = (("startIn", "startH2d"), ("endIn", "endH2d"),
             ("startOut", "startD2h"), ("endOut", "endD2h"))  # fmt: skip
    for old, new in pairs:
        exported = exported.replace(f'"{old}Ms"'.encode(), f'"{new}Ms"'.encode())
    return exported


def _take(found: Summary, line: str) -> None:
    prefix = PREFIX.match(line)
    level, words = (prefix[1], line[prefix.end() :]) if prefix else ("", line)
    words = words.strip()
    if end := END.match(words):
        found.outcome, found.tensorrt = end[1], end[2]  # type: ignore[assignment]
    elif level == "W":
        found.warnings.append(words.lstrip("* "))
    elif level in ("E", "F"):
        found.errors.append(words)
    else:
        _take_measure(found, words)


def _take_measure(found: Summary, words: str) -> None:
    name, colon, rest = words.partition(":")
    if words in HEADINGS:
        found.section = HEADINGS[words]
    elif colon and name in MEASURES:
        for match in NAMED.finditer(rest):
            _take_named(found.of(MEASURES[name]), match)
    elif name in TOTALS:
        _take_total(found, name, rest)
    else:
        _take_old(found, words)


def _take_named(times: Times, match: re.Match[str]) -> None:
    if match[2] is not None:
        times.percentiles_ms[float(match[2])] = float(match[3])
    else:
        times.take(match[1], float(match[3]))


def _take_total(found: Summary, name: str, rest: str) -> None:
    attribute, unit = TOTALS[name]
    if match := re.match(rf" {NUMBER} {unit}$", rest.rstrip()):
        setattr(found, attribute, float(match[1]))


def _take_old(found: Summary, words: str) -> None:
    """Short lines of TensorRT 7; in brackets stands the time from end to end."""
    if single := OLD_SINGLE.match(words):
        found.of(found.section).take(single[1], float(single[2]))
        if single[3] is not None:
            found.of("end_to_end").take(single[1], float(single[3]))
    elif share := OLD_PERCENTILE.match(words):
        found.of(found.section).percentiles_ms[float(share[2])] = float(share[1])
        if share[3] is not None:
            found.of("end_to_end").percentiles_ms[float(share[2])] = float(share[3])
