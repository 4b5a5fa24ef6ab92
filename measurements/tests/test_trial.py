import itertools

import pytest

from measurements import quality
from measurements.board.catalogue import open_board
from measurements.board.course import SETTLE_S, TAIL_S
from measurements.board.trial import Cancelled, run_trial
from measurements.messages import Arrivals, NetworkFeatures, OperatingPoint, Plan, Record
from measurements.record_form import check
from measurements.tests.bench_board import DEFAULT, PERIOD_S, BenchBoard, BenchClock

NETWORK = NetworkFeatures(
    name="efficientnet-b0",
    sha256=None,
    input_shape=[None, 3, 224, 224],
    input_dtype="float32",
    flops_per_item=0.78e9,
    flops_fixed=0.0,
    bytes_per_item=30e6,
    bytes_fixed=21e6,
)
HELD = OperatingPoint(gpu_min_hz=1000, gpu_max_hz=1000)


def _plan(**fields) -> Plan:
    values = {
        "run_id": "00000000-0000-4000-8000-000000000001",
        "device": "bench",
        "network": NETWORK,
        "point": HELD,
        "batch_size": 1,
        "arrivals": Arrivals(),
        "requests": 100,
        "warm_up_s": 0.99,  # 50 batches of 20 ms: the one that is running at 0.99 s counts
        "sample_interval_ms": 50,
        "seed": 3,
    }
    return Plan(**{**values, **fields})


def _run(board, plan=None, *, progress=lambda seen: None, cancelled=lambda: False) -> Record:
    return run_trial(plan or _plan(), board, attempt=1, progress=progress, cancelled=cancelled)


def _phase(record, name):
    (phase,) = (phase for phase in record.phases if phase.name == name)
    return phase


def _codes(record):
    return [fault.code for fault in record.faults]


# The course of a good run.


def test_the_phases_follow_each_other_from_the_start_of_sampling():
    record = _run(BenchBoard())
    assert [phase.name for phase in record.phases] == ["settle", "warm_up", "serve", "tail"]
    assert record.phases[0].start_s == 0
    for before, after in itertools.pairwise(record.phases):
        assert after.start_s == pytest.approx(before.end_s)
    assert _phase(record, "settle").end_s == pytest.approx(SETTLE_S)
    tail = _phase(record, "tail")
    assert tail.end_s - tail.start_s == pytest.approx(TAIL_S)
    assert record.board_s == pytest.approx(tail.end_s)
    assert record.faults == []
    check(record)


def test_only_what_is_served_after_the_warm_up_is_measured():
    record = _run(BenchBoard())
    # 50 requests of 20 ms each warm up, then 100 measured ones take 2 s.
    serve = _phase(record, "serve")
    assert serve.start_s == pytest.approx(SETTLE_S + 1.0)
    assert serve.end_s == pytest.approx(SETTLE_S + 3.0)
    assert len(record.requests.end_s) == 100
    assert record.requests.start_s[0] == pytest.approx(serve.start_s)
    assert record.requests.end_s[-1] == pytest.approx(serve.end_s)


def test_no_pause_lies_between_warm_up_and_measured_requests():
    record = _run(BenchBoard())
    assert record.requests.start_s[0] == pytest.approx(_phase(record, "warm_up").end_s)


def test_without_warm_up_the_first_request_is_measured():
    record = _run(BenchBoard(), _plan(warm_up_s=0.0))
    assert record.requests.start_s[0] == pytest.approx(SETTLE_S)


def test_samples_cover_everything_and_count_from_the_start_of_sampling():
    record = _run(BenchBoard())
    assert 0 <= record.samples.t_us[0] <= 100_000
    assert record.samples.t_us[-1] == pytest.approx(record.phases[-1].end_s * 1e6, abs=1)
    assert record.samples.rails_w == [[10.0] * len(record.samples.t_us)]
    assert record.samples.t_us == sorted(record.samples.t_us)


def test_with_the_sampler_off_the_requests_are_served_and_timed_as_ever():
    cannot_sample = BenchBoard(tegrastats_missing=True)
    record = _run(cannot_sample, _plan(sample_interval_ms=None))
    assert record.samples.t_us == [] and record.faults == [] and record.sampler_cpu is None
    assert [phase.name for phase in record.phases] == ["settle", "warm_up", "serve", "tail"]
    assert record.requests == _run(BenchBoard()).requests
    check(record)
    assert [(found.severity, found.code) for found in quality.findings(record)] == [
        ("note", "not-sampled")
    ]


