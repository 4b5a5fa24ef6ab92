"""The figure of one run over time: rails, clocks, temperature and batches on one axis.

Live and from the record alike; `static/js/run-trace.js` asks for it anew as one zooms.
Colours get in as in `measurements.figures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from measurements.drawing import Figure, Trace, scatter
from measurements.figures import figure
from measurements.power import Window

PHASE_TOKENS = {"serve": "--accent", "warm_up": "--warn"}
PHASE_LABELS = {"settle": "settle", "warm_up": "warm up", "serve": "serve", "tail": "tail"}
DASHES = ("solid", "dash", "dot", "dashdot")
"""Rails of one part share its colour and are told apart by their dashes."""
CLOCKS = (("GPU clock", "gpu", "gpu_mhz"), ("memory clock", "memory", "emc_mhz"),
          ("CPU clock", "cpu", "cpu_mhz"))  # fmt: skip
HEIGHT = 620
DOMAINS = {"power": [0.5, 1.0], "clocks": [0.27, 0.45], "temp": [0.1, 0.22], "batches": [0.0, 0.05]}
"""Where each strip stands, from the bottom; the axis of time is under the lowest."""
BAND = 1.045
"""A phase's shade reaches above the power, so that its name stands clear of the lines."""


@dataclass(frozen=True, slots=True)
class RailTrace:
    """Power of one rail at the instants of its `PowerTrace`, shape (n,)."""

    name: str
    part: str
    power_w: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class PowerTrace:
    """Columns of n samples, `t_s` ascending from the run's start; None: not stated.

    `stretch`: the samples are the extremes of so many neighbours each; 1: all of them.
    """

    t_s: Sequence[float | None]
    total_w: Sequence[float | None]
    rails: Sequence[RailTrace]
    gpu_mhz: Sequence[int | None]
    emc_mhz: Sequence[int | None]
    cpu_mhz: Sequence[int | None]
    temp_c: Sequence[float | None]
    stretch: int = 1


