"""The lists of runs, networks and devices: what stands in their columns."""

from __future__ import annotations

import re
import uuid

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    F,
    FloatField,
    Func,
    Model,
    OuterRef,
    Q,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, NullIf
from django.utils import timezone

from measurements.listing.columns import Column, Kind, Options
from measurements.listing.tables import Table, register
from measurements.models import Device, Network, RejectedRecord, Run, Tag, Verdict
from measurements.models.devices import OFFLINE_AFTER

NO_RATE = "Requests came back to back: there is no rate."
NOT_MEASURED = "It was not measured, or not yet."
NO_GRAPH = "A workload of a replay table: its graph is not known here."
LOG = "imported log"
PROVENANCES = (*Device.Provenance.choices, ("log", LOG))
UUID_START = re.compile(r"[0-9a-f-]{4,36}", re.IGNORECASE)


def tags(model: type[Model]) -> Column:
    """What people put on the rows; the last column of each list."""
    return Column(
        key="tag",
        label="Tags",
        sql=Tag.of(model),
        kind=Kind.TAGS,
        options=lambda: _used_tags(model),
        narrowed=lambda names: Tag.on(model, names),
    )


def device_column(path: str = "device", *, label: str = "Device") -> Column:
    return Column(
        key="device",
        label=label,
        sql=f"{path}__name",
        kind=Kind.DEVICE,
        beside={
            "provenance": f"{path}__provenance",
            "note": f"{path}__provenance_note",
            "pack": f"{path}__pack",
        },
        options=device_names,
        reason="An imported log does not say.",
    )


def measured_at() -> Column:
    """Whether a row was measured here, or came with an evidence pack."""
    return Column(
        key="measured",
        label="Measured",
        sql=Case(When(pack__isnull=False, then=Value("elsewhere")), default=Value("here")),
        kind=Kind.CHOICE,
        choices=(("here", "here"), ("elsewhere", "elsewhere (imported)")),
        is_shown=False,
    )


def device_names() -> Options:
    return Options(Device.objects.all())


def network_names() -> Options:
    return Options(Network.objects.all())


def matching(model: type[Model], words: str) -> list[int]:
    """Keys of the networks or devices whose name holds the words: few, so asked for first."""
    return list(model._default_manager.filter(name__icontains=words).values_list("pk", flat=True))


def per(path: str, unit: float) -> Combinable:
    """A column in another unit: `unit` is how many of the column's make one."""
    return F(path) / Value(unit, FloatField())


def milli(path: str) -> Combinable:
    return F(path) * Value(1e3, FloatField())


def counted(rows: type[Model], by: str) -> Combinable:
    """How many of `rows` point to this one; 0 is known here, not unknown."""
    mine = rows._default_manager.order_by().filter(**{by: OuterRef("pk")}).values(by)
    return Coalesce(Subquery(mine.annotate(count=Count("*")).values("count")), 0)


def _used_tags(model: type[Model]) -> Options:
    links = model.tags.through.objects.filter(tag=OuterRef("pk"))  # type: ignore[attr-defined]
    return Options(Tag.objects.filter(Exists(links)))


def _clock(key: str, label: str, path: str, *, is_shown: bool = True) -> Column:
    return Column(
        key=key,
        label=label,
        sql=per(path, 1e6),
        kind=Kind.CLOCK,
        unit="MHz",
        is_shown=is_shown,
        absent="as found",
        reason="The run left this clock as it was.",
    )


def _latency(key: str, label: str, path: str, *, least: int = 0, is_shown: bool = False) -> Column:
    reason = f"It takes {least} timed requests to know it." if least else NOT_MEASURED
    return Column(
        key=key,
        label=label,
        sql=path,
        kind=Kind.NUMBER,
        unit="ms",
        decimals=2,
        is_shown=is_shown,
        reason=reason,
    )


def _verdict_codes() -> Options:
    return Options(Verdict.objects.all(), "code", "code")


def _has_verdict(codes: list[str]) -> Q:
    return Q(Exists(Verdict.objects.filter(run=OuterRef("pk"), code__in=codes)))


