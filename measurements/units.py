"""The units that people decide with: from joules per request to hours, kWh, money and CO₂.

For other modules (the reader's unit is `energy_unit` in every template, and
`energy_unit_of(request.user)` of `measurements.models` in a view):

- in templates: `{% energy value_j half_width_j %} {{ energy_unit.per }}` instead of
  `{% quantity value_j "J" %} per request`; in a column `{% energy_cell value_j %}` under
  `{{ energy_unit.column }}`. Joules that are no energy per request stay with `quantity`.
- in figures: `unit = unit.fitting(energies_j)` once per axis (it picks mJ or J), then
  `unit.of(energies_j)`, `unit.title("Busy energy")` for the axis, `unit.symbol`,
  `unit.error_bars(energies_j, half_widths_j)`, and `reversescale=unit.more_is_better`.
- `unit.additive` is the same unit, or joules where parts do not add up (battery hours).

Searches, winners, savings, intervals and files stay in joules: a unit is how a page shows
them. A year has 365 days of 24 h. Battery hours are inverse in energy, so more is better
and an interval around them is not symmetric: it is the interval in joules, end by end.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

J_PER_WH = 3600.0
J_PER_KWH = 3.6e6
YEAR_S = 365 * 24 * 3600.0
MILLI_BELOW = 1.0
KILO_FROM = 1000.0
"""An axis in J has mJ below one joule; one in Wh or g has kWh or kg from a thousand on."""

NAMES = {
    "joule": "J per request",
    "battery": "Battery hours",
    "energy_year": "kWh a year",
    "cost_year": "Cost a year",
    "co2_year": "gCO₂ a year",
}
"""Every unit on offer and what it is called where one chooses."""
NEEDS = {
    "joule": (),
    "battery": ("pack_wh", "rate_hz"),
    "energy_year": ("rate_hz",),
    "cost_year": ("rate_hz", "price_per_kwh", "currency"),
    "co2_year": ("rate_hz", "grid_g_per_kwh", "grid_name", "grid_dated"),
}
"""Which assumptions each unit rests on."""


class NotSaid(ValueError):
    """The unit rests on an assumption that nobody has entered; there is no default for it."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a reader says of his use; None or empty: not said.

    Args:
        pack_wh: Usable energy of the battery, in Wh.
        rate_hz: Requests a second of one board, on average over the whole time.
        boards: How many boards a year's sums are for; a battery feeds one.
        grid_g_per_kwh: CO₂ equivalents in g a kWh, as `grid_name` of `grid_dated` says.
    """

    pack_wh: float | None = None
    rate_hz: float | None = None
    boards: int = 1
    price_per_kwh: float | None = None
    currency: str = ""
    grid_g_per_kwh: float | None = None
    grid_name: str = ""
    grid_dated: dt.date | None = None

    def missing(self, key: str) -> list[str]:
        """Names of those that the unit `key` needs and that were not said."""
        return [name for name in NEEDS[key] if not getattr(self, name)]


@dataclass(frozen=True, slots=True)
class EnergyUnit:
    """A way to show an energy per request.

    The value shown is `scale` × J, or `scale` ÷ J where `is_inverse`.

    Args:
        symbol: What stands behind the number: "mJ", "h", "kWh", "EUR", "gCO₂".
        per: The words behind it in a sentence: "per request", "of battery life", "a year".
        heading: How an axis is called; `{}` stands for the energy's name.
        phrase: The words behind a number that name the energy: "of {} per request".
        under: The assumptions in words; empty for joules.
    """

    key: str
    symbol: str
    per: str
    heading: str
    phrase: str
    scale: float = 1.0
    is_inverse: bool = False
    under: str = ""

    @property
    def more_is_better(self) -> bool:
        return self.is_inverse

    @property
    def name_in_words(self) -> str:
        """ "battery hours", "kWh a year": as it stands in a sentence."""
        return _lower(NAMES[self.key]) if self.key in ("battery", "cost_year") else NAMES[self.key]

    @property
    def is_joule(self) -> bool:
        return self.key == "joule"

    @property
    def additive(self) -> EnergyUnit:
        """This unit, or joules if the parts of an energy do not add up in it."""
        return JOULE if self.is_inverse else self

    @property
    def label(self) -> str:
        """The unit of one value: "mJ/request", "h", "kWh/year"."""
        if self.is_joule:
            return f"{self.symbol}/request"
        return self.symbol if self.is_inverse else f"{self.symbol}/year"

    @property
    def column(self) -> str:
        """The unit that a table's column is in; the same for all rows of all pages."""
        return self.in_column.label

    @property
    def in_column(self) -> EnergyUnit:
        if self.is_joule:
            return self._milli()
        return self if self.symbol not in _KILO else self._kilo()

    @property
    def column_decimals(self) -> int:
        """Decimals that give three digits at 10 mJ per request (at 1 J for hours)."""
        unit = self.in_column
        least = unit.scale if unit.is_inverse else unit.scale * 0.01
        return min(8, max(0, 2 - math.floor(math.log10(least))))

    def title(self, energy: str) -> str:
        """An axis or a figure called by its energy, e.g. "Busy energy", with the unit."""
        return f"{self.named(energy)} ({self.symbol})"

    def named(self, energy: str) -> str:
        """`energy` in this unit: "Busy energy per request", "Battery life on busy energy".

        It begins with a capital if `energy` does.
        """
        words = self.heading.format(_lower(energy))
        return words[:1].upper() + words[1:] if energy[:1].isupper() else _lower(words)

    def words(self, energy: str) -> str:
        """Behind a number: "of busy energy per request", "of battery life on busy energy"."""
        return self.phrase.format(energy)

    def value(self, energy_j: float) -> float:
        """One energy in this unit; infinite hours for no energy at all."""
        if not self.is_inverse:
            return self.scale * energy_j
        return self.scale / energy_j if energy_j > 0 else math.inf

    def of(self, energies_j: ArrayLike) -> NDArray[np.float64]:
        """Energies per request in this unit, any shape; NaN stays NaN."""
        energies = np.asarray(energies_j, dtype=float)
        if not self.is_inverse:
            return self.scale * energies
        known = np.where(energies > 0, energies, np.nan)
        return np.where(energies <= 0, np.inf, self.scale / known)

    def bounds(self, energy_j: float, half_width_j: float) -> tuple[float, float]:
        """The lower and upper end of an interval of ± `half_width_j`, in this unit."""
        ends = (self.value(energy_j - half_width_j), self.value(energy_j + half_width_j))
        return min(ends), max(ends)

    def error_bars(
        self, energies_j: Sequence[float], half_widths_j: Sequence[float | None]
    ) -> dict[str, Any]:
        """Plotly's error bars for the points `of(energies_j)`; none where a half-width is None."""
        above, below = [], []
        for energy_j, half_width_j in zip(energies_j, half_widths_j, strict=True):
            value = self.value(energy_j)
            low, high = self.bounds(energy_j, half_width_j or 0.0)
            above.append(high - value if math.isfinite(high) else 0.0)
            below.append(value - low)
        return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}

    def fitting(self, energies_j: ArrayLike) -> EnergyUnit:
        """This unit with the prefix that suits the largest of `energies_j`, for one axis."""
        energies = np.asarray(energies_j, dtype=float)
        largest = float(np.nanmax(np.abs(energies), initial=0.0))
        if self.is_joule:
            return self._milli() if largest < MILLI_BELOW else self
        if self.symbol in _KILO and largest * self.scale >= KILO_FROM:
            return self._kilo()
        return self

    def text(self, energy_j: float, half_width_j: float | None = None) -> str:
        """The value with its interval and unit as plain text, three digits: for hovers."""
        unit = self.fitting([energy_j])
        value = unit.value(energy_j)
        if half_width_j is None or not math.isfinite(value):
            return f"{_digits(value, value)} {unit.symbol}"
        if unit.is_inverse:
            low, high = unit.bounds(energy_j, half_width_j)
            ends = f"{_digits(low, value)} to {_digits(high, value)}"
            return f"{_digits(value, value)} {unit.symbol} ({ends})"
        width = _digits(unit.scale * half_width_j, value)
        return f"{_digits(value, value)} ± {width} {unit.symbol}"

    def _milli(self) -> EnergyUnit:
        return replace(self, symbol="mJ", scale=1e3 * self.scale) if self.symbol == "J" else self

    def _kilo(self) -> EnergyUnit:
        return replace(self, symbol=f"k{self.symbol}", scale=self.scale / 1e3)


