"""The knobs of a board in a form: which of its legal values a sweep is to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from measurements.models import Device
from tuning.space import Axis
from tuning.wording import clock_mhz

FOUND, ALL, RANGE, NTH, SOME = "found", "all", "range", "nth", "some"
HOW = [
    (FOUND, "left as found"),
    (ALL, "all"),
    (RANGE, "from … to"),
    (NTH, "every n-th"),
    (SOME, "single values"),
]
NOUNS = {
    "gpu_min_hz": "lower GPU limit",
    "gpu_max_hz": "upper GPU limit",
    "emc_hz": "memory clock",
    "cpu_hz": "CPU clock",
    "batch_size": "batch size",
}
BATCH_SIZES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True)
class Knob:
    """One clock that a board offers; `legal_hz` ascending."""

    name: str
    label: str
    legal_hz: tuple[int, ...]

    @property
    def highest_hz(self) -> int:
        return self.legal_hz[-1]

    @property
    def fields(self) -> dict[str, forms.Field]:
        clocks = [(str(value), f"{clock_mhz(value)} MHz") for value in self.legal_hz]
        edges = {"choices": clocks, "required": False}
        singles = {"choices": [(value, text.removesuffix(" MHz")) for value, text in clocks]}
        name = self.name
        return {
            f"{name}_how": forms.ChoiceField(label=self.label, choices=HOW, required=False),
            f"{name}_from": forms.ChoiceField(label=f"{self.label}, from", **edges),
            f"{name}_to": forms.ChoiceField(label=f"{self.label}, to", **edges),
            f"{name}_step": forms.IntegerField(
                label=f"{self.label}, every n-th from the top", min_value=1, required=False
            ),
            f"{name}_values": forms.MultipleChoiceField(
                label=f"{self.label}, MHz",
                required=False,
                widget=forms.CheckboxSelectMultiple,
                **singles,
            ),
        }

    def chosen_hz(self, cleaned: dict[str, Any]) -> tuple[int, ...] | None:
        """The values to try, ascending; None for "left as found", empty if none is chosen."""
        how = cleaned.get(f"{self.name}_how") or FOUND
        if how == FOUND:
            return None
        if how == RANGE:
            return self._between(cleaned.get(f"{self.name}_from"), cleaned.get(f"{self.name}_to"))
        if how == NTH:
            step = cleaned.get(f"{self.name}_step") or 1
            return tuple(sorted(self.legal_hz[::-1][::step]))
        if how == SOME:
            return tuple(sorted(int(value) for value in cleaned.get(f"{self.name}_values") or ()))
        return self.legal_hz

    def initial(self, values: Sequence[int] | None) -> dict[str, Any]:
        """What the form shows when these `values` were chosen before."""
        how = FOUND if values is None else ALL if tuple(values) == self.legal_hz else SOME
        shown = [str(value) for value in values or ()]
        return {f"{self.name}_how": how, f"{self.name}_values": shown}

    def _between(self, low: str | None, high: str | None) -> tuple[int, ...]:
        if not low or not high:
            return ()
        return tuple(value for value in self.legal_hz if int(low) <= value <= int(high))


def knobs_of(device: Device | None) -> list[Knob]:
    """What can be set on `device`; knobs it does not offer are left out.

    A replayed table's GPU clocks were pinned: there is no lower limit apart from the upper one.
    """
    if device is None:
        return []
    gpu, emc, cpu = (tuple(sorted(hz)) for hz in (device.gpu_hz, device.emc_hz, device.cpu_hz))
    knobs = [
        Knob("gpu_min_hz", "GPU clock, lower limit", gpu),
        Knob("gpu_max_hz", "GPU clock, upper limit", gpu),
        Knob("emc_hz", "Memory clock", emc),
        Knob("cpu_hz", "CPU clock", cpu),
    ]
    pinned = ("gpu_min_hz",) if device.provenance == Device.Provenance.REPLAY else ()
    return [knob for knob in knobs if knob.legal_hz and knob.name not in pinned]


def first_choice(knob: Knob) -> dict[str, Any]:
    """A small space for a start: about five clocks for each GPU limit, every memory clock."""
    edges = {
        f"{knob.name}_from": str(knob.legal_hz[0]),
        f"{knob.name}_to": str(knob.legal_hz[-1]),
        f"{knob.name}_step": max(2, round((len(knob.legal_hz) - 1) / 4)),
    }
    how = {"gpu_min_hz": NTH, "gpu_max_hz": NTH, "emc_hz": ALL}.get(knob.name, FOUND)
    return {f"{knob.name}_how": how, **edges}


def size_of(axes: Sequence[Axis]) -> int:
    """How many points the axes span, counted without listing them."""
    size = 1
    for count, _ in factors(axes):
        size *= count
    return size


def factors(axes: Sequence[Axis]) -> list[tuple[int, str]]:
    """(count, what) whose product is the size; GPU limits with min <= max count as pairs."""
    values = {axis.name: axis.values for axis in axes}
    counts = {}
    if "gpu_min_hz" in values and "gpu_max_hz" in values:
        lows, highs = values.pop("gpu_min_hz"), values.pop("gpu_max_hz")
        counts["GPU clock pair"] = sum(low <= high for low in lows for high in highs)
    counts |= {NOUNS.get(name, name): len(of) for name, of in values.items()}
    return [(count, noun if count == 1 else f"{noun}s") for noun, count in counts.items()]
