import pytest

from measurements import tasks as measurement_tasks
from measurements.models import Run
from measurements.tests.rows import make_device, make_user
from tuning import forking, optimizer, search, search_cost
from tuning.models import Sweep

from .rows import make_phase, make_sweep, make_trial

pytestmark = pytest.mark.django_db
DRAWN = {"mean_power_w": 20.0, "idle_power_w": 5.0, "board_s": 30.0}


def make_run_of(sweep, **fields):
    """A done trial: 20 s of warm-up and serving at 20 W, 10 s at 5 W: 450 J."""
    trial = make_trial(sweep, **{**DRAWN, **fields})
    run = trial.trial_runs.get().run
    for name, start_s, end_s in (("settle", 0, 6), ("warm_up", 6, 10), ("serve", 10, 26)):
        run.phases.create(name=name, start_s=start_s, end_s=end_s)
    return trial


def test_a_run_draws_its_power_while_it_serves_and_idles_for_the_rest():
    sweep = make_sweep()
    make_run_of(sweep)
    cost = search_cost.of(sweep)
    assert (cost.energy_j, cost.energy_wh, cost.board_s, cost.runs) == (450.0, 0.125, 30.0, 1)


def test_without_idle_power_a_run_counts_as_serving_all_the_time():
    sweep = make_sweep()
    make_run_of(sweep, idle_power_w=None)
    assert search_cost.of(sweep).energy_j == 600.0


def test_a_run_that_tells_no_power_is_untold_and_never_nothing():
    sweep = make_sweep()
    make_run_of(sweep, mean_power_w=None, idle_power_w=None)
    assert search_cost.of(sweep).energy_j is None
    make_run_of(sweep)
    cost = search_cost.of(sweep)
    assert (cost.energy_j, cost.untold, cost.each_j) == (450.0, 1, 450.0)


def test_every_board_has_its_own_line():
    sweep = make_sweep()
    make_run_of(sweep)
    make_run_of(sweep, device=make_device(name="zwei"))
    boards = search_cost.of(sweep).boards
    assert [(one.runs, one.energy_j) for one in boards] == [(1, 450.0), (1, 450.0)]


def test_the_cpu_phase_is_part_of_the_search():
    sweep = make_sweep()
    trial = make_run_of(sweep)
    phase = make_phase(sweep)
    step = phase.trials.create(number=1, cpu_hz=phase.clocks_hz[0])
    step.trial_runs.create(run=trial.trial_runs.get().run)
    trial.delete()
    assert search_cost.of(sweep).energy_j == 450.0


def test_what_a_fork_took_over_is_free():
    source = make_sweep(state=Sweep.State.FINISHED)
    make_run_of(source)
    cleaned = {"name": "again", "objective": "busy", "goal": "energy", "slo_statistic": "p95",
               "slo_ms": 60.0, "strategy": "grid", "budget_trials": 1, "budget_minutes": None,
               "pays_over_requests": None}  # fmt: skip
    fork = forking.fork(source, cleaned, by=make_user())
    assert search_cost.of(fork).runs == 0


def test_it_costs_one_query(django_assert_num_queries):
    sweep = make_sweep()
    make_run_of(sweep)
    with django_assert_num_queries(1):
        search_cost.of(sweep)


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(measurement_tasks.dispatch, "delay", lambda pk: None)


def searching(monkeypatch, *, gain_j, **fields):
    """A sweep with six measured points whose model promises `gain_j`."""
    sweep = make_sweep(**{"pays_over_requests": 1_000_000, **fields})
    for number in range(6):
        make_run_of(sweep, busy_energy_j=0.5 - 0.01 * number, latency_p95_upper_ms=40.0)
    monkeypatch.setattr(optimizer, "expected_gain_j", lambda question: gain_j)
    search.advance(sweep.pk)
    sweep.refresh_from_db()
    return sweep


def test_a_sweep_ends_when_the_next_measurement_does_not_pay(monkeypatch, quiet):
    sweep = searching(monkeypatch, gain_j=0.0001)
    assert sweep.state == Sweep.State.FINISHED
    assert sweep.ended_because == (
        "Next measurement: expected to save 0.100 mJ/request × 1,000,000 requests = 100 J, "
        "costs about 450 J: stopped."
    )
    assert (sweep.gain_j, sweep.next_cost_j) == (0.0001, 450.0)


def test_a_sweep_goes_on_while_the_next_measurement_pays(monkeypatch, quiet):
    sweep = searching(monkeypatch, gain_j=0.001)
    assert sweep.state == Sweep.State.RUNNING
    assert sweep.prospect.pays and sweep.trials.asked().count() == 1


def test_the_rule_is_not_asked_where_nobody_said_how_many_requests(monkeypatch, quiet):
    sweep = searching(monkeypatch, gain_j=0.0, pays_over_requests=None)
    assert sweep.state == Sweep.State.RUNNING and sweep.prospect is None


def test_a_search_that_is_resumed_ends_at_the_same_point(quiet):
    """The decision rests on the observations alone: it is the same each time it is asked."""
    sweep = make_sweep(pays_over_requests=10, state=Sweep.State.PAUSED)
    for number in range(6):
        make_run_of(sweep, busy_energy_j=0.5 - 0.01 * number, latency_p95_upper_ms=40.0)
    words = set()
    for _ in range(2):
        Sweep.objects.filter(pk=sweep.pk).update(state="running", gain_j=None, next_cost_j=None)
        search.advance(sweep.pk)
        sweep.refresh_from_db()
        assert sweep.state == Sweep.State.FINISHED
        words.add(sweep.ended_because)
    assert len(words) == 1
    assert Run.objects.count() == 6
