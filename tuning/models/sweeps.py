from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from measurements.models import ArrivalTrace, Device, Network, Pack, Run, Tag
from measurements.models.runs import POINT_FIELDS
from tuning.questions import Earlier, Goal, Question
from tuning.repeats import MOST_RUNS
from tuning.space import Axis, Point, Space

from .budgeted import Budgeted
from .progress import SweepQuerySet
from .steered import Steered

if TYPE_CHECKING:
    from .cpu_phases import CpuPhase
    from .trials import Trial

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Sweep(Steered, Budgeted):
    """A search for the point with the least energy per request within a latency limit."""

    class Objective(models.TextChoices):
        BUSY = "busy", "busy energy per request"
        AT_RATE = "at_rate", "at-rate energy per request"

    class GoalChoice(models.TextChoices):
        ENERGY = "energy", "least energy"
        ENERGY_DELAY = "energy_delay", "least energy × latency"
        PARETO = "pareto", "the front of energy against latency"

    class SloStatistic(models.TextChoices):
        MEAN = "mean", "mean"
        P50 = "p50", "median"
        P95 = "p95", "95th percentile"
        P99 = "p99", "99th percentile"

    class Strategy(models.TextChoices):
        POLYWEB = "polyweb", "polyweb"
        CBO = "cbo", "CBO (as in the paper)"
        RANDOM = "random", "random"
        GRID = "grid", "grid"

    class Standing(models.TextChoices):
        VERIFIED = "verified", "verified"
        NOT_CONFIRMED = "not_confirmed", "not confirmed"
        NOT_YET = "not_yet_verified", "not yet verified"

    name = models.CharField(max_length=120)
    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="sweeps")
    others = models.ManyToManyField(
        Device, related_name="shared_sweeps", help_text="Boards of the same kind that share it"
    )
    forked_from = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="forks"
    )
    pack = models.ForeignKey(
        Pack, null=True, on_delete=models.PROTECT, related_name="sweeps", help_text="Imported"
    )
    tags = models.ManyToManyField(Tag, related_name="sweeps")
    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="sweeps")
    objective = models.CharField(max_length=10, choices=Objective, default=Objective.BUSY)
    goal = models.CharField(max_length=12, choices=GoalChoice, default=GoalChoice.ENERGY)
    earlier = models.ManyToManyField(
        "self", symmetrical=False, related_name="later", help_text="What its model starts from"
    )
    slo_statistic = models.CharField(max_length=5, choices=SloStatistic, default=SloStatistic.P95)
    slo_ms = models.FloatField(null=True, help_text="NULL: no limit")
    arrivals = models.CharField(
        max_length=20, choices=Run.ArrivalsKind, default=Run.ArrivalsKind.BACK_TO_BACK
    )
    rate_hz = models.FloatField(null=True)
    trace = models.ForeignKey(
        ArrivalTrace, null=True, on_delete=models.PROTECT, related_name="sweeps"
    )
    requests = models.PositiveIntegerField(default=1000, help_text="At most, or exactly")
    half_width_percent = models.FloatField(
        null=True, help_text="A run ends once its energy is known so well; NULL: fixed requests"
    )
    may_repeat = models.BooleanField(
        default=False, help_text="First looks are coarse, contenders are measured again"
    )
    sample_interval_ms = models.PositiveIntegerField(default=50)
    strategy = models.CharField(max_length=10, choices=Strategy, default=Strategy.POLYWEB)
    seed = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SweepQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(budget_trials__gt=0), name="sweep_budget_positive"),
            models.CheckConstraint(
                condition=Q(slo_ms__isnull=True) | Q(slo_ms__gt=0), name="sweep_slo_positive"
            ),
            models.CheckConstraint(
                condition=Q(arrivals="back_to_back", rate_hz__isnull=True)
                | (~Q(arrivals="back_to_back") & Q(rate_hz__isnull=False) & Q(rate_hz__gt=0)),
                name="sweep_rate_fits_arrivals",
            ),
            models.CheckConstraint(
                condition=Q(arrivals="trace", trace__isnull=False)
                | (~Q(arrivals="trace") & Q(trace__isnull=True)),
                name="sweep_has_the_trace_that_it_replays",
            ),
            models.CheckConstraint(
                condition=Q(pays_over_requests__isnull=True)
                | Q(pays_over_requests__gt=0, strategy__in=["polyweb", "cbo"], goal="energy"),
                name="sweep_pays_by_a_model_of_energy",
            ),
            models.CheckConstraint(
                condition=Q(may_repeat=False)
                | Q(
                    strategy="polyweb",
                    half_width_percent__isnull=False,
                    goal__in=["energy", "energy_delay"],
                ),
                name="sweep_repeats_by_a_model",
            ),
            models.CheckConstraint(
                condition=(Q(gain_j__isnull=True) | Q(gain_j__gte=0))
                & (Q(next_cost_j__isnull=True) | Q(next_cost_j__gte=0)),
                name="sweep_prospect_not_negative",
            ),
            models.CheckConstraint(
                condition=~Q(objective="at_rate") | ~Q(arrivals="back_to_back"),
                name="at_rate_energy_needs_a_rate",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("sweep", args=[self.pk])

    def space(self) -> Space:
        return Space.over(tuple(Axis(one.name, tuple(one.values)) for one in self.axes.all()))

    @property
    def devices(self) -> list[Device]:
        """Every board that measures it, the first one first."""
        return [self.device, *self.others.all()]

    def load(self) -> dict[str, Any]:
        """What each of its runs is asked to serve: columns of Run, the batch size apart."""
        return {
            "arrivals": self.arrivals,
            "rate_hz": self.rate_hz,
            "trace": self.trace,
            "requests_asked": self.requests,
            "half_width_percent": self.half_width_percent,
            "slo_quantile": QUANTILES.get(self.slo_statistic) if self.slo_ms else None,
            "sample_interval_ms": self.sample_interval_ms,
        }

    @property
    def phase(self) -> CpuPhase | None:
        """Its CPU phase; None if the CPU clock is searched with the others, or left as found."""
        return getattr(self, "cpu_phase", None)

    @property
    def held_cpu_hz(self) -> int | None:
        """The CPU clock that its CPU phase chose for all trials; None: there is none."""
        return self.phase and self.phase.chosen_hz

    def clocks_at(self, values: Sequence[int]) -> dict[str, int | None]:
        """The clocks to hold at a point of its space; None: left as found."""
        named = self.space().named(tuple(values))
        held = {"cpu_hz": self.held_cpu_hz} | named
        return {name: held.get(name) for name in POINT_FIELDS}

    def gate_reference_c(self, device: Device) -> float | None:
        """How warm `device` was before the first run here: later ones begin as warm."""
        mine = Q(trial_run__trial__sweep=self)
        if self.phase is not None:
            mine |= Q(cpu_trial_run__trial__phase__sweep=self)
        runs = Run.objects.done().filter(mine, device=device)
        known = runs.filter(temp_before_c__isnull=False).order_by("finished_at")
        return known.values_list("temp_before_c", flat=True).first()

    @property
    def standing(self) -> str:
        """Whether its winner was verified, of a row that `with_standing` annotated.

        A front has no one winner: what counts is the point of it that was verified last.
        """
        best, checked = self.best, self.checked
        if not best or not checked:
            return self.Standing.NOT_YET
        if checked["values"] != best["values"] and self.goal != self.GoalChoice.PARETO:
            return self.Standing.NOT_YET
        return self.Standing(checked["verdict"])

    def next_trial(self, point: Point) -> Trial:
        """A new trial that asks for `point`: another look, if there was one before."""
        values = list(point)
        looks = self.trials.filter(values=values).count()
        return self.trials.create(number=self.trials.count() + 1, values=values, look=looks + 1)

    def question(self) -> Question:
        """What its strategy may look at."""
        return Question(
            self.space(),
            self.seed,
            self.slo_ms,
            self.trials.observations(like=self),
            goal=Goal(self.goal),
            earlier=tuple(self._known_before()),
            half_width_percent=self.half_width_percent,
            may_repeat=self.may_repeat,
        )

    @property
    def most_trials(self) -> int:
        """So many trials its space allows."""
        return len(self.space()) * (MOST_RUNS if self.may_repeat else 1)

    def _known_before(self) -> Iterator[Earlier]:
        """What the sweeps that it starts from had measured when it was launched, no more.

        So an earlier sweep that is extended later changes nothing here.
        """
        for sweep in self.earlier.order_by("pk").prefetch_related("axes"):
            known = sweep.trials.observed().filter(asked_at__lt=self.created_at)
            yield Earlier(sweep.space(), known.observations(like=self))

    @property
    def best_is(self) -> str:
        """What its best point is called."""
        names = {"energy_delay": "Least energy × latency", "pareto": "The knee of the front"}
        return names.get(self.goal, "Least energy")