def _runs_with(words: str) -> Q:
    found = Q(title__icontains=words) | Q(note__text__icontains=words)
    if networks := matching(Network, words):
        found |= Q(network__in=networks)
    if devices := matching(Device, words):
        found |= Q(device__in=devices)
    if UUID_START.fullmatch(words) and (digits := words.replace("-", "")) and len(digits) <= 32:
        ends = (uuid.UUID(digits.ljust(32, fill)) for fill in "0f")
        found |= Q(pk__range=tuple(ends))
    return found


RUNS = register(Table(
    name="runs",
    what="run",
    model=Run,
    sort="-queued",
    search=_runs_with,
    sought="network, device, title, note or the beginning of an id",
    link=("run", "pk"),
    template="measurements/run_list.html",
    nothing="measurements/_no_runs.html",
    comparable=True,
    columns=(
        Column(key="name", label="Run", kind=Kind.NAME,
               sql=Coalesce("network__name", NullIf("title", Value("")), Value(LOG))),
        Column(key="state", label="State", sql="state", kind=Kind.STATE,
               choices=tuple(Run.State.choices)),
        device_column(),
        Column(key="provenance", label="Provenance", kind=Kind.CHOICE, choices=PROVENANCES,
               sql=Coalesce("device__provenance", Value("log")), is_shown=False),
        Column(key="origin", label="Origin", sql="origin", kind=Kind.CHOICE,
               choices=tuple(Run.Origin.choices), is_shown=False),
        measured_at(),
        Column(key="network", label="Network", sql="network__name", options=network_names,
               is_shown=False, reason="An imported log does not say."),
        Column(key="title", label="Title", sql=NullIf("title", Value("")),
               is_shown=False, absent="none", reason="It has no title of its own."),
        Column(key="batch", label="Batch", sql="batch_size", kind=Kind.COUNT,
               reason="A log does not say."),
        _clock("gpu_min_mhz", "GPU min", "gpu_min_hz", is_shown=False),
        _clock("gpu_max_mhz", "GPU max", "gpu_max_hz"),
        _clock("memory_mhz", "Memory", "emc_hz"),
        _clock("cpu_mhz", "CPU", "cpu_hz"),
        Column(key="energy_mj", label="Busy", sql=milli("busy_energy_j"), kind=Kind.ENERGY,
               half_width=milli("busy_half_width_j"), unit="mJ/request", decimals=1,
               reason=NOT_MEASURED, hint="Busy energy per request"),
        Column(key="at_rate_mj", label="At-rate", sql=milli("at_rate_energy_j"),
               half_width=milli("at_rate_half_width_j"), kind=Kind.ENERGY, unit="mJ/request",
               decimals=1, absent="none", reason=NO_RATE, is_shown=False,
               hint="At-rate energy per request"),
        _latency("mean_ms", "Mean", "latency_mean_ms"),
        _latency("p50_ms", "Median", "latency_p50_ms"),
        _latency("p95_ms", "p95", "latency_p95_ms", least=59, is_shown=True),
        _latency("p99_ms", "p99", "latency_p99_ms", least=299),
        Column(key="power_w", label="Power", sql="mean_power_w", kind=Kind.NUMBER, unit="W",
               decimals=2, reason=NOT_MEASURED),
        Column(key="idle_w", label="Idle", sql="idle_power_w", kind=Kind.NUMBER, unit="W",
               decimals=2, is_shown=False, reason=NOT_MEASURED),
        Column(key="temp_c", label="Hottest", sql="temp_max_c", kind=Kind.NUMBER, unit="°C",
               decimals=1, is_shown=False, reason=NOT_MEASURED),
        Column(key="requests", label="Requests", sql="requests_served", kind=Kind.COUNT,
               is_shown=False, reason=NOT_MEASURED),
        Column(key="board_s", label="Board time", sql="board_s", kind=Kind.NUMBER, unit="s",
               decimals=1, is_shown=False, reason=NOT_MEASURED),
        Column(key="arrivals", label="Arrivals", sql="arrivals", kind=Kind.CHOICE,
               choices=tuple(Run.ArrivalsKind.choices), is_shown=False),
        Column(key="rate_hz", label="Rate", sql="rate_hz", kind=Kind.NUMBER, unit="Hz",
               decimals=2, is_shown=False, absent="none", reason=NO_RATE),
        Column(key="verdict", label="Verdicts", kind=Kind.TAGS, options=_verdict_codes,
               narrowed=_has_verdict, is_shown=False,
               sql=ArraySubquery(Verdict.objects.filter(run=OuterRef("pk")).order_by("code")
                                 .values("code"))),
        Column(key="queued", label="Queued", sql="queued_at", kind=Kind.DATE),
        Column(key="finished", label="Finished", sql="finished_at", kind=Kind.DATE,
               is_shown=False, absent="not yet", reason="It has not ended."),
        Column(key="asked_by", label="Asked by", sql="created_by__username", is_shown=False,
               reason="A sweep did."),
        tags(Run),
    ),
))  # fmt: skip


