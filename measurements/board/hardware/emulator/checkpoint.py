"""An idle model as a message, so that a follower need not live through all that was before.

Restored, it goes on to the same bits: clocks on their way, heat, the sensor's memory, the
ripple's random numbers. What is not kept is the exact past (`true_energy_j`).
"""

from __future__ import annotations

import dataclasses
from math import inf

import msgspec

from .model import Model
from .state import Domain, Totals


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    now_s: float
    tick_s: float
    gpu_idle_s: float
    gpu_awake: bool
    loads: dict[str, float]
    since_tick: dict[str, float]
    """The running sums, counted from the last tick."""
    clocks: list[tuple[int, int, float | None]]
    """GPU, memory, CPU policies: now, wanted, and when; None: nothing is on its way."""
    rises_k: list[float]
    amperes: list[float]
    ripple_w: list[float]
    random: tuple[int, list[int], float | None]


def take(model: Model) -> Checkpoint:
    """The state of `model`, on which nothing runs."""
    version, internal, gauss = model._ripple.random.getstate()
    now, before = (dataclasses.asdict(totals) for totals in (model.totals, model._before))
    return Checkpoint(
        now_s=model.now_s,
        tick_s=model._tick_s,
        gpu_idle_s=model._gpu_idle_s,
        gpu_awake=model.gpu_awake,
        loads=dict(model._loads),
        since_tick={name: value - before[name] for name, value in now.items()},
        clocks=[
            (domain.hz, domain.wanted_hz, None if domain.due_s == inf else domain.due_s)
            for domain in model._domains()
        ],
        rises_k=list(model._heat.rises_k),
        amperes=list(model._sensor.amperes),
        ripple_w=list(model._ripple.watts),
        random=(version, list(internal), gauss),
    )


def resume(model: Model, point: Checkpoint) -> None:
    """Bring a new `model` of the same board and knobs to where `point` was taken."""
    model._tick_s, model._gpu_idle_s = point.tick_s, point.gpu_idle_s
    model.gpu_awake = point.gpu_awake
    model._loads = dict(point.loads)
    model.totals, model._before = Totals(**point.since_tick), Totals()
    for domain, (hz, wanted_hz, due_s) in zip(model._domains(), point.clocks, strict=True):
        _set(domain, hz, wanted_hz, inf if due_s is None else due_s)
    model._heat.rises_k = list(point.rises_k)
    model._sensor.amperes = list(point.amperes)
    model._ripple.watts = list(point.ripple_w)
    version, internal, gauss = point.random
    model._ripple.random.setstate((version, tuple(internal), gauss))
    model._refresh()


def _set(domain: Domain, hz: int, wanted_hz: int, due_s: float) -> None:
    domain.hz, domain.wanted_hz, domain.due_s = hz, wanted_hz, due_s
