"""The launch form: what to measure, on which board within which limits, how hard to look."""

from __future__ import annotations

from copy import copy
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html

from measurements.models import ArrivalTrace, Device, Network, Run
from measurements.statistics import fewest_for_upper_bound
from tuning import knobs
from tuning.cpu_phase_form import CpuPhaseForm
from tuning.forms_of_goals import (
    EarlierField,
    goal_field,
    pays_over_field,
    repeats_field,
    why_it_cannot_pay,
    why_it_cannot_repeat,
)
from tuning.loaded_choices import LoadedChoiceField, LoadedChoicesField
from tuning.models import Sweep
from tuning.models.sweeps import QUANTILES
from tuning.repeats import MOST_RUNS
from tuning.space import Axis
from tuning.strategies import STRATEGIES

MOST_POINTS = 100_000
MOST_REQUESTS = 100_000
STOPPING = [
    ("1.0", "once its energy is known to ± 1 %"),
    ("0.5", "once its energy is known to ± 0.5 %"),
    ("2.0", "once its energy is known to ± 2 %"),
    ("5.0", "once its energy is known to ± 5 %"),
    ("", "after a fixed number of requests"),
]
STRATEGY_LABELS = {
    "polyweb": "polyweb: by a model of energy and latency",
    "cbo": "CBO: constrained Bayesian optimization, as in the paper",
    "random": "random, without repeats",
    "grid": "grid: every point in order",
}


