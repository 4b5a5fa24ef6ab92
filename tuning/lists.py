"""The list of sweeps, and what the list of runs says of the search."""

from __future__ import annotations

from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    FloatField,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, IsNull

from measurements.listing.columns import Column, Kind, Options
from measurements.listing.tables import Table, register
from measurements.lists import (
    RUNS,
    device_column,
    matching,
    measured_at,
    network_names,
    tags,
)
from measurements.models import Device, Network, Run
from tuning.models import Sweep, Trial, TrialRun, Verification
from tuning.models.progress import feasible_links

NO_BEST = "No measured point keeps the limit yet."
NO_LIMIT = "The sweep has no latency limit."


def _best(column: str) -> Combinable:
    """A value of the feasible run that the sweep's goal ranks first, as `with_best`."""
    return Subquery(feasible_links().order_by("cost", "trial__number").values(column)[:1])


def _milli_best(column: str) -> Combinable:
    return _best(column) * Value(1e3, FloatField())


def _checked(column: str) -> Combinable:
    latest = Verification.objects.filter(sweep=OuterRef("pk"), verdict__gt="").order_by("-pk")
    return Subquery(latest.values(column)[:1])


def _standing() -> Combinable:
    """As `Sweep.standing`, in SQL: a verdict counts while it is about the best point.

    What was never verified comes first, so that its best point need not be looked for.
    """
    return Case(
        When(Q(IsNull(_checked("trial_id"), True)), then=Value(Sweep.Standing.NOT_YET.value)),
        When(Exact(_checked("trial__values"), _best("trial__values")), then=_checked("verdict")),
        default=Value(Sweep.Standing.NOT_YET.value),
        output_field=CharField(),
    )


def _trials(**conditions: object) -> Combinable:
    mine = Trial.objects.order_by().filter(sweep=OuterRef("pk"), **conditions).values("sweep")
    return Coalesce(Subquery(mine.annotate(count=Count("*")).values("count")), 0)


def board_s() -> Combinable:
    """As `Sweep.board_s`, of both phases; NULL before anything was measured."""
    search, phase = _spent_s("trial_run__trial"), _spent_s("cpu_trial_run__trial", "phase__sweep")
    zero, both = Value(0.0), Coalesce(search, phase)
    return Case(When(IsNull(both, False), then=Coalesce(search, zero) + Coalesce(phase, zero)),
                output_field=FloatField())  # fmt: skip


def _spent_s(trial: str, sweep: str = "sweep") -> Subquery:
    mine = {f"{trial}__{sweep}": OuterRef("pk"), f"{trial}__taken_over": False}
    runs = Run.objects.order_by().filter(**mine).values(f"{trial}__{sweep}")
    return Subquery(runs.annotate(total=Sum("board_s")).values("total"))


def _sweeps_with(words: str) -> Q:
    found = Q(name__icontains=words)
    if networks := matching(Network, words):
        found |= Q(network__in=networks)
    if devices := matching(Device, words):
        found |= Q(device__in=devices)
    if words.isascii() and words.isdigit() and len(words) < 18:
        found |= Q(pk=int(words))
    return found