_KILO = ("Wh", "gCO₂")
JOULE = EnergyUnit("joule", "J", "per request", "{} per request", "of {} per request")


def energy_unit(key: str, said: Assumptions) -> EnergyUnit:
    """The unit called `key` under what was said.

    Raises:
        NotSaid: An assumption that it rests on is missing.
    """
    if missing := said.missing(key):
        raise NotSaid(f"{NAMES[key]} needs {', '.join(missing)}")
    return _MAKERS[key](said)


def _battery(said: Assumptions) -> EnergyUnit:
    """Hours = pack ÷ power, power = J per request × requests a second."""
    assert said.pack_wh and said.rate_hz
    under = f"a pack of {said.pack_wh:g} Wh at {said.rate_hz:g} requests a second"
    hours = said.pack_wh * J_PER_WH / said.rate_hz / 3600.0
    heading, phrase = "battery life on {}", "of battery life on {}"
    return EnergyUnit("battery", "h", "of battery life", heading, phrase, hours, True, under)


def _energy_year(said: Assumptions) -> EnergyUnit:
    scale = _requests_a_year(said) / J_PER_WH
    heading, phrase = "{} a year", "of {} a year"
    return EnergyUnit("energy_year", "Wh", "a year", heading, phrase, scale, under=_load(said))