class LaunchForm(CpuPhaseForm):
    name = forms.CharField(max_length=120, required=False, label="Name")
    network = LoadedChoiceField(
        Network.objects.order_by("flops_per_item"), empty_label=None, label="Network"
    )
    goal = goal_field()
    objective = forms.ChoiceField(
        choices=Sweep.Objective, initial=Sweep.Objective.BUSY, label="Energy counted"
    )
    arrivals = forms.ChoiceField(
        choices=Run.ArrivalsKind, initial=Run.ArrivalsKind.BACK_TO_BACK, label="Requests arrive"
    )
    rate_hz = forms.FloatField(
        min_value=0.01, max_value=100_000, required=False, label="Rate, requests/s"
    )
    trace = LoadedChoiceField(
        ArrivalTrace.objects.defer("times_s"),
        required=False,
        empty_label="none",
        label="Trace of arrivals",
        help_text='<a href="/arrival-traces/">Add a trace</a>; it has its own rate.',
    )
    device = LoadedChoiceField(
        Device.objects.filter(registered_at__isnull=False), empty_label=None, label="Device"
    )
    also_on = LoadedChoicesField(
        Device.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Share it with boards of the same kind",
        error_messages={"invalid_choice": "%(value)s is no board with the same clocks."},
    )
    slo_ms = forms.FloatField(
        min_value=0.001,
        required=False,
        label="Latency limit (SLO), ms",
        help_text="Empty: no limit.",
    )
    slo_statistic = forms.ChoiceField(
        choices=Sweep.SloStatistic, initial=Sweep.SloStatistic.P95, label="The limit holds for the"
    )
    half_width_percent = forms.TypedChoiceField(
        choices=STOPPING,
        coerce=float,
        empty_value=None,
        required=False,
        initial="1.0",
        label="A run ends",
        help_text="Looks begin at 100 requests and 3 s, and wait for the percentile of the limit. "
        "The percentage is the scatter's part of the 95 % interval; the sensor's steps add to "
        "it and shrink with no number of requests.",
    )
    requests = forms.IntegerField(
        min_value=1,
        max_value=MOST_REQUESTS,
        initial=1000,
        label="Requests per run",
        help_text="At most, or exactly if the number is fixed.",
    )
    may_repeat = repeats_field()
    sample_interval_ms = forms.IntegerField(
        min_value=10, max_value=5000, initial=50, label="Sampling interval, ms"
    )
    strategy = forms.ChoiceField(
        choices=[(name, STRATEGY_LABELS.get(name, name)) for name in STRATEGIES],
        initial=Sweep.Strategy.POLYWEB,
        label="Strategy",
    )
    budget_trials = forms.IntegerField(
        min_value=1, max_value=MOST_POINTS, initial=12, label="Trials at most"
    )
    budget_minutes = forms.FloatField(
        min_value=0.1, required=False, label="Board minutes at most", help_text="Empty: no limit."
    )
    pays_over_requests = pays_over_field()
    earlier = EarlierField(
        Sweep.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Start from",
        error_messages={"invalid_choice": "%(value)s is no sweep to start from here."},
    )
    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, initial=1, label="Seed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self._offer_devices()
        self.chosen_device: Device | None = self._chosen("device")
        self._offer_networks()
        self.chosen_network: Network | None = self._chosen("network")
        if self.chosen_device is not None:
            self.fields["also_on"].queryset = self.chosen_device.twins()
        self._offer_earlier()
        self.knobs = knobs.knobs_of(self.chosen_device)
        for knob in self.knobs:
            self.fields.update(knob.fields)
            for name, value in knobs.first_choice(knob).items():
                self.initial.setdefault(name, value)
        sizes = self.offered_batch_sizes
        self.fields["batch_sizes"] = forms.TypedMultipleChoiceField(
            choices=[(size, str(size)) for size in sizes],
            coerce=int,
            widget=forms.CheckboxSelectMultiple,
            label="Batch sizes",
            error_messages={"required": "Choose at least one batch size."},
        )
        self.initial.setdefault("batch_sizes", [size for size in sizes if size in (1, 4)] or sizes)
        self.fields["name"].help_text = format_html("Empty: {}.", self.default_name)
        self._say_what_each_field_refused()

    @property
    def offered_batch_sizes(self) -> list[int]:
        """Those on offer; a network whose batch axis is fixed has only one."""
        if self.chosen_network is None or self.chosen_network.batch_is_dynamic:
            return list(knobs.BATCH_SIZES)
        return [self.chosen_network.only_batch_size or 1]

    @property
    def default_name(self) -> str:
        return f"{self.chosen_network or 'Sweep'} on {self.chosen_device or 'a board'}"

    @property
    def knob_fields(self) -> list[dict[str, Any]]:
        """What the template draws for each knob: its bound fields and what is legal."""
        parts = ("how", "from", "to", "step", "values")
        return [
            {"knob": knob, **{part: self[f"{knob.name}_{part}"] for part in parts}}
            for knob in self.knobs
        ]

    @property
    def told_errors(self) -> list[tuple[str, str]]:
        """(label, error) of everything that is wrong; the label is empty for the whole form."""
        return [
            (str(self.fields[name].label) if name in self.fields else "", error)
            for name, errors in self.errors.items()
            for error in errors
        ]

    @property
    def axes(self) -> list[Axis]:
        """The axes chosen so far; one whose fields are in error has no values."""
        if not hasattr(self, "cleaned_data"):
            return []
        chosen = {knob.name: knob.chosen_hz(self.cleaned_data) for knob in self.knobs}
        refused = {name.rsplit("_", 1)[0] for name in self.errors}
        chosen |= dict.fromkeys(chosen.keys() & refused, ())
        if self.phase_clocks_hz:
            chosen.pop("cpu_hz")
        axes = [Axis(name, values) for name, values in chosen.items() if values is not None]
        sizes = sorted(self.cleaned_data.get("batch_sizes") or [])
        return [*axes, Axis("batch_size", tuple(sizes))]

    def as_if_sent(self) -> LaunchForm:
        """The unbound form, bound to what it shows first; nothing is read again."""
        data: dict[str, Any] = {}
        for name, field in self.fields.items():
            value = self.get_initial_for_field(field, name)
            data[name] = getattr(value, "pk", value)
        sent = copy(self)
        sent.is_bound, sent.data = True, data
        sent._errors, sent._bound_fields_cache = None, {}
        return sent

    def clean_name(self) -> str:
        return str(self.cleaned_data["name"]).strip() or self.default_name[:120]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self._check_load(cleaned)
        self._check_requests(cleaned)
        self._check_knobs(cleaned)
        self._check_cpu_phase()
        self._check_size(cleaned)
        if why := why_it_cannot_pay(cleaned):
            self.add_error("pays_over_requests", why)
        if why := why_it_cannot_repeat(cleaned):
            self.add_error("may_repeat", why)
        if cleaned.get("earlier") and cleaned.get("strategy") != Sweep.Strategy.POLYWEB:
            self.add_error("earlier", "Only the strategy polyweb starts from earlier sweeps.")
        cleaned["phase_clocks_hz"] = self.phase_clocks_hz
        cleaned["cpu_phase"] = cleaned.get("cpu_phase", "") if self.wants_cpu_phase else ""
        return cleaned

    def _check_load(self, cleaned: dict[str, Any]) -> None:
        if cleaned.get("arrivals") == Run.ArrivalsKind.TRACE:
            self._check_trace(cleaned)
            return
        cleaned["trace"] = None
        back_to_back = cleaned.get("arrivals") == Run.ArrivalsKind.BACK_TO_BACK
        if back_to_back:
            cleaned["rate_hz"] = None
            if cleaned.get("objective") == Sweep.Objective.AT_RATE:
                self.add_error(
                    "arrivals",
                    "At-rate energy needs a rate: choose uniform or Poisson arrivals, "
                    "or minimise busy energy.",
                )
        elif cleaned.get("rate_hz") is None and "rate_hz" not in self.errors:
            self.add_error("rate_hz", "Say how many requests come in a second.")

    def _check_trace(self, cleaned: dict[str, Any]) -> None:
        """A trace has its own rate."""
        trace = cleaned.get("trace")
        cleaned["rate_hz"] = trace and trace.rate_hz
        if trace is None and "trace" not in self.errors:
            self.add_error("trace", "Choose the trace to replay, or add one first.")

    def _check_requests(self, cleaned: dict[str, Any]) -> None:
        requests, statistic = cleaned.get("requests"), cleaned.get("slo_statistic", "")
        if requests is None:
            return
        quantile = QUANTILES.get(statistic) if cleaned.get("slo_ms") is not None else None
        fewest = fewest_for_upper_bound(quantile) if quantile else 1
        if requests < fewest:
            label = Sweep.SloStatistic(statistic).label
            self.add_error(
                "requests",
                f"The {label} can be bounded from {fewest} requests on; "
                f"with {requests} no point could ever be shown to meet the limit.",
            )
        largest = max(cleaned.get("batch_sizes") or [1])
        if requests < largest:
            self.add_error("requests", f"A batch of {largest} needs at least {largest} requests.")

    def _check_knobs(self, cleaned: dict[str, Any]) -> None:
        chosen = {knob.name: knob.chosen_hz(cleaned) for knob in self.knobs}
        for name, values in chosen.items():
            if values == () and f"{name}_how" not in self.errors:
                self.add_error(f"{name}_how", self._why_empty(name))
        if self.chosen_device is None:
            return
        lows = chosen.get("gpu_min_hz") or _known(self.chosen_device.default_gpu_min_hz)
        highs = chosen.get("gpu_max_hz") or _known(self.chosen_device.default_gpu_max_hz)
        if not lows or not highs:
            return
        if min(lows) > max(highs):
            self.add_error("gpu_max_hz_how", "Every lower limit lies above every upper limit.")
        elif chosen.get("gpu_min_hz") is None and min(highs) < lows[0]:
            self.add_error(
                "gpu_max_hz_how",
                f"The lower limit is left as found, {knobs.clock_mhz(lows[0])} MHz: "
                "the upper one cannot go below it.",
            )

    def _why_empty(self, name: str) -> str:
        if self.cleaned_data.get(f"{name}_how") == knobs.RANGE:
            return "There is no clock in this range: “from” lies above “to”."
        return "Choose at least one clock, or leave it as found."

    def _check_size(self, cleaned: dict[str, Any]) -> None:
        size, budget = knobs.size_of(self.axes), cleaned.get("budget_trials")
        if not size or self.chosen_device is None:
            return
        if size > MOST_POINTS:
            self.add_error(
                None, f"The space has {size:,} points; the most is {MOST_POINTS:,}. Choose fewer."
            )
            return
        most = size * (MOST_RUNS if cleaned.get("may_repeat") else 1)
        if budget is not None and budget > most:
            points = "point" if size == 1 else "points"
            self.add_error("budget_trials", f"The space has {size:,} {points}: at most {most:,}.")

    def _chosen(self, name: str) -> Any:
        """The row that `name` stands for now: as sent, or as first shown; None if there is none."""
        field = self.fields[name]
        value = self.data.get(name) if self.is_bound else self.initial.get(name)
        try:
            return field.clean(getattr(value, "pk", value))
        except ValidationError:
            return None

    def _offer_devices(self) -> None:
        """First one that is there, so that a sweep can begin at once."""
        if self.is_bound or self.initial.get("device") is not None:
            return
        devices = list(self.fields["device"].queryset)
        online = (device for device in devices if device.is_online)
        self.initial["device"] = next(online, devices[0] if devices else None)

    def _offer_networks(self) -> None:
        """Those that can run on the chosen device; a replay board has only its table's."""
        field, device = self.fields["network"], self.chosen_device
        field.queryset = Network.objects.for_device(device).order_by("flops_per_item", "name")
        field.error_messages["invalid_choice"] = (
            f"{device or 'This device'} cannot run it: a replay board serves the workloads of its "
            "table, and no other board does."
        )
        if not self.is_bound and self._chosen("network") is None:
            self.initial["network"] = next(iter(field.queryset), None)

    def _offer_earlier(self) -> None:
        """Ended sweeps that measured something, the likest first: of this network, this kind."""
        device, network = self.chosen_device, self.chosen_network
        self.fields["earlier"].queryset = Sweep.objects.to_start_from(device, network)

    def _say_what_each_field_refused(self) -> None:
        stranger = "%(value)s is not a clock of this device."
        for name, field in self.fields.items():
            if name.endswith(("_from", "_to", "_values")):
                field.error_messages["invalid_choice"] = stranger
        self.fields["batch_sizes"].error_messages["invalid_choice"] = (
            "This network cannot run batches of %(value)s."
        )


def _known(value: int | None) -> tuple[int, ...]:
    return () if value is None else (value,)
