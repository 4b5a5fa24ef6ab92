"""Sweeps whose first looks are coarse and whose contenders are measured again."""

from __future__ import annotations

import csv

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from measurements import tasks as measurement_tasks
from measurements.models import Run
from measurements.roles import OPERATOR
from measurements.tests.rows import make_device, make_user
from tuning import forking, launching, results, search, strategies, tasks
from tuning.evidence import importing
from tuning.models import Sweep, Trial

from .rows import make_sweep, make_trial, make_verification
from .test_evidence import forget, measured_sweep, packed
from .test_forms import refusal
from .test_sharing import fork_fields

pytestmark = pytest.mark.django_db
AXES = {"gpu_max_hz": [100, 200, 400], "batch_size": [1]}
ENERGIES_J = {100: 1.0, 200: 1.005, 400: 2.0}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measurement_tasks.dispatch, "delay", lambda pk: None)


def repeating(**fields) -> Sweep:
    """Three clocks, two of them a close race, energies wanted to ± 1 %."""
    values = {"axes": AXES, "slo_ms": None, "half_width_percent": 1.0, "may_repeat": True,
              "budget_trials": 6, **fields}  # fmt: skip
    return make_sweep(**values)


def runs_of(sweep: Sweep) -> list[Run]:
    return list(Run.objects.filter(trial_run__trial__sweep=sweep).order_by("trial_run__pk"))


def ended(clock: int, percent: float) -> dict[str, object]:
    """What a board tells: as exact as it was asked, and off by a third of that."""
    energy_j = ENERGIES_J[clock] * (1 + percent / 300)
    return {"busy_energy_j": energy_j, "busy_half_width_j": energy_j * percent / 100,
            "latency_p95_ms": 40.0, "board_s": 10.0, "requests_served": 100}  # fmt: skip


def end(run: Run, state: str = Run.State.DONE) -> None:
    told = ended(run.gpu_max_hz, run.half_width_percent)
    Run.objects.filter(pk=run.pk).update(state=state, finished_at=timezone.now(), **told)
    tasks.observe(str(run.pk))


def go_through(sweep: Sweep) -> Sweep:
    search.advance(sweep.pk)
    while waiting := [run for run in runs_of(sweep) if run.state == Run.State.QUEUED]:
        end(waiting[0])
    return Sweep.objects.with_standing().get(pk=sweep.pk)


def test_first_looks_are_coarse_and_contenders_are_measured_again_closer():
    sweep = go_through(repeating())
    asked = [(run.gpu_max_hz, run.half_width_percent) for run in runs_of(sweep)]
    first, again = asked[:3], asked[3:]
    assert {clock for clock, _ in first} == {100, 200, 400}
    assert {percent for _, percent in first} == {3.0}
    assert again and {percent for _, percent in again} == {1.0}
    assert {clock for clock, _ in again} <= {100, 200}


def test_without_repeats_every_point_is_measured_once_and_exactly():
    sweep = go_through(repeating(may_repeat=False))
    assert [run.half_width_percent for run in runs_of(sweep)] == [1.0] * 3
    assert sweep.ended_because == "Every point of the space has been measured."


def test_the_latest_look_stands_for_its_point_everywhere():
    sweep = go_through(repeating())
    shown = results.rows(sweep, results.measured(sweep), sweep.space().names)
    assert len(shown) == 3 < sweep.trials.count()
    assert len({one.point["gpu_max_hz"] for one in shown}) == 3
    looked = {one.point["gpu_max_hz"]: one.look for one in shown}
    assert max(looked.values()) > 1 == looked[400]
    best = results.best(sweep, sweep.space().names)
    assert (best.number, best.energy_j) == (sweep.best["number"], sweep.best["energy_j"])
    assert best.half_width_j == pytest.approx(0.01 * best.energy_j)


def test_a_look_that_tells_no_energy_leaves_the_earlier_one_standing():
    sweep = repeating()
    first = make_trial(sweep, busy_energy_j=1.0)
    again = sweep.next_trial(tuple(first.values))
    run = make_trial(sweep, busy_energy_j=None).trial_runs.get().run
    again.trial_runs.create(run=run)
    search.observe(str(run.pk))
    first.refresh_from_db()
    assert not first.is_superseded


def test_the_same_rows_lead_to_the_same_next_run():
    sweep = repeating()
    search.advance(sweep.pk)
    for _ in range(4):
        end(runs_of(sweep)[-1])
    asked = runs_of(sweep)[-1]
    before = [o for o in Sweep.objects.get(pk=sweep.pk).question().observations if o.is_measured]
    sweep.trials.asked().delete()
    question = Sweep.objects.get(pk=sweep.pk).question()
    assert list(question.observations) == before
    again = strategies.next_run(sweep.strategy, question)
    assert (again.point[0], again.half_width_percent) == (asked.gpu_max_hz, 1.0)


def test_an_invalid_look_is_repeated_as_exactly_as_it_was_asked():
    sweep = repeating()
    search.advance(sweep.pk)
    end(runs_of(sweep)[0], Run.State.INVALID)
    assert [run.half_width_percent for run in runs_of(sweep)] == [3.0, 3.0]
    assert sweep.trials.count() == 1


def test_two_boards_never_look_at_one_point_at_the_same_time():
    sweep = repeating()
    sweep.others.add(make_device())
    search.advance(sweep.pk)
    looked_again = 0
    while waiting := [run for run in runs_of(sweep) if run.state == Run.State.QUEUED]:
        assert len({run.gpu_max_hz for run in waiting}) == len(waiting) <= 2
        end(waiting[0])
        looked_again = sweep.trials.filter(look__gt=1).count()
    assert looked_again