def test_the_requests_are_rounded_up_to_whole_batches():
    record = _run(BenchBoard(), _plan(batch_size=16, requests=100))
    assert len(record.requests.end_s) == 112
    assert len(set(record.requests.end_s)) == 7


def test_at_a_rate_requests_keep_their_arrival_times():
    arrivals = Arrivals(kind="uniform", rate_hz=10.0)
    record = _run(BenchBoard(), _plan(arrivals=arrivals, requests=20))
    first_s = SETTLE_S + 1.0
    assert record.requests.arrival_s == pytest.approx([first_s + i / 10 for i in range(20)])
    assert _phase(record, "serve").start_s == pytest.approx(first_s)
    check(record)


@pytest.mark.parametrize("seed", range(5))
def test_a_poisson_run_warms_up_as_long_as_asked_and_measures_whole_batches(seed):
    arrivals = Arrivals(kind="poisson", rate_hz=30.0)
    plan = _plan(arrivals=arrivals, requests=40, batch_size=4, warm_up_s=2.0, seed=seed)
    record = _run(BenchBoard(), plan)
    assert len(record.requests.arrival_s) == 40
    assert record.requests.arrival_s[0] >= SETTLE_S + 2.0
    assert len(set(record.requests.end_s)) == 10
    assert record.faults == []
    check(record)


def test_a_batch_that_began_with_warm_up_requests_is_not_measured():
    # 10 requests (1 s at 10 a second) warm up; batches of 4 take up 12 of them.
    arrivals = Arrivals(kind="uniform", rate_hz=10.0)
    record = _run(BenchBoard(), _plan(arrivals=arrivals, batch_size=4, requests=8))
    assert record.requests.arrival_s[0] == pytest.approx(SETTLE_S + 1.2)
    assert len(record.requests.arrival_s) == 8


def test_a_load_that_is_too_slow_for_its_rate_is_measured_as_it_is():
    arrivals = Arrivals(kind="uniform", rate_hz=2 / PERIOD_S)
    record = _run(BenchBoard(), _plan(arrivals=arrivals, requests=50))
    waits_s = [e - a for a, e in zip(record.requests.arrival_s, record.requests.end_s, strict=True)]
    assert waits_s[-1] - waits_s[0] == pytest.approx(49 * PERIOD_S / 2)


def test_the_record_says_what_was_held_and_that_it_was_restored():
    board = BenchBoard()
    record = _run(board)
    assert (record.before, record.held, record.restored) == (DEFAULT, HELD, DEFAULT)
    assert board.point() == DEFAULT


def test_the_stream_of_requests_is_closed_when_it_is_enough():
    board = BenchBoard()
    _run(board)
    assert board.last_load.was_closed


def test_progress_tells_each_phase_and_each_batch():
    seen = []
    _run(BenchBoard(), progress=seen.append)
    assert list(dict.fromkeys(p.phase for p in seen)) == ["settle", "warm_up", "serve", "tail"]
    assert [p.requests_done for p in seen if p.phase == "serve"] == list(range(1, 101))
    assert all(p.held == HELD for p in seen)
    assert len(seen[-1].samples) > 100


def test_progress_never_counts_more_than_was_asked_for():
    seen = []
    _run(BenchBoard(), _plan(batch_size=16, requests=100), progress=seen.append)
    assert max(p.requests_done for p in seen) == 100


# The same on the emulated Jetson.


@pytest.mark.parametrize(
    ("arrivals", "batch_size"),
    [
        (Arrivals(), 1),
        (Arrivals(), 16),
        (Arrivals(kind="uniform", rate_hz=50.0), 4),
        (Arrivals(kind="poisson", rate_hz=60.0), 1),
    ],
)
def test_a_run_on_the_emulated_board_is_one_that_the_server_believes(
    tmp_path, arrivals, batch_size
):
    board = open_board("emulated:agx-orin", name="bench", state_dir=tmp_path, pace=lambda: None)
    info = board.describe()
    point = OperatingPoint(
        gpu_min_hz=info.gpu_hz[5],
        gpu_max_hz=info.gpu_hz[9],
        emc_hz=info.emc_hz[2],
        cpu_hz=info.cpu_hz[10],
    )
    plan = _plan(point=point, arrivals=arrivals, batch_size=batch_size, requests=300)
    record = _run(board, plan)
    check(record)
    assert quality.findings(record) == []
    assert record.held == point
    assert record.restored == record.before == info.default
    assert 300 <= len(record.requests.end_s) < 300 + batch_size