_BATCH = Case(
    When(batch_is_dynamic=True, then=Value(1.0)),
    default=Cast("input_shape__0", FloatField()),
    output_field=FloatField(),
)
_SHAPE = Func(
    F("input_shape"), Value("×"), Value("N"), function="array_to_string", output_field=TextField()
)  # fmt: skip
_SOURCE = Case(
    When(replay_table__isnull=False, then=Value("replay")),
    When(builtin__gt="", then=Value("builtin")),
    default=Value("uploaded"),
    output_field=CharField(),
)
_ONLY_BATCH = Case(
    When(batch_is_dynamic=True, then=Value("any")),
    default=Cast(Coalesce("input_shape__0", 1), CharField()),
    output_field=CharField(),
)


def _affine(what: str) -> Combinable:
    """FLOPs or bytes of one batch of the smallest size that the graph takes."""
    return F(f"{what}_fixed") + F(f"{what}_per_item") * _BATCH


def _amount(key: str, label: str, sql: Combinable, unit: str, decimals: int, hint: str) -> Column:
    return Column(key=key, label=label, sql=sql, kind=Kind.NUMBER, unit=unit, decimals=decimals,
                  hint=hint, reason=NO_GRAPH)  # fmt: skip


def _scaled(sql: Combinable, unit: float) -> Combinable:
    return Cast(sql, FloatField()) / Value(unit, FloatField())


NETWORKS = register(Table(
    name="networks",
    what="network",
    model=Network,
    sort="name",
    search=lambda words: Q(name__icontains=words) | Q(builtin__icontains=words)
    | Q(sha256__startswith=words.lower()),
    sought="name or the beginning of the file's SHA-256",
    link=("network", "pk"),
    template="measurements/network_list.html",
    nothing="measurements/_no_networks.html",
    columns=(
        Column(key="name", label="Name", sql="name", kind=Kind.NAME),
        _amount("parameters_m", "Parameters", _scaled(F("parameters"), 1e6), "M", 2, ""),
        _amount("work_gmac", "Work", _scaled(F("macs_per_item"), 1e9), "GMAC", 3,
                "Convolutions and dense layers, per request"),
        _amount("work_gflop", "All operations", _scaled(_affine("flops"), 1e9), "GFLOP", 3,
                "Of one batch of the smallest size"),
        _amount("moved_mb", "Moved", _scaled(_affine("bytes"), 1e6), "MB", 1,
                "Read and written by all layers, for one batch of the smallest size"),
        _amount("intensity_flop_per_byte", "Intensity", _affine("flops") / _affine("bytes"),
                "FLOP/byte", 2, "Arithmetic intensity at the smallest batch"),
        Column(key="input", label="Input", reason=NO_GRAPH,
               sql=NullIf(_SHAPE, Value("", TextField()))),
        Column(key="type", label="Type", sql=NullIf("input_dtype", Value("")), is_shown=False,
               reason=NO_GRAPH),
        Column(key="batch", label="Batch size", sql=_ONLY_BATCH),
        Column(key="source", label="Source", sql=_SOURCE, kind=Kind.CHOICE,
               choices=(("builtin", "built in"), ("uploaded", "uploaded"),
                        ("replay", "replay table"))),
        Column(key="runs", label="Runs", sql=counted(Run, "network"), kind=Kind.COUNT),
        Column(key="added", label="Added", sql="created_at", kind=Kind.DATE, is_shown=False),
        Column(key="added_by", label="Added by", sql="created_by__username", is_shown=False,
               reason="It came with PolyWeb."),
        tags(Network),
    ),
))  # fmt: skip