@dataclass(frozen=True, slots=True)
class Span:
    """A named stretch of a run's time, in seconds from its start."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that shared one inference, from its start to its end."""

    start_s: float
    end_s: float
    requests: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around the samples; None: not known, or too many to be seen."""

    phases: Sequence[Span] = ()
    batches: Sequence[Batch] | None = ()
    idle_w: float | None = None
    chosen: Window | None = None
    """The window that was integrated anew."""


def power_trace(trace: PowerTrace, *, around: Surroundings) -> Figure:
    """Total and rails over time; clocks, temperature and batches below on the same axis."""
    drawn = figure(
        height=HEIGHT,
        hovermode="x unified",
        legend={"y": 1.06},
        margin={"t": 48},
        xaxis={"title": {"text": "Time from the run's start (s)"}, "anchor": "y4"},
        yaxis=_strip("power", "Power (W)", rangemode="tozero"),
        yaxis2=_strip("clocks", "Clock (MHz)", rangemode="tozero", nticks=4),
        yaxis3=_strip("temp", "Hottest (°C)", nticks=3),
        yaxis4=_strip("batches", "", range=[-0.5, 1.5], showticklabels=False, showgrid=False,
                      ticks="", fixedrange=True),
        shapes=[_shade(phase) for phase in around.phases] + _lines(around),
        annotations=_hints(around),
        meta={"phases": {name: _shade(Span(name, 0, 0)) for name in PHASE_LABELS}},
    )  # fmt: skip
    drawn.data += [*_power_lines(trace), *_clock_lines(trace), _temperature(trace)]
    drawn.data += [_batches(around.batches or (), row) for row in (0, 1)]
    return drawn


def _strip(name: str, title: str, **more: object) -> dict[str, object]:
    return {"title": {"text": title}, "domain": DOMAINS[name], **more}


def _power_lines(trace: PowerTrace) -> list[Trace]:
    seen: dict[str, int] = {}
    lines = [_line(trace, "total", trace.total_w, "--text", width=2)]
    for rail in trace.rails:
        dash = DASHES[seen.get(rail.part, 0) % len(DASHES)]
        seen[rail.part] = seen.get(rail.part, 0) + 1
        lines.append(_line(trace, rail.name, rail.power_w, f"--rail-{rail.part}", dash=dash))
    return lines


def _line(
    trace: PowerTrace, name: str, power_w: Sequence[float | None], token: str, **line: object
) -> Trace:
    return scatter(
        x=trace.t_s,
        y=power_w,
        mode="lines",
        name=name,
        line={"width": 1.2, **line},
        meta={"token": token, "rail": name},
        hovertemplate="%{y:.3~f} W",
    )


def _clock_lines(trace: PowerTrace) -> list[Trace]:
    """Each clock that a sample states; all of them while there is none yet."""
    return [
        scatter(
            x=trace.t_s,
            y=getattr(trace, column),
            yaxis="y2",
            mode="lines",
            name=name,
            line={"width": 1.2, "shape": "hv"},
            meta={"token": f"--rail-{part}", "column": column},
            showlegend=False,
            hovertemplate="%{y} MHz",
        )
        for name, part, column in CLOCKS
        if set(trace.t_s) == {None} or any(value is not None for value in getattr(trace, column))
    ]


def _temperature(trace: PowerTrace) -> Trace:
    return scatter(
        x=trace.t_s,
        y=trace.temp_c,
        yaxis="y3",
        mode="lines",
        name="hottest zone",
        line={"width": 1.2},
        meta={"token": "--bad", "column": "temp_c"},
        showlegend=False,
        hovertemplate="%{y:.1f} °C",
    )


def _batches(batches: Sequence[Batch], row: int) -> Trace:
    """Every other batch as a bar of its inference; neighbours stand in two rows."""
    times: list[float | None] = [None]  # An axis without any point cannot be drawn.
    texts = [""]
    for batch in batches[row::2]:
        times += [batch.start_s, batch.end_s, None]
        texts += [_batch_words(batch)] * 2 + [""]
    return scatter(
        x=times,
        y=[None if t is None else row for t in times],
        yaxis="y4",
        mode="lines",
        name="inference",
        text=texts,
        line={"width": 5},
        meta={"token": "--accent"},
        showlegend=False,
        hovertemplate="%{text}<extra></extra>",
    )


def _batch_words(batch: Batch) -> str:
    requests = "1 request" if batch.requests == 1 else f"{batch.requests} requests"
    took_ms = 1e3 * (batch.end_s - batch.start_s)
    return f"{requests}, inference {took_ms:.4g} ms, done at {batch.end_s:.3f} s"


def _shade(phase: Span) -> dict[str, object]:
    return {
        "type": "rect",
        "xref": "x",
        "yref": "paper",
        "x0": phase.start_s,
        "x1": phase.end_s,
        "y0": 0,
        "y1": BAND,
        "layer": "below",
        "line": {"width": 0},
        "opacity": 0.1,
        "name": PHASE_TOKENS.get(phase.name, "--text-quiet"),
        "label": {
            "text": PHASE_LABELS.get(phase.name, phase.name),
            "textposition": "top left",
            "font": {"size": 11},
        },
    }


def _lines(around: Surroundings) -> list[dict[str, object]]:
    """The idle baseline, and the edges of the window that was integrated."""
    lines: list[dict[str, object]] = []
    if around.idle_w is not None:
        label = {
            "text": f"idle {around.idle_w:.3g} W",
            "textposition": "middle",
            "font": {"size": 11},
        }
        lines.append({"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y",
                      "y0": around.idle_w, "y1": around.idle_w, "name": "--text-quiet",
                      "line": {"width": 1, "dash": "dot"}, "label": label})  # fmt: skip
    if around.chosen is not None:
        lines.append({"type": "rect", "xref": "x", "yref": "paper", "x0": around.chosen.start_s,
                      "x1": around.chosen.end_s, "y0": 0, "y1": BAND, "name": "--accent",
                      "line": {"width": 2}})  # fmt: skip
    return lines


def _hints(around: Surroundings) -> list[dict[str, object]]:
    """What the strip of batches says where it shows none."""
    if around.batches:
        return []
    text = "zoom in to see each batch" if around.batches is None else "no batch was timed here"
    return [{"xref": "paper", "x": 0.5, "yref": "y4", "y": 0.5, "showarrow": False, "text": text,
             "name": "--text-quiet", "font": {"size": 11}}]  # fmt: skip
