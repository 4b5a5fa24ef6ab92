"""A sweep's CPU phase over the emulated board's physics, and its rows, without broker."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from measurements import recording
from measurements import tasks as measurement_tasks
from measurements.board.hardware import emulator
from measurements.board.trial import run_trial
from measurements.models import Device, Run
from measurements.tests.rows import make_network, make_user
from tuning import cpu_answer, forking, lists, search, tasks
from tuning.models import CpuPhase, Sweep
from tuning.tests.rows import make_phase, make_sweep
from tuning.tests.test_search import end

pytestmark = pytest.mark.django_db
HEAVY = {"flops_per_item": 75e9, "bytes_per_item": 2600e6, "bytes_fixed": 265e6,
         "input_shape": [None, 3, 600, 600]}  # fmt: skip
"""About EfficientNet-B7: its inference takes longer than preparing a picture."""


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(measurement_tasks.dispatch, "delay", lambda device: None)


def under_way(sweep: Sweep) -> Run | None:
    return Run.objects.queued().filter(device=sweep.device).first()


def measured(sweep: Sweep, board) -> None:
    """Let `board` carry out whatever `sweep` asks for, until it asks for nothing."""
    search.advance(sweep.pk)
    while (run := under_way(sweep)) is not None:
        run.claim()
        record = run_trial(
            run.plan(), board, attempt=1, progress=lambda _: None, cancelled=lambda: False
        )
        recording.store(Run.objects.get(pk=run.pk), record)
        tasks.observe(str(run.pk))
    sweep.refresh_from_db()


def sweep_on(kind: str, tmp_path: Path, **fields) -> tuple[Sweep, object]:
    board = emulator.open_board(kind, name="board", tree=tmp_path)
    device = Device(name="board")
    device.register(board.describe())
    network = make_network(**HEAVY)
    axes = {"gpu_max_hz": list(device.gpu_hz[-2:]), "batch_size": [1]}
    given = {"slo_ms": None, "budget_trials": 2, "requests": 100, "half_width_percent": 2.0}
    sweep = make_sweep(device=device, network=network, axes=axes, **{**given, **fields})
    make_phase(sweep, clocks_hz=list(device.cpu_hz))
    return sweep, board


@pytest.mark.parametrize("kind", ["agx-orin", "tx2"])
def test_preprocessing_speaks_for_a_slow_clock_and_whole_requests_have_the_last_word(
    kind, tmp_path
):
    sweep, board = sweep_on(kind, tmp_path)
    measured(sweep, board)
    phase, top = CpuPhase.objects.get(sweep=sweep), max(sweep.device.cpu_hz)
    assert sweep.state == Sweep.State.FINISHED, sweep.ended_because
    tried = phase.trials.filter(work="request", cpu_hz__isnull=False)
    assert tried.first().cpu_hz < 0.9 * top  # inference sets the pace: the core may be slower
    found = cpu_answer.answer(sweep, phase)
    if phase.state == CpuPhase.State.CHOSEN:
        assert phase.chosen_hz == tried.last().cpu_hz and found.overall.share > 0
        assert 0 < found.added.share < 1.2 and found.chosen.time_ms > found.found.time_ms
    else:
        assert "Whole requests" in phase.because
    trials = Run.objects.filter(trial_run__trial__sweep=sweep)
    assert {run.cpu_hz for run in trials} == {phase.chosen_hz}


def ended(sweep: Sweep, state: str = Run.State.DONE, **results) -> Run:
    """The run under way ends with these results, and the sweep takes note."""
    run = under_way(sweep)
    end(run, state)
    Run.objects.filter(pk=run.pk).update(**results)
    tasks.observe(str(run.pk))
    run.refresh_from_db()
    return run


def test_a_sweep_with_a_phase_begins_with_it_and_its_trials_hold_the_chosen_clock():
    sweep = make_sweep(slo_ms=None)
    phase = make_phase(sweep)
    search.advance(sweep.pk)
    whole = ended(sweep, inference_s=10.0, mean_power_w=20.0, window_start_s=0, window_end_s=10)
    assert (whole.work, whole.cpu_hz, whole.batch_size) == ("request", None, 4)
    low, middle, top = phase.clocks_hz
    for hz, power_w in ((None, 9.0), (top, 9.0), (middle, 6.0), (low, 5.5)):
        run = ended(
            sweep, mean_power_w=power_w, idle_power_w=5.0, latency_mean_ms=8e9 / (hz or top)
        )
        assert (run.work, run.cpu_hz, run.batch_size) == ("preprocessing", hz, 1)
        assert sweep.trials.count() == 0
    confirmed = ended(sweep, mean_power_w=19.0, window_start_s=0, window_end_s=10)
    phase.refresh_from_db()
    assert phase.state == CpuPhase.State.CHOSEN
    assert (confirmed.work, confirmed.cpu_hz) == ("request", phase.chosen_hz)
    assert under_way(sweep).cpu_hz == phase.chosen_hz
    assert sweep.trials.get().values[0] == under_way(sweep).gpu_max_hz


def test_board_seconds_of_both_phases_count_and_are_told_apart():
    sweep = make_sweep(budget_board_s=25.0)
    make_phase(sweep)
    search.advance(sweep.pk)
    for _ in range(3):
        ended(sweep)
    sweep.refresh_from_db()
    assert (sweep.board_s(), sweep.cpu_board_s()) == (30.0, 30.0)
    assert Sweep.objects.annotate(listed=lists.board_s()).get().listed == 30.0
    assert sweep.state == Sweep.State.FINISHED and "25 board seconds" in sweep.ended_because
    assert sweep.phase.is_open
    sweep.extend(trials=1, board_s=100.0)
    search.advance(sweep.pk)
    assert under_way(sweep).work == "preprocessing"


def test_a_phase_goes_on_after_a_lost_message_and_asks_nothing_twice():
    sweep = make_sweep()
    make_phase(sweep)
    search.advance(sweep.pk)
    search.advance(sweep.pk)
    assert Run.objects.count() == 1
    end(under_way(sweep), Run.State.DONE)
    tasks.tick()
    assert [run.work for run in Run.objects.order_by("queued_at")] == ["request", "preprocessing"]


def test_an_invalid_run_of_the_phase_is_repeated_and_its_clock_left_out_after_three():
    sweep = make_sweep()
    phase = make_phase(sweep)
    search.advance(sweep.pk)
    for _ in range(3):
        assert ended(sweep, Run.State.INVALID).cpu_hz is None
    assert phase.trials.get(number=1).state == "given_up"
    assert under_way(sweep).work == "preprocessing"


def test_a_board_that_fails_in_the_phase_fails_the_sweep():
    sweep = make_sweep()
    make_phase(sweep)
    search.advance(sweep.pk)
    for _ in range(9):
        ended(sweep, Run.State.INVALID)
    sweep.refresh_from_db()
    assert sweep.state == Sweep.State.FAILED and "CPU phase" in sweep.ended_because


def test_a_load_that_prepares_nothing_ends_the_phase_and_not_the_sweep():
    sweep = make_sweep()
    phase = make_phase(sweep)
    search.advance(sweep.pk)
    ended(sweep)
    run = under_way(sweep)
    run.verdicts.create(code="no-preprocessing", text="trtexec serves without preprocessing")
    ended(sweep, Run.State.INVALID)
    phase.refresh_from_db()
    assert phase.state == CpuPhase.State.SKIPPED
    assert sweep.trials.count() == 1 and under_way(sweep).cpu_hz is None


def test_cancelling_ends_what_the_phase_measures_and_extending_measures_it_anew():
    sweep = make_sweep()
    phase = make_phase(sweep)
    search.advance(sweep.pk)
    assert search.cancel(sweep, "by a person")
    assert phase.trials.get().state == "cancelled" and under_way(sweep) is None
    sweep.extend(trials=1)
    search.advance(sweep.pk)
    assert under_way(sweep).work == "request"
    assert phase.trials.get().state == "asked"


def test_a_fork_takes_the_phase_over_and_measures_nothing_of_it_again():
    sweep = make_sweep()
    phase = make_phase(sweep)
    search.advance(sweep.pk)
    ended(sweep)
    phase.choose(phase.clocks_hz[1], "for a test")
    cleaned = {"name": "other", "objective": "busy", "slo_statistic": "p95", "slo_ms": 90.0,
               "strategy": "grid", "budget_trials": 2, "budget_minutes": None}  # fmt: skip
    fork = forking.fork(Sweep.objects.get(pk=sweep.pk), cleaned, by=make_user())
    assert fork.held_cpu_hz == phase.clocks_hz[1]
    assert fork.phase.trials.get().taken_over and fork.cpu_board_s() == 0
    Run.objects.queued().delete() if under_way(sweep) is None else under_way(sweep).cancel()
    search.advance(fork.pk)
    assert Run.objects.get(trial_run__trial__sweep=fork).cpu_hz == phase.clocks_hz[1]


@pytest.mark.parametrize("fields", [
    {"state": "chosen", "chosen_hz": None, "because": "x"},
    {"state": "left", "chosen_hz": 1, "because": "x"},
    {"state": "left", "chosen_hz": None, "because": ""},
])  # fmt: skip
def test_the_database_refuses_a_phase_that_contradicts_itself(fields):
    sweep = make_sweep()
    with pytest.raises(IntegrityError), transaction.atomic():
        CpuPhase.objects.create(sweep=sweep, clocks_hz=[1, 2], **fields)


def test_the_database_refuses_one_cpu_trial_twice_also_as_found():
    phase = make_phase(make_sweep())
    phase.trials.create(number=1, work="preprocessing", cpu_hz=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        phase.trials.create(number=2, work="preprocessing", cpu_hz=None)
