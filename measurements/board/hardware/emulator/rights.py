"""Who may see and read what of a board's files."""

from __future__ import annotations

from dataclasses import dataclass

from . import tree

_DEBUGFS = "sys/kernel/debug"
_OF_THE_HOST = ("etc/nv_tegra_release", "var/lib/dpkg")
"""What a plain container has not got."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Root's, a user's, or either's inside a container without mounts."""

    is_root: bool = True
    in_container: bool = False
    reads_sensors: bool = True
    """Whether the power sensors' files are for everybody."""

    def sees(self, name: str) -> bool:
        """`name` is below the root, as "sys/…"."""
        if name.startswith(_DEBUGFS):
            return self.is_root and not self.in_container
        return not (self.in_container and name.startswith(_OF_THE_HOST))

    def may_read(self, name: str) -> bool:
        if self.is_root:
            return True
        is_sensor = name.startswith(tree.I2C)
        return not name.endswith("cpuinfo_cur_freq") and (self.reads_sensors or not is_sensor)


ROOT = Rights()
