"""What a survey of a board says, one thing each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from measurements.board.hardware.power_mode import Nvpmodel
from measurements.board.hardware.tegrastats import Line
from measurements.messages import Rail


@dataclass(frozen=True, slots=True)
class Finding:
    topic: str
    ok: bool | None
    """None: good to know, neither well nor ill."""
    says: str
    remedy: str = ""

    @property
    def problem(self) -> str:
        return f"{self.says}: {self.remedy}." if self.remedy else f"{self.says}."


@dataclass(frozen=True, slots=True)
class Seen:
    """What the adapter knows beside the files."""

    rails: Sequence[Rail]
    line: Line | None
    """What tegrastats printed first; None: it printed nothing, or is not used."""
    reads_sensors: bool
    """Whether power is sampled from the sensors' own files."""
    nvpmodel: Nvpmodel | None
    has_helper: bool
    """Whether the privileged helper sets the clocks, which was asked for its tables already."""
