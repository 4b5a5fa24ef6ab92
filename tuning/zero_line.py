"""How figures of a sweep write energies: in the reader's unit, or against the default clocks.

Against the default: 0 % is what the default clocks take at the same batch size, −20 % a
fifth less. A batch size at which nobody measured the default has no such value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from measurements.units import JOULE, EnergyUnit
from tuning.baselines import Baseline
from tuning.results import Result
from tuning.wording import three_digits

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class EnergyScale:
    """`baselines` by batch size: energies are shown against them; None: in `unit`."""

    unit: EnergyUnit
    baselines: Mapping[int, Baseline] | None = None

    @property
    def is_relative(self) -> bool:
        return self.baselines is not None

    @property
    def more_is_better(self) -> bool:
        return not self.is_relative and self.unit.more_is_better

    @property
    def label(self) -> str:
        return "% of the default's" if self.is_relative else self.unit.label

    def title(self, energy: str) -> str:
        return f"{energy} against the default (%)" if self.is_relative else self.unit.title(energy)

    def value(self, energy_j: float, batch_size: int) -> float | None:
        """None where the default at this batch size is not known."""
        if self.baselines is None:
            return self.unit.value(energy_j)
        zero = self.baselines.get(batch_size)
        return None if zero is None else 100 * (energy_j / zero.energy_j - 1)

    def text(self, energy_j: float, batch_size: int) -> str:
        value = self.value(energy_j, batch_size)
        if value is None:
            return "default not measured"
        if self.is_relative:
            return f"{value:+.1f} %".replace("-", MINUS)
        return f"{three_digits(value)} {self.unit.symbol}"

    def error_bars(self, results: Sequence[Result]) -> dict[str, object]:
        """Plotly's, of the results' own intervals; the default's interval is not in them."""
        above, below = [], []
        for one in results:
            energy_j, half_j = one.energy_j or 0.0, one.half_width_j or 0.0
            value = self.value(energy_j, one.batch_size)
            ends = [self.value(energy_j + sign * half_j, one.batch_size) for sign in (-1, 1)]
            known = [end for end in ends if end is not None]
            above.append(max(known) - value if value is not None else None)
            below.append(value - min(known) if value is not None else None)
        return {"type": "data", "symmetric": False, "array": above, "arrayminus": below,
                "thickness": 1, "width": 2}  # fmt: skip


def scale_for(
    results: Sequence[Result],
    *,
    unit: EnergyUnit = JOULE,
    baselines: Mapping[int, Baseline] | None = None,
) -> EnergyScale:
    """The scale whose prefix suits `results`."""
    return EnergyScale(unit.fitting([result.energy_j or 0.0 for result in results]), baselines)
