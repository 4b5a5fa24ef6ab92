"""The part of the launch form that gives the CPU clock a phase of its own."""

from __future__ import annotations

from typing import Any

from django import forms

from measurements.models import Device
from tuning import cpu_phase
from tuning.knobs import Knob

THINNED, ALL, NONE = "thinned", "all", ""
HOW = [
    (THINNED, "first, by itself: some clocks, then where the curve through them is lowest"),
    (ALL, "first, by itself: every clock"),
    (NONE, "no phase of its own: as set among the clocks"),
]


class CpuPhaseForm(forms.Form):
    """To be a base of the launch form, which knows the device, the network and the knobs."""

    cpu_phase = forms.ChoiceField(
        choices=HOW,
        required=False,
        initial=THINNED,
        label="Choose the CPU clock",
        help_text="The CPU prepares requests: its clock is chosen by preprocessing alone, then "
        "held while the others are searched. Clocks chosen under “CPU clock” narrow it.",
    )

    @property
    def has_cpu_phase(self) -> bool:
        """Whether the chosen board has CPU clocks, and tells its power while it prepares."""
        device = self.chosen_device
        if device is None or self._cpu is None:
            return False
        return device.provenance != Device.Provenance.REPLAY and bool(device.total_of)

    @property
    def is_cpu_phase_skipped(self) -> bool:
        """Whether there is nothing for the CPU to prepare."""
        return self.chosen_network is not None and not self.chosen_network.takes_images

    @property
    def wants_cpu_phase(self) -> bool:
        cleaned: dict[str, Any] = getattr(self, "cleaned_data", {})
        return self.has_cpu_phase and cleaned.get("cpu_phase", NONE) != NONE

    @property
    def phase_clocks_hz(self) -> tuple[int, ...]:
        """What the phase chooses among, ascending; empty if there is none."""
        if not self.wants_cpu_phase or self.is_cpu_phase_skipped or self._cpu is None:
            return ()
        narrowed = self._cpu.chosen_hz(self.cleaned_data)
        return self._cpu.legal_hz if narrowed is None else narrowed

    @property
    def cpu_items(self) -> int:
        """How many runs the phase takes, about; 0 without one."""
        clocks_hz = self.phase_clocks_hz
        is_thinned = self.cleaned_data.get("cpu_phase") == THINNED if clocks_hz else False
        return cpu_phase.most_items(clocks_hz, is_thinned=is_thinned) if clocks_hz else 0

    @property
    def _cpu(self) -> Knob | None:
        return next((knob for knob in self.knobs if knob.name == "cpu_hz"), None)

    def _check_cpu_phase(self) -> None:
        if self.wants_cpu_phase and 0 < len(self.phase_clocks_hz) < cpu_phase.FEWEST:
            self.add_error(
                "cpu_phase",
                f"A phase of its own chooses among at least {cpu_phase.FEWEST} CPU clocks; "
                "to hold or compare fewer, leave it out.",
            )
