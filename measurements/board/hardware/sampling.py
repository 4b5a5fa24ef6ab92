"""From tegrastats lines to samples."""

from __future__ import annotations

from collections.abc import Sequence

from measurements.board.hardware.protocol import CpuSpent, Sample
from measurements.board.hardware.tegrastats import Line, parse

_DUMMY_ZONES = ("PMIC",)
"""Zones whose driver reports a constant (50 or 100 °C), not a temperature."""


def is_dummy_zone(name: str) -> bool:
    return name.startswith(_DUMMY_ZONES)


class TegrastatsSampler:
    """Collects a Sample from each line, with the rails in the order of `rails`.

    `unknown_tokens` counts the words of no known shape. A line that states nothing at
    all (a message, a blank) adds no sample.
    """

    def __init__(self, rails: Sequence[str]) -> None:
        self.samples: list[Sample] = []
        self.unknown_tokens: dict[str, int] = {}
        self.spent: CpuSpent | None = None
        self._rails = tuple(rails)

    def feed(self, t_s: float, line: str) -> None:
        """Take `line`, which arrived at `t_s` on the board's Clock."""
        stated = parse(line)
        for word in stated.unknown:
            self.unknown_tokens[word] = self.unknown_tokens.get(word, 0) + 1
        if stated.rails_w or stated.temps_c or stated.cpus:
            self.samples.append(self._sample(t_s, stated))

    def _sample(self, t_s: float, line: Line) -> Sample:
        temps_c = (
            temp
            for zone, temp in line.temps_c.items()
            if temp is not None and not is_dummy_zone(zone)
        )
        return Sample(
            t_s=t_s,
            rails_w=tuple([line.rails_w.get(name) for name in self._rails]),
            gpu_mhz=line.gpu_mhz,
            emc_mhz=line.emc_mhz,
            cpu_mhz=max((mhz for mhz in line.cpus if mhz is not None), default=None),
            temp_c=max(temps_c, default=None),
            gpu_busy_percent=line.gpu_busy_percent,
        )