SWEEPS = register(Table(
    name="sweeps",
    what="sweep",
    model=Sweep,
    sort="-launched",
    search=_sweeps_with,
    sought="name, network, device or number",
    link=("sweep", "pk"),
    template="tuning/sweep_list.html",
    nothing="tuning/_no_sweeps.html",
    comparable=True,
    columns=(
        Column(key="name", label="Sweep", sql="name", kind=Kind.NAME),
        Column(key="state", label="State", sql="state", kind=Kind.STATE,
               choices=tuple(Sweep.State.choices)),
        Column(key="winner", label="Winner", sql=_standing(), kind=Kind.STATE,
               choices=tuple(Sweep.Standing.choices)),
        Column(key="energy_mj", label="Best", sql=_milli_best("energy_j"), kind=Kind.ENERGY,
               half_width=_milli_best("half_width_j"), unit="mJ/request", decimals=1,
               absent="none", reason=NO_BEST, hint="Least energy per request that keeps the limit"),
        device_column(),
        Column(key="provenance", label="Provenance", sql="device__provenance", kind=Kind.CHOICE,
               choices=tuple(Device.Provenance.choices), is_shown=False),
        measured_at(),
        Column(key="network", label="Network", sql="network__name", options=network_names),
        Column(key="strategy", label="Strategy", sql="strategy", kind=Kind.CHOICE,
               choices=tuple(Sweep.Strategy.choices)),
        Column(key="objective", label="Objective", sql="objective", kind=Kind.CHOICE,
               choices=tuple(Sweep.Objective.choices), is_shown=False),
        Column(key="slo_ms", label="Limit", sql="slo_ms", kind=Kind.NUMBER, unit="ms",
               decimals=1, absent="no limit", reason=NO_LIMIT),
        Column(key="slo_on", label="Limit on", sql="slo_statistic", kind=Kind.CHOICE,
               choices=tuple(Sweep.SloStatistic.choices), is_shown=False),
        Column(key="latency_ms", label="Best's latency", sql=_best("latency_ms"),
               kind=Kind.NUMBER, unit="ms", decimals=2, is_shown=False, absent="none",
               reason=NO_BEST),
        Column(key="batch", label="Best's batch", sql=_best("run__batch_size"),
               kind=Kind.COUNT, is_shown=False, absent="none", reason=NO_BEST),
        Column(key="trials", label="Trials", sql=_trials(state=Trial.State.OBSERVED),
               kind=Kind.COUNT, hint="Observed"),
        Column(key="budget", label="Budget", sql="budget_trials", kind=Kind.COUNT,
               hint="Trials at most", is_shown=False),
        Column(key="board_s", label="Board time", sql=board_s(), kind=Kind.NUMBER, unit="s",
               decimals=0, is_shown=False, reason="Nothing was measured yet."),
        Column(key="launched", label="Launched", sql="created_at", kind=Kind.DATE),
        Column(key="finished", label="Finished", sql="finished_at", kind=Kind.DATE,
               is_shown=False, reason="It has not ended."),
        Column(key="launched_by", label="Launched by", sql="created_by__username",
               is_shown=False, reason="Nobody: it came with the demo."),
        tags(Sweep),
    ),
))  # fmt: skip


def _sweep_names() -> Options:
    return Options(Sweep.objects.all(), value="pk")


def _of_sweeps(keys: list[str]) -> Q:
    numbers = [int(key) for key in keys if key.isascii() and key.isdigit() and len(key) < 18]
    return Q(Exists(TrialRun.objects.filter(run=OuterRef("pk"), trial__sweep__in=numbers)))


def _of_strategies(names: list[str]) -> Q:
    links = TrialRun.objects.filter(run=OuterRef("pk"), trial__sweep__strategy__in=names)
    return Q(Exists(links))


def _first_sweep(column: str) -> Combinable:
    """Of the sweep that asked for the run; a fork that took it over came later."""
    links = TrialRun.objects.filter(run=OuterRef("pk")).order_by("pk")
    return Subquery(links.values(f"trial__sweep__{column}")[:1])


NO_SWEEP = "No sweep asked for it."

RUNS.add(
    Column(key="sweep", label="Sweep", sql=_first_sweep("name"), options=_sweep_names,
           narrowed=_of_sweeps, is_shown=False, is_offered=False, absent="none", reason=NO_SWEEP),
    Column(key="strategy", label="Strategy", sql=_first_sweep("strategy"), kind=Kind.CHOICE,
           choices=tuple(Sweep.Strategy.choices), narrowed=_of_strategies, is_shown=False,
           absent="none", reason=NO_SWEEP),
    before="batch",
)  # fmt: skip
