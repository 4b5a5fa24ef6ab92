import pytest
from django.db import IntegrityError, transaction

from measurements.roles import OPERATOR
from measurements.tests.rows import make_user
from tuning import results, verifying
from tuning.models import Sweep
from tuning.questions import Goal

from .rows import make_sweep, make_trial

pytestmark = pytest.mark.django_db

# (J, ms): the second has the least product, 8; the third is beaten by it, the last is too slow.
POINTS = [(0.8, 20.0), (0.4, 20.0), (0.45, 30.0), (0.36, 40.0), (0.1, 90.0)]


def make_searched(goal, **fields):
    sweep = make_sweep(goal=goal, state=Sweep.State.FINISHED, **fields)
    for energy_j, latency_ms in POINTS:
        make_trial(sweep, busy_energy_j=energy_j, busy_half_width_j=0.004,
                   latency_p95_ms=latency_ms, latency_p95_upper_ms=latency_ms + 1)  # fmt: skip
    return Sweep.objects.with_standing().get(pk=sweep.pk)


@pytest.mark.parametrize(("goal", "number"), [("energy", 4), ("energy_delay", 2), ("pareto", 2)])
def test_each_goal_has_its_own_best_point(goal, number):
    sweep = make_searched(goal)
    assert sweep.best["number"] == number
    assert results.best(sweep, sweep.space().names).number == number
    assert sweep.question().best.point == tuple(sweep.trials.get(number=number).values) or (
        goal == "pareto"
    )


def test_the_strategy_is_asked_for_the_sweeps_goal():
    for goal in Goal:
        assert make_sweep(goal=goal.value).question().goal is goal


def test_a_front_holds_what_no_other_point_beats_within_the_limit():
    sweep = make_searched("pareto")
    found = results.rows(sweep, results.measured(sweep), sweep.space().names)
    assert [one.number for one in results.front(found)] == [2, 4]


def test_a_chosen_point_of_a_front_is_verified():
    sweep = make_searched("pareto")
    found = verifying.begin(sweep, blocks=2, by=None, number=4)
    assert found.trial.number == 4


def test_the_knee_is_verified_where_nobody_chose():
    assert verifying.begin(make_searched("pareto"), blocks=2, by=None).trial.number == 2


@pytest.mark.parametrize("number", [3, 5, 99])
def test_a_point_beside_the_front_is_not_verified(number):
    with pytest.raises(verifying.CannotVerify, match="not on the front"):
        verifying.begin(make_searched("pareto"), blocks=2, by=None, number=number)


def test_where_there_is_one_winner_no_point_can_be_chosen():
    with pytest.raises(verifying.CannotVerify, match="one winner"):
        verifying.begin(make_searched("energy"), blocks=2, by=None, number=1)


def test_a_front_stands_as_its_verified_point_does():
    sweep = make_searched("pareto")
    trial = sweep.trials.get(number=4)
    sweep.verifications.create(
        trial=trial, device=sweep.device, blocks=2, seed=1, state="done", verdict="verified",
        words="saves 20 %",
    )  # fmt: skip
    assert Sweep.objects.with_standing().get(pk=sweep.pk).standing == Sweep.Standing.VERIFIED


def test_the_page_of_a_front_names_its_ends_and_its_knee(client):
    sweep = make_searched("pareto")
    client.force_login(make_user(OPERATOR))
    page = client.get(sweep.get_absolute_url()).content.decode()
    assert "A front of <strong>2</strong> points" in page and "its knee" in page
    panel = client.get(f"/sweeps/{sweep.pk}/panel/winner/").content.decode()
    assert "trial 2: 400 mJ at 20 ms, the knee" in panel


def test_what_if_ranks_by_the_goal(client):
    sweep = make_searched("energy_delay")
    client.force_login(make_user())
    assert client.get(f"/sweeps/{sweep.pk}/what-if/").status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"pays_over_requests": 0},
        {"pays_over_requests": 10, "strategy": "grid"},
        {"pays_over_requests": 10, "goal": "pareto"},
        {"pays_over_requests": 10, "goal": "energy_delay"},
    ],
)
def test_the_database_refuses_to_stop_by_a_gain_that_no_model_tells(fields):
    with pytest.raises(IntegrityError, match="sweep_pays"), transaction.atomic():
        make_sweep(**fields)


@pytest.mark.parametrize("fields", [{"gain_j": -1.0}, {"next_cost_j": -1.0}])
def test_the_database_refuses_a_negative_prospect(fields):
    with pytest.raises(IntegrityError, match="sweep_prospect"), transaction.atomic():
        make_sweep(**fields)
