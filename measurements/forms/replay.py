from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractUser
from django.core.files.uploadedfile import UploadedFile

from measurements import replay_tables
from measurements.board.hardware import replay
from measurements.board.hardware.replay.rows import MOST_BYTES, TableRefused
from measurements.forms.devices import RESERVED
from measurements.models import Device

_CSV = forms.FileInput(attrs={"accept": ".csv,text/csv", "data-max-bytes": MOST_BYTES})


class ReplayBoardForm(forms.Form):
    """A device that replays a table: the one that comes with PolyWeb, or an uploaded one."""

    name = forms.SlugField(
        max_length=60, label="Name of the board", help_text="For example orin-nano-replay."
    )
    table = forms.FileField(
        label="Latency table, CSV",
        required=False,
        widget=_CSV,
        help_text="Columns workload, gpu_mhz, emc_mhz, compute_p50_ms, compute_p99_ms. "
        "Left empty: the Orin Nano Super's table that comes with PolyWeb.",
    )
    power = forms.FileField(
        label="Power runs, CSV",
        required=False,
        widget=_CSV,
        help_text="Columns file, emc_MHz, gpu_MHz_med, gr3d_mean (busy %), VDD_IN_mean, VDD_IN_p5, "
        "VDD_IN_p95, CGC_mean, SOC_mean (mW). Left empty: runs give latency and no energy.",
    )
    leave_out = forms.CharField(
        label="Leave out power runs named",
        required=False,
        max_length=300,
        help_text="Words, with spaces between: a run whose file holds one of them is not fitted, "
        "since something else ran beside it.",
    )
    board = forms.CharField(
        label="Measured on", required=False, max_length=100, help_text="The board, in words."
    )
    source = forms.CharField(
        label="Source",
        required=False,
        max_length=300,
        help_text="Left empty: the comment above the table.",
    )
    licence = forms.CharField(label="Licence", required=False, max_length=60)
    cpu_mhz = forms.FloatField(
        label="CPU clock, MHz",
        required=False,
        min_value=10,
        max_value=10_000,
        help_text="Where the CPU was pinned; empty if nobody knows.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].lower()
        if name in RESERVED or Device.objects.filter(name=name).exists():
            raise forms.ValidationError("There is a device or a page of this name; choose another.")
        return name

    def clean_table(self) -> UploadedFile | None:
        return _small(self.cleaned_data["table"])

    def clean_power(self) -> UploadedFile | None:
        return _small(self.cleaned_data["power"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("power") and not cleaned.get("table") and "table" not in self.errors:
            self.add_error("table", "Power runs need the latency table that they belong to.")
        return cleaned

    def store(self, by: AbstractUser) -> Device | None:
        """The new device; None, with the reason among the errors, if the table was refused."""
        try:
            return replay_tables.add_board(self.cleaned_data["name"], self._table(), by=by)
        except TableRefused as refused:
            field = "power" if str(refused).startswith("power runs") else "table"
            self.add_error(field, f"{refused}. Nothing was stored.")
        return None

    def _table(self) -> replay.ReplayTable:
        cleaned = self.cleaned_data
        if not cleaned["table"]:
            return replay.orin_nano()
        return replay.import_table(
            cleaned["table"].read(),
            cleaned["power"].read() if cleaned["power"] else None,
            name=replay_tables.name_of(cleaned["table"].name),
            board=cleaned["board"],
            source=cleaned["source"],
            licence=cleaned["licence"],
            cpu_mhz=cleaned["cpu_mhz"],
            leave_out=cleaned["leave_out"].split(),
        )


def _small(file: UploadedFile | None) -> UploadedFile | None:
    if file and file.size > MOST_BYTES:
        raise forms.ValidationError(f"The file is too large: at most {MOST_BYTES // 2**20} MiB.")
    return file
