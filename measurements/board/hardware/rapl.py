"""RAPL: the energy counters of Intel and AMD processors, as the kernel's powercap shows them.

A counter counts microjoules up to its range and starts again at 0; from two readings comes
the mean power between them, exact over any interval, so nothing is lost between samples.
Source: Documentation/power/powercap/powercap.rst; Documentation/ABI/testing/sysfs-class-powercap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from measurements.board.hardware.protocol import Files
from measurements.messages import Rail, RailPart

ZONES = "/sys/class/powercap/intel-rapl:*"
"""Packages as intel-rapl:0, their parts as intel-rapl:0:1; AMD's have the same names.

The copies under intel-rapl-mmio: are the same counters again, and would count twice.
"""
STEP_W = 6.1e-3
"""At most: the usual energy unit, 61 µJ, over the shortest sampling interval, 10 ms.

Source: Intel SDM, volume 3B, 15.10.1 (MSR_RAPL_POWER_UNIT).
"""
PARTS: dict[str, RailPart] = {
    "package": "soc", "core": "cpu", "uncore": "gpu", "dram": "memory", "psys": "other",
}  # fmt: skip
IN_TOTAL = ("package", "dram")
"""Core and uncore are parts of the package; psys holds packages again, where it counts at all."""


@dataclass(frozen=True, slots=True)
class Domain:
    """One counter: `counter` is its file, `range_uj` where it starts again."""

    name: str
    counter: str
    range_uj: int

    @property
    def rail(self) -> Rail:
        kind = self.name.rsplit(".")[-1].split("-")[0]
        part = PARTS.get(kind, "other")
        return Rail(name=self.name, part=part, in_total=kind in IN_TOTAL, step_w=STEP_W)


class Found(NamedTuple):
    domains: list[Domain]
    refused: list[str]
    """Names of the counters that this user may not read."""


def discover(files: Files) -> Found:
    """Every counter, and what stands in the way of those that cannot be read."""
    found = Found([], [])
    packages: dict[str, str] = {}
    for zone in files.glob(ZONES):
        try:
            own = files.read(f"{zone}/name").strip()
        except OSError:
            continue
        place = zone.rsplit("/", 1)[-1]
        packages[place] = own
        above = packages.get(place.rsplit(":", 1)[0])
        name = f"{above}.{own}" if above else own
        try:
            files.read(f"{zone}/energy_uj")
            range_uj = int(files.read(f"{zone}/max_energy_range_uj"))
        except (OSError, ValueError):
            found.refused.append(name)
        else:
            found.domains.append(Domain(name, f"{zone}/energy_uj", range_uj))
    return found


class Counters:
    """Reads all `domains` at once and tells the mean power since the reading before."""

    def __init__(self, files: Files, domains: Sequence[Domain]) -> None:
        self._files = files
        self._domains = domains
        self._before: tuple[float, list[int | None]] | None = None

    def powers_w(self, t_s: float) -> tuple[float | None, ...] | None:
        """Mean power of each domain since the last call, in W; None at the first call.

        None for a domain whose counter could not be read now or then.
        """
        now, before = [self._count(domain) for domain in self._domains], self._before
        self._before = t_s, now
        if before is None or t_s <= before[0]:
            return None
        return tuple(
            None if new is None or old is None else joules(old, new, domain) / (t_s - before[0])
            for domain, old, new in zip(self._domains, before[1], now, strict=True)
        )

    def _count(self, domain: Domain) -> int | None:
        try:
            return int(self._files.read(domain.counter))
        except (OSError, ValueError):
            return None


def joules(old_uj: int, new_uj: int, domain: Domain) -> float:
    """Energy between two readings, in J, across one start from 0 at most."""
    turn_uj = domain.range_uj if new_uj < old_uj else 0
    return (new_uj - old_uj + turn_uj) / 1e6