def test_a_verified_winner_stays_verified_when_it_is_measured_again():
    sweep = repeating(state=Sweep.State.FINISHED)
    winner = make_trial(sweep, busy_energy_j=1.0)
    make_verification(sweep, winner)
    again = sweep.next_trial(tuple(winner.values))
    again.trial_runs.create(run=make_trial(sweep, busy_energy_j=0.9).trial_runs.get().run)
    again.observed()
    again.stand_for_its_point()
    sweep.trials.filter(look=1).exclude(pk=winner.pk).delete()
    found = Sweep.objects.with_standing().get(pk=sweep.pk)
    assert (found.best["number"], found.standing) == (again.number, "verified")


def test_a_fork_takes_every_look_over_and_repeats_only_where_it_can():
    source = go_through(repeating())
    looks = list(source.trials.values_list("values", "look", "is_superseded"))
    same = forking.fork(source, fork_fields(strategy="polyweb", slo_ms=None), by=make_user())
    grid = forking.fork(source, fork_fields(strategy="grid", slo_ms=None), by=make_user())
    assert list(same.trials.values_list("values", "look", "is_superseded")) == looks
    assert same.question().observations == source.question().observations
    assert (same.may_repeat, grid.may_repeat) == (True, False)


def test_the_last_trial_looks_closer_at_a_winner_that_was_seen_coarsely_only():
    sweep = go_through(repeating(axes={"gpu_max_hz": [200, 400], "batch_size": [1]}))
    asked = [(run.gpu_max_hz, run.half_width_percent) for run in runs_of(sweep)]
    assert asked[2:] == [(200, 1.0)]
    assert sweep.ended_because == "Every point of the space has been measured."


def test_a_search_that_pays_no_longer_still_looks_closer_at_its_winner(monkeypatch):
    monkeypatch.setattr(search, "_pays_no_longer", lambda sweep, question: "It pays no longer.")
    sweep = repeating()
    make_trial(sweep, **ended(100, 3.0))
    make_trial(sweep, **ended(200, 3.0))
    sweep = go_through(sweep)
    assert [trial.look for trial in sweep.trials.all()] == [1, 1, 2]
    assert sweep.ended_because == "It pays no longer."


def test_a_fork_numbers_looks_anew_where_one_was_given_up():
    source = repeating(state=Sweep.State.FINISHED)
    first = make_trial(source, **ended(100, 3.0))
    source.next_trial(tuple(first.values)).give_up()
    again = source.next_trial(tuple(first.values))
    again.trial_runs.create(run=first.trial_runs.get().run)
    again.observed()
    fork = forking.fork(source, fork_fields(strategy="polyweb", slo_ms=None), by=make_user())
    assert [trial.look for trial in fork.trials.all()] == [1, 2]
    assert fork.next_trial(tuple(first.values)).look == 3


def test_an_extended_sweep_goes_on_with_what_it_has_not_seen():
    sweep = go_through(repeating(budget_trials=3))
    assert sweep.extend(trials=1)
    go_through(sweep)
    assert [trial.look for trial in sweep.trials.all()] == [1, 1, 2, 1]


def test_the_csv_tells_every_run_with_its_precision(client: Client):
    client.force_login(make_user(OPERATOR))
    sweep = go_through(repeating())
    text = client.get(reverse("sweep_csv", args=[sweep.pk])).content.decode()
    lines = list(csv.DictReader(text.splitlines()))
    told = [(one["look"], one["asked_half_width_percent"], one["is_superseded"]) for one in lines]
    assert len(lines) == sweep.trials.count()
    assert {("1", "3.0", "True"), ("1", "3.0", "False")} < set(told)
    assert any(look == "2" and percent == "1.0" for look, percent, _ in told)


def test_a_pack_carries_every_look(tmp_path):
    sweep = measured_sweep()
    first = sweep.trials.first()
    first.is_superseded = True
    first.save()
    sweep.trials.filter(number=2).update(values=first.values, look=2)
    path = packed(sweep, tmp_path)
    forget(sweep)
    again = importing.load(path, by=None)
    assert list(again.trials.values_list("look", "is_superseded")) == [(1, True), (2, False)]


@pytest.mark.parametrize("look", [0, 5])
def test_the_database_refuses_a_look_out_of_range(look):
    with pytest.raises(IntegrityError, match="trial_look_in_range"), transaction.atomic():
        repeating().trials.create(number=1, values=[100, 1], look=look)


def test_the_database_refuses_the_same_look_twice():
    sweep = repeating()
    sweep.trials.create(number=1, values=[100, 1])
    with pytest.raises(IntegrityError, match="trial_look_once"), transaction.atomic():
        sweep.trials.create(number=2, values=[100, 1])
    assert sweep.next_trial((100, 1)).look == 2
    assert Trial.objects.count() == 2


@pytest.mark.parametrize(
    "fields", [{"strategy": "random"}, {"goal": "pareto"}, {"half_width_percent": None}]
)
def test_the_database_refuses_repeats_that_no_model_asks_for(fields):
    with pytest.raises(IntegrityError, match="sweep_repeats_by_a_model"), transaction.atomic():
        repeating(**fields)


def test_the_form_says_what_cannot_be_repeated():
    exact = {"half_width_percent": "1.0", "may_repeat": "1"}
    assert "polyweb" in refusal("may_repeat", **exact)
    assert "front" in refusal("may_repeat", **exact, strategy="polyweb", goal="pareto")
    assert "fixed" in refusal("may_repeat", may_repeat="1", strategy="polyweb")


def test_run_again_offers_the_same_way_of_measuring():
    assert launching.settings_of(repeating())["may_repeat"] == "1"
    assert launching.settings_of(repeating(may_repeat=False))["may_repeat"] == ""