def _presence() -> Combinable:
    """As `Device.presence`, in SQL."""
    silent = Q(last_seen_at=None) | Q(last_seen_at__lt=timezone.now() - OFFLINE_AFTER)
    return Case(
        When(silent, then=Value("offline")),
        When(running__isnull=False, then=Value("busy")),
        default=Value("online"),
        output_field=CharField(),
    )


def _now(key: str, label: str, path: str) -> Column:
    """A clock's limit as the last heartbeat told it; of an offline board nobody knows it."""

    def while_heard() -> Combinable:
        fresh = Q(last_seen_at__gte=timezone.now() - OFFLINE_AFTER)
        return Case(When(fresh, then=per(path, 1e6)), output_field=FloatField())

    return Column(key=key, label=label, sql=while_heard, kind=Kind.CLOCK, unit="MHz",
                  reason="The board is offline, or its clock is governed.")  # fmt: skip


DEVICES = register(Table(
    name="devices",
    what="device",
    model=Device,
    sort="name",
    search=lambda words: Q(name__icontains=words) | Q(board_model__icontains=words)
    | Q(kind__icontains=words) | Q(provenance_note__icontains=words),
    sought="name, board or kind",
    link=("device", "name"),
    template="measurements/device_list.html",
    nothing="measurements/_no_devices.html",
    columns=(
        Column(key="name", label="Device", sql="name", kind=Kind.NAME),
        Column(key="state", label="State", sql=_presence, kind=Kind.STATE,
               choices=tuple(Device.Presence.choices)),
        Column(key="doing", label="Doing", kind=Kind.DOING, sql="running__network__name",
               beside={"phase": "phase", "run": "running", "done": "requests_done",
                       "asked": "running__requests_asked", "batch": "running__batch_size",
                       "seen": "last_seen_at", "registered": "registered_at",
                       "presence": _presence}),
        Column(key="provenance", label="Provenance", sql="provenance", kind=Kind.DEVICE,
               beside={"provenance": "provenance", "note": "provenance_note", "pack": "pack"},
               choices=tuple(Device.Provenance.choices)),
        Column(key="board", label="Board", sql=NullIf("board_model", Value("")),
               reason="It has not registered yet."),
        Column(key="kind", label="Kind", sql=NullIf("kind", Value("")), is_shown=False,
               reason="It has not registered yet."),
        Column(key="l4t", label="L4T", sql=NullIf("l4t", Value("")), is_shown=False,
               reason="It has none, or did not say."),
        Column(key="jetpack", label="JetPack", sql=NullIf("jetpack", Value("")),
               reason="It has none, or did not say."),
        _now("gpu_max_mhz", "GPU max", "now_gpu_max_hz"),
        _now("memory_mhz", "Memory", "now_emc_hz"),
        _now("cpu_mhz", "CPU", "now_cpu_hz"),
        Column(key="waiting", label="Records waiting", sql="spooled", kind=Kind.COUNT,
               hint="Records on the board that the server does not have yet", is_shown=False),
        Column(key="rejected", label="Rejected", sql=counted(RejectedRecord, "device"),
               kind=Kind.COUNT, hint="Records that the server refused for good"),
        Column(key="runs", label="Runs", sql=counted(Run, "device"), kind=Kind.COUNT),
        Column(key="seen", label="Last heard", sql="last_seen_at", kind=Kind.DATE,
               is_shown=False, absent="never", reason="It was never heard."),
        tags(Device),
    ),
))  # fmt: skip