# Cancelling.


@pytest.mark.parametrize("phase", ["settle", "warm_up", "serve", "tail"])
def test_a_cancelled_run_ends_at_once_in_every_phase_and_restores_the_clocks(phase):
    board, seen = BenchBoard(), []
    with pytest.raises(Cancelled):
        _run(board, progress=seen.append, cancelled=lambda: bool(seen) and seen[-1].phase == phase)
    assert seen[-1].phase == phase
    told_s = board.clock.now()
    assert len([p for p in seen if p.phase == phase]) == 1
    assert told_s <= 100.0 + SETTLE_S + 1.0 + 2.0 + 2 * 0.1
    assert board.point() == DEFAULT


def test_a_run_that_was_cancelled_before_it_began_serves_nothing():
    board = BenchBoard()
    with pytest.raises(Cancelled):
        _run(board, cancelled=lambda: True)
    assert board.clock.now() == 100.0


# What spoils a run.


def test_a_point_that_did_not_take_is_a_fault_not_an_exception():
    record = _run(BenchBoard(refuses_points=True))
    assert _codes(record) == ["point-not-held"]
    assert "reads 100 Hz" in record.faults[0].text
    assert record.held == OperatingPoint()
    assert record.requests.end_s == record.samples.t_us == record.phases == []
    check(record)


def test_a_point_that_this_board_does_not_have_is_a_fault():
    record = _run(BenchBoard(), _plan(point=OperatingPoint(gpu_max_hz=123)))
    assert _codes(record) == ["point-not-held"]
    assert "not in the GPU's table" in record.faults[0].text


def test_a_missing_sampler_is_a_fault_and_the_clocks_are_restored():
    board = BenchBoard(tegrastats_missing=True)
    record = _run(board)
    assert _codes(record) == ["sampler-not-started"]
    assert record.held == HELD
    assert record.restored == DEFAULT


def test_a_sampler_that_says_nothing_is_a_fault_before_anything_is_served():
    board = BenchBoard(clock=BenchClock(silent_from_s=0))
    record = _run(board)
    assert _codes(record) == ["no-samples"]
    assert record.requests.end_s == []
    check(record)


def test_a_sampler_that_falls_silent_ends_the_run_within_seconds():
    board = BenchBoard(clock=BenchClock(silent_from_s=104.0))
    record = _run(board, _plan(requests=100_000))
    assert _codes(record) == ["sampler-stopped"]
    assert board.clock.now() < 107
    assert record.restored == DEFAULT


def test_a_load_that_breaks_down_is_a_fault_and_what_it_served_is_kept():
    board = BenchBoard(batches=80)
    record = _run(board)
    assert _codes(record) == ["load-failed"]
    assert len(record.requests.end_s) == 30  # 50 of 80 were warm-up
    assert [phase.name for phase in record.phases] == ["settle", "warm_up"]
    assert record.restored == DEFAULT


def test_a_mistake_in_the_program_is_no_fault_but_restores_the_clocks():
    board = BenchBoard()

    def broken(progress):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _run(board, progress=broken)
    assert board.point() == DEFAULT


# Preprocessing alone.


def test_preprocessing_alone_takes_its_cycles_at_the_held_cpu_clock(tmp_path):
    board = open_board("emulated:agx-orin", name="bench", state_dir=tmp_path, pace=lambda: None)
    times_s = {}
    for cpu_hz in (1_113_600_000, 2_201_600_000):
        plan = _plan(point=OperatingPoint(cpu_hz=cpu_hz), work="preprocessing")
        record = _run(board, plan)
        assert not record.faults and not [
            f for f in quality.findings(record) if f.severity == "invalid"
        ]
        check(record)
        served = record.requests
        times_s[cpu_hz] = sum(served.end_s) - sum(served.inference_start_s)
        assert served.start_s == served.inference_start_s
        assert max(filter(None, record.samples.gpu_busy_percent), default=0) == 0
    assert times_s[1_113_600_000] / times_s[2_201_600_000] == pytest.approx(
        2_201_600 / 1_113_600, rel=0.01
    )


def test_a_load_that_prepares_nothing_says_so():
    record = _run(BenchBoard(), _plan(work="preprocessing"))
    assert _codes(record) == ["no-preprocessing"]
    assert "without preprocessing" in record.faults[0].text
