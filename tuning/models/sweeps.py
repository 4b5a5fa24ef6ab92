from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from measurements.models import ArrivalTrace, Device, Network, Pack, Run, Tag
from measurements.models.runs import POINT_FIELDS
from tuning.paying import Prospect
from tuning.questions import Earlier, Goal, Question
from tuning.repeats import MOST_RUNS
from tuning.space import Axis, Point, Space

from .progress import SweepQuerySet

if TYPE_CHECKING:
    from .cpu_phases import CpuPhase
    from .trials import Trial

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Frozen(ValueError):
    """The result is approved, so nothing of it can be changed; the text says what to do."""


class Sweep(models.Model):
    """A search for the point with the least energy per request within a latency limit."""

    class State(models.TextChoices):
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        WAITING = "waiting", "waiting"
        FINISHED = "finished", "finished"
        CANCELLED = "cancelled", "cancelled"
        FAILED = "failed", "failed"

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

    OPEN = (State.RUNNING, State.PAUSED, State.WAITING)

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
    budget_trials = models.PositiveIntegerField()
    budget_board_s = models.FloatField(null=True, help_text="NULL: no limit")
    pays_over_requests = models.BigIntegerField(
        null=True, help_text="It ends once measuring costs more than it saves on so many"
    )
    gain_j = models.FloatField(
        null=True, help_text="What the next measurement was last expected to save, per request"
    )
    next_cost_j = models.FloatField(null=True, help_text="What it was expected to draw")
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING)
    ended_because = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

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

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

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

    def board_s(self) -> float:
        """Board seconds that its finished runs took, on all boards; what it took over is free.

        Both phases count.
        """
        runs = Run.objects.filter(trial_run__trial__in=self.trials.own())
        searching_s = runs.aggregate(total=models.Sum("board_s"))["total"] or 0.0
        return searching_s + self.cpu_board_s()

    def cpu_board_s(self) -> float:
        """The part of its board seconds that its CPU phase took."""
        if self.phase is None:
            return 0.0
        runs = Run.objects.filter(
            cpu_trial_run__trial__phase__sweep=self, cpu_trial_run__trial__taken_over=False
        )
        return runs.aggregate(total=models.Sum("board_s"))["total"] or 0.0

    def next_trial(self, point: Point) -> Trial:
        """A new trial that asks for `point`: another look, if there was one before."""
        values = list(point)
        looks = self.trials.filter(values=values).count()
        return self.trials.create(number=self.trials.count() + 1, values=values, look=looks + 1)

    def spent_budget(self) -> str:
        """Which budget is used up, in words; empty while there is some left."""
        if self.trials.own().count() >= self.budget_trials:
            return f"All {self.budget_trials} trials of the budget are done."
        return self.spent_board_s()

    def spent_board_s(self) -> str:
        """That its board seconds are used up, in words; empty while there are some left."""
        if self.budget_board_s is not None and self.board_s() >= self.budget_board_s:
            return f"The budget of {self.budget_board_s:.0f} board seconds is used up."
        return ""

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

    def pause(self) -> bool:
        """RUNNING or WAITING -> PAUSED: what runs goes on, nothing more is planned."""
        return self._move((self.State.RUNNING, self.State.WAITING), self.State.PAUSED)

    def resume(self) -> bool:
        return self._move((self.State.PAUSED,), self.State.RUNNING)

    def wait(self) -> bool:
        """RUNNING -> WAITING while its board is away."""
        return self._move((self.State.RUNNING,), self.State.WAITING)

    def carry_on(self) -> bool:
        """WAITING -> RUNNING: the board is back."""
        return self._move((self.State.WAITING,), self.State.RUNNING)

    @property
    def is_frozen(self) -> bool:
        """Whether its result stands approved."""
        review = apps.get_model("tuning", "Review")
        return review.objects.filter(sweep=self.pk, state="approved").exists()

    def refuse_if_frozen(self) -> None:
        """Call it before anything of the sweep is changed; the database refuses it, too.

        Raises:
            Frozen: Its result is approved.
        """
        if self.is_frozen:
            raise Frozen(
                f"Nothing was changed: the result of “{self}” is approved and frozen. "
                "A reviewer can withdraw the approval on its review page."
            )

    @property
    def best_is(self) -> str:
        """What its best point is called."""
        names = {"energy_delay": "Least energy × latency", "pareto": "The knee of the front"}
        return names.get(self.goal, "Least energy")

    @property
    def prospect(self) -> Prospect | None:
        """What its next measurement was last expected to save and to cost; None: not asked."""
        if self.pays_over_requests is None or self.next_cost_j is None:
            return None
        gain_j = math.inf if self.gain_j is None else self.gain_j
        return Prospect(gain_j, self.pays_over_requests, self.next_cost_j)

    def expect(self, prospect: Prospect | None) -> None:
        """Note for its page what the next measurement promises."""
        known = prospect is not None and math.isfinite(prospect.gain_j)
        self.gain_j = prospect.gain_j if prospect and known else None
        self.next_cost_j = prospect.cost_j if prospect else None
        self.save(update_fields=["gain_j", "next_cost_j"])

    def extend(
        self, *, trials: int, board_s: float | None = None, pays_over_requests: int | None = None
    ) -> bool:
        """More budget; a sweep that has ended, except by failing, goes on with it.

        `pays_over_requests` takes the place of what was said before; None: the budget alone
        ends it.

        Raises:
            Frozen: Its result is approved.
        """
        self.refuse_if_frozen()
        more: dict[str, Any] = {
            "budget_trials": models.F("budget_trials") + trials,
            "pays_over_requests": pays_over_requests,
        }
        if board_s is not None:
            more["budget_board_s"] = models.F("budget_board_s") + board_s
        if self.pack_id:
            return False
        if self.state in self.OPEN:
            return self._move(self.OPEN, self.state, **more)
        ended = (self.State.FINISHED, self.State.CANCELLED)
        return self._move(ended, self.State.RUNNING, ended_because="", finished_at=None, **more)

    def finish(self, because: str) -> bool:
        return self._end(self.State.FINISHED, because)

    def fail(self, because: str) -> bool:
        return self._end(self.State.FAILED, because)

    def cancel(self, because: str) -> bool:
        return self._end(self.State.CANCELLED, because)

    def _end(self, state: str, because: str) -> bool:
        return self._move(self.OPEN, state, ended_because=because, finished_at=timezone.now())

    def _move(self, before: tuple[str, ...], after: str, **fields: object) -> bool:
        moved = Sweep.objects.filter(pk=self.pk, state__in=before).update(state=after, **fields)
        self.refresh_from_db()
        return bool(moved)


class SweepAxis(models.Model):
    """One named axis of a sweep's space: gpu_min_hz, gpu_max_hz, emc_hz, cpu_hz or batch_size."""

    sweep = models.ForeignKey(Sweep, on_delete=models.CASCADE, related_name="axes")
    position = models.PositiveIntegerField()
    name = models.CharField(max_length=40)
    values = ArrayField(models.BigIntegerField())

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["sweep", "name"], name="axis_once_per_sweep"),
            models.UniqueConstraint(fields=["sweep", "position"], name="axis_position_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.values}"
