"""Forms around an external meter; what its file refuses is said at the file's field."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import AbstractUser
from django.template.defaultfilters import date as formatted
from django.utils import timezone

from measurements.calibrating import (
    VALID_DAYS,
    CalibrationRefused,
    check_overhead,
    compared_ms,
    is_check,
    make_calibration,
)
from measurements.meter_csv import MOST_BYTES
from measurements.models import Calibration, Device, Network, OverheadCheck, Run
from measurements.sessions import (
    OFF,
    SLOW_MS,
    BoardSession,
    in_words,
    queue_calibration,
    queue_overhead_check,
    sessions,
)

SHOWN_SESSIONS = 10


class _SessionForm(forms.Form):
    """Takes one of the device's sessions, and a meter's file."""

    file = forms.FileField(
        label="The meter's CSV",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,text/csv,text/plain"}),
        error_messages={"empty": "The file is empty.", "required": "Choose the meter's file."},
        help_text="One reading a second, with a header: a time column (seconds, ms, ISO 8601 or "
        f"hh:mm:ss) and power, or voltage and current. Up to {MOST_BYTES // 2**20} MiB.",
    )
    session = forms.ChoiceField(
        label="Session",
        help_text="The runs that the meter looked on at; it may have recorded longer.",
    )
    meter = forms.CharField(
        label="Meter",
        max_length=120,
        help_text="Which one, and where in the supply: “wall, Shelly Plug S” or “19 V DC, INA226”.",
    )

    def __init__(self, *args: Any, device: Device, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        found = [self._as_shown(session) for session in sessions(device)]
        found = [session for session in found if self.fits(session)][:SHOWN_SESSIONS]
        self.sessions = {session.key: session for session in found}
        self.fields["session"].choices = [(s.key, self.told(s)) for s in found]

    def _as_shown(self, session: BoardSession) -> BoardSession:
        """Without the runs that ended since its page was shown."""
        return session.until(self.data.get("session", "")) or session

    def fits(self, session: BoardSession) -> bool:
        return True

    def told(self, session: BoardSession) -> str:
        return _told(session)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file is not None and file.size > MOST_BYTES:
            raise forms.ValidationError("The file is too large: cut it to the session.")
        return file


class CalibrationForm(_SessionForm):
    meter_accuracy_percent = forms.FloatField(
        label="Its accuracy, % of reading",
        required=False,
        min_value=0,
        max_value=20,
        help_text="From its data sheet. Empty: the intervals say nothing of the meter itself.",
    )
    valid_days = forms.IntegerField(
        label="Holds for, days", min_value=1, max_value=365, initial=VALID_DAYS
    )
    note = forms.CharField(label="Note", required=False, max_length=2000)

    def store(self, by: AbstractUser) -> Calibration | None:
        """The stored calibration; None, with the reason among the errors, if it was refused."""
        cleaned = self.cleaned_data
        percent = cleaned["meter_accuracy_percent"]
        try:
            return make_calibration(
                self.sessions[cleaned["session"]],
                cleaned["file"].read(),
                meter=cleaned["meter"],
                file_name=cleaned["file"].name,
                note=cleaned["note"],
                meter_accuracy=None if percent is None else percent / 100,
                valid_days=cleaned["valid_days"],
                by=by,
            )
        except CalibrationRefused as refusal:
            self.add_error("file", str(refusal))
            return None


class OverheadForm(_SessionForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].required = self.fields["meter"].required = False
        self.fields["file"].help_text += (
            " Needed where the sampler was off. Else it may be left empty: the board's own rails "
            "are compared."
        )

    def fits(self, session: BoardSession) -> bool:
        return is_check(session)

    def told(self, session: BoardSession) -> str:
        arms = " against ".join(in_words(ms) for ms in compared_ms(session))
        return f"{arms}, {_told(session)}"

    def store(self, by: AbstractUser) -> OverheadCheck | None:
        """The stored check; None, with the reason among the errors, if it was refused."""
        cleaned, file = self.cleaned_data, self.cleaned_data["file"]
        try:
            return check_overhead(
                self.sessions[cleaned["session"]],
                file.read() if file else None,
                meter=cleaned["meter"] if file else "",
                file_name=file.name if file else "",
                by=by,
            )
        except CalibrationRefused as refusal:
            self.add_error("file", str(refusal))
            return None


class QueueForm(forms.Form):
    """Queues the runs of a calibration session or of a sampler check."""

    KINDS: ClassVar = {"calibration": queue_calibration, "overhead": queue_overhead_check}
    kind = forms.ChoiceField(choices=[(kind, kind) for kind in KINDS], widget=forms.HiddenInput)
    network = forms.ModelChoiceField(Network.objects.order_by("name"), empty_label=None)
    requests = forms.IntegerField(
        label="Requests a run",
        min_value=50,
        max_value=20_000,
        initial=500,
        help_text="Enough for 20 s or more a run.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def queue(self, device: Device, *, by: AbstractUser) -> list[Run]:
        cleaned = self.cleaned_data
        return self.KINDS[cleaned["kind"]](
            device, cleaned["network"], requests=cleaned["requests"], by=by, **self.particulars()
        )

    def particulars(self) -> dict[str, Any]:
        return {}


class CheckQueueForm(QueueForm):
    """Queues the runs of a sampler check, against a sampler that is off or slow."""

    AGAINST = {"off": OFF, "slow": SLOW_MS}
    against = forms.ChoiceField(
        label="Compare 50 ms with",
        choices=[
            ("off", "sampler off: all that sampling costs; needs an external meter"),
            ("slow", "one sample a second: a lower bound; a meter or the board's own rails"),
        ],
        widget=forms.RadioSelect,
        initial="off",
    )

    def particulars(self) -> dict[str, Any]:
        return {"against_ms": self.AGAINST[self.cleaned_data["against"]]}


def _told(session: BoardSession) -> str:
    began = formatted(timezone.localtime(session.began_at), "Y-m-d H:i")
    low_w, high_w = session.power_w
    return (
        f"{began}: {len(session.runs)} runs in {session.length_s / 60:.0f} min of board time, "
        f"{low_w:.1f} to {high_w:.1f} W"
    )