def _cost_year(said: Assumptions) -> EnergyUnit:
    assert said.price_per_kwh
    under = f"{_load(said)} and {said.price_per_kwh:g} {said.currency} a kWh"
    scale = _requests_a_year(said) / J_PER_KWH * said.price_per_kwh
    heading, phrase = "cost of {} a year", "for {} a year"
    return EnergyUnit("cost_year", said.currency, "a year", heading, phrase, scale, under=under)


def _co2_year(said: Assumptions) -> EnergyUnit:
    assert said.grid_g_per_kwh and said.grid_dated
    factor = f"{said.grid_g_per_kwh:g} gCO₂ a kWh ({said.grid_name}, {said.grid_dated:%Y-%m-%d})"
    scale = _requests_a_year(said) / J_PER_KWH * said.grid_g_per_kwh
    under = f"{_load(said)} and {factor}"
    heading, phrase = "CO₂ of {} a year", "for {} a year"
    return EnergyUnit("co2_year", "gCO₂", "a year", heading, phrase, scale, under=under)


_MAKERS = {
    "joule": lambda said: JOULE,
    "battery": _battery,
    "energy_year": _energy_year,
    "cost_year": _cost_year,
    "co2_year": _co2_year,
}


def _requests_a_year(said: Assumptions) -> float:
    assert said.rate_hz
    return said.rate_hz * said.boards * YEAR_S


def _load(said: Assumptions) -> str:
    boards = "1 board" if said.boards == 1 else f"{said.boards} boards"
    return f"{said.rate_hz:g} requests a second on {boards}"


def _lower(words: str) -> str:
    """For the middle of a sentence; what begins with two capitals stays: kWh, CO₂."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def _digits(value: float, size: float) -> str:
    """`value` with the decimals that three significant digits of `size` have."""
    if not math.isfinite(value):
        return "unlimited" if value > 0 else "unknown"
    decimals = max(0, 2 - math.floor(math.log10(abs(size)))) if size else 3
    return f"{value:.{decimals}f}"
