import copy
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import pytest
from django.db import connection
from django.utils import timezone

from measurements import recording
from measurements.messages import VERSION, Fault, OperatingPoint, Rail, SamplerCpu
from measurements.models import PowerSample, RailMap, RequestLog, Run, Verdict
from measurements.tests.records import (
    make_board,
    make_record,
    make_requests,
    make_samples,
)
from measurements.tests.rows import make_run, make_user

pytestmark = pytest.mark.django_db


def claimed_run(**fields: object) -> Run:
    run = make_run(**fields)
    run.claim()
    return run


def test_a_record_becomes_energy_latency_and_samples():
    run = claimed_run()
    assert recording.store(run, make_record(run))
    assert run.state == Run.State.DONE
    # 10 W for 100 inferences of 80 ms: 0.8 J each; 6 W of it on the second rail.
    assert run.busy_energy_j == pytest.approx(0.8)
    assert run.rail_busy_energy_j == pytest.approx([0.8, 0.48])
    assert (run.latency_mean_ms, run.latency_p95_ms) == pytest.approx((100, 100))
    assert run.latency_p99_ms is None  # 100 requests cannot bound the 99th percentile
    assert (run.window_start_s, run.window_end_s) == pytest.approx((5.02, 15.0))
    assert run.inference_s == pytest.approx(8.0)
    assert run.samples.count() == 201
    assert run.samples.get(t_us=100_000).rails_w == [10.0, 6.0]
    assert run.samples.get(t_us=100_000).total_w == 10.0
    assert len(run.request_log.end_s) == 100
    assert list(run.phases.values_list("name", flat=True)) == ["settle", "warm_up", "serve", "tail"]


def test_a_run_whose_plan_turned_the_sampler_off_keeps_its_requests_and_has_no_energy():
    run = claimed_run(sample_interval_ms=None)
    plan = run.plan()
    assert (plan.gate, plan.longest_warm_up_s, plan.version) == (None, None, VERSION)
    record = make_record(run, samples=make_samples(seconds=-1))
    assert recording.store(run, record)
    assert run.state == Run.State.DONE
    assert (run.busy_energy_j, run.mean_power_w, run.idle_power_w) == (None, None, None)
    assert (run.window_start_s, run.window_end_s) == pytest.approx((5.02, 15.0))
    assert run.latency_p95_ms == pytest.approx(100)
    told = run.verdicts.get()
    assert (told.code, told.severity) == ("not-sampled", "note")
    assert "Not sampled, by plan" in told.text
    assert run not in Run.objects.done().sampled()


def test_samples_that_the_plan_did_not_ask_for_are_refused():
    run = claimed_run(sample_interval_ms=None)
    with pytest.raises(recording.RecordRefused, match="asked for no samples"):
        recording.store(run, make_record(run))


def test_a_board_that_samples_against_the_plan_is_refused():
    run = claimed_run(sample_interval_ms=None)
    sampled = msgspec.structs.replace(run.plan(), sample_interval_ms=50)
    with pytest.raises(recording.RecordRefused, match="sampling at all"):
        recording.store(run, make_record(plan=sampled))


def test_the_interval_of_a_constant_power_is_its_quantisation():
    run = claimed_run()
    recording.store(run, make_record(run))
    # Anywhere within +-0.02 W: 95 % of it at most, 0.8 of busy time, 10 requests a second.
    assert 0.8 <= run.busy_half_width_j / (0.8 * 0.02 / 10) <= 0.95


def test_back_to_back_requests_have_no_at_rate_energy():
    run = claimed_run()
    recording.store(run, make_record(run))
    assert (run.at_rate_energy_j, run.rail_at_rate_energy_j) == (None, [])


def test_requests_at_a_rate_have_both_energies():
    run = claimed_run(arrivals="uniform", rate_hz=10.0)
    recording.store(run, make_record(run))
    # 10 W from the first arrival at 5 s to the last completion at 15 s, 100 requests.
    assert run.at_rate_energy_j == pytest.approx(1.0)
    assert run.busy_energy_j == pytest.approx(0.8)


def test_a_record_stored_twice_counts_once():
    run = claimed_run()
    assert recording.store(run, make_record(run))
    second = make_record(run, samples=make_samples(rails_w=(20.0, 6.0)))
    assert not recording.store(run, second)
    run.refresh_from_db()
    assert run.busy_energy_j == pytest.approx(0.8)
    assert PowerSample.objects.count() == 201


def test_a_record_of_an_earlier_attempt_is_taken_while_none_came_before():
    run = claimed_run()
    Run.objects.update(state=Run.State.QUEUED)
    run.refresh_from_db()
    assert recording.store(run, make_record(run))
    assert run.state == Run.State.DONE


def test_the_manifest_tells_what_was_asked_and_read_back():
    run = claimed_run(gpu_min_hz=1_300_500_000, gpu_max_hz=1_300_500_000)
    before = OperatingPoint(gpu_max_hz=1_300_500_000)
    recording.store(run, make_record(run, before=before, restored=before))
    assert run.manifest["clocks"]["asked"]["gpu_max_hz"] == 1_300_500_000
    assert run.manifest["clocks"]["before"]["gpu_min_hz"] is None
    assert run.manifest["board"]["rails"][0]["name"] == "VDD_IN"
    assert run.manifest["attempt"] == 1
    assert run.manifest["record_sha256"] == run.record_sha256
    assert run.held_gpu_max_hz == 1_300_500_000


def test_a_board_fault_makes_the_run_invalid_and_keeps_its_samples():
    run = claimed_run()
    faults = [Fault(code="throttled", text="The GPU throttled.")]
    assert recording.store(run, make_record(run, faults=faults))
    assert run.state == Run.State.INVALID
    assert run.verdicts.get(code="throttled").text == "The GPU throttled."
    assert run.samples.count() == 201


def test_a_missing_total_leaves_the_energy_unknown():
    run = claimed_run()
    samples = make_samples()
    samples.rails_w[0][100] = None
    recording.store(run, make_record(run, samples=samples))
    assert run.state == Run.State.INVALID
    assert (run.busy_energy_j, run.mean_power_w) == (None, None)
    assert run.samples.get(t_us=10_000_000).total_w is None
    assert {verdict.code for verdict in run.verdicts.all()} == {"rail-missing", "energy-unknown"}


def test_a_missing_value_on_a_side_rail_leaves_that_rail_unknown():
    run = claimed_run()
    samples = make_samples()
    samples.rails_w[1][100] = None
    recording.store(run, make_record(run, samples=samples))
    assert run.state == Run.State.DONE
    assert run.rail_busy_energy_j == [pytest.approx(0.8), None]


def test_an_unknown_step_leaves_the_interval_unknown_and_says_so():
    run = claimed_run()
    rails = [Rail(name="VDD_IN", part="input", in_total=True)]
    record = make_record(
        run,
        board=make_board(name=run.device.name, rails=rails),
        samples=make_samples(rails_w=(10.0,)),
    )
    recording.store(run, record)
    assert (run.state, run.busy_half_width_j) == (Run.State.DONE, None)
    assert run.verdicts.get().code == "interval-unknown"


def test_a_run_that_served_nothing_has_no_figures():
    run = claimed_run()
    faults = [Fault(code="load-failed", text="Out of memory.")]
    recording.store(run, make_record(run, requests=make_requests(n=0), faults=faults))
    assert (run.state, run.requests_served) == (Run.State.INVALID, 0)
    assert (run.busy_energy_j, run.latency_mean_ms) == (None, None)


def test_two_samples_at_one_instant_keep_the_first():
    run = claimed_run()
    samples = make_samples()
    samples.t_us[1] = 0
    recording.store(run, make_record(run, samples=samples))
    assert run.state == Run.State.INVALID
    assert run.samples.count() == 200


@dataclass(frozen=True)
class Bad:
    """How to spoil a record: replace these fields."""

    why: str
    fields: dict


def nan_power():
    samples = make_samples()
    samples.rails_w[0][3] = math.nan
    return samples


def short_column():
    samples = make_samples()
    samples.gpu_mhz.pop()
    return samples


def infinite_end():
    requests = make_requests()
    requests.end_s[-1] = math.inf
    return requests


def negative_arrival():
    requests = make_requests()
    requests.arrival_s[0] = -1.0
    return requests


def backwards_request():
    requests = make_requests()
    requests.end_s[5] = requests.start_s[5] - 0.05
    return requests


MALFORMED = [
    Bad("holds a value outside", {"samples": nan_power()}),
    Bad("gpu_mhz has 200 values", {"samples": short_column()}),
    Bad("end_s holds", {"requests": infinite_end()}),
    Bad("arrival_s holds", {"requests": negative_arrival()}),
    Bad("ends before it starts", {"requests": backwards_request()}),
    Bad("samples of 1 rails", {"samples": make_samples(rails_w=(1.0,))}),
    Bad("board_s", {"board_s": math.nan}),
    Bad("sampler_cpu", {"sampler_cpu": SamplerCpu(over_s=1, reader_s=-1, program_s=None)}),
    Bad("attempt 2", {"attempt": 2}),
    Bad("no time with a zone", {"started_at": "yesterday"}),
    Bad("NUL", {"unknown_tokens": {"a\0b": 1}}),
    Bad("letters", {"faults": [Fault(code="x" * 41, text="long")]}),
]


@pytest.mark.parametrize("bad", MALFORMED, ids=lambda bad: bad.why)
def test_a_malformed_record_is_refused_and_loses_nothing(bad):
    run = claimed_run()
    record = msgspec.structs.replace(make_record(run), **copy.deepcopy(bad.fields))
    with pytest.raises(recording.RecordRefused, match=bad.why):
        recording.store(run, record)
    assert nothing_stored(run)
    assert recording.store(run, make_record(run))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", "another"),
        ("batch_size", 2),
        ("point", OperatingPoint(cpu_hz=1)),
        ("run_id", "1" * 32),
        ("requests", 5),
        ("work", "preprocessing"),
    ],
)
def test_the_record_of_another_plan_is_refused(name, value):
    run = claimed_run()
    plan = msgspec.structs.replace(run.plan(), **{name: value})
    with pytest.raises(recording.RecordRefused, match="another plan"):
        recording.store(run, make_record(plan=plan))
    assert nothing_stored(run)


def test_a_record_of_another_network_is_refused():
    run = claimed_run()
    other = msgspec.structs.replace(run.plan().network, name="other")
    plan = msgspec.structs.replace(run.plan(), network=other)
    with pytest.raises(recording.RecordRefused, match="network differ"):
        recording.store(run, make_record(plan=plan))


def test_a_record_is_taken_though_its_networks_file_was_generated_meanwhile():
    run = claimed_run()
    plan = run.plan()
    run.network.sha256 = "a" * 64
    run.network.save()
    run.refresh_from_db()
    assert recording.store(run, make_record(plan=plan))


def test_a_cancelled_run_takes_no_record():
    run = claimed_run()
    run.cancel()
    with pytest.raises(recording.RecordRefused, match="cancelled"):
        recording.store(run, make_record(run))
    run.refresh_from_db()
    assert run.state == Run.State.CANCELLED
    assert not PowerSample.objects.exists()


def test_a_lost_run_that_was_given_up_stays_so():
    run = claimed_run()
    Run.objects.update(state=Run.State.INVALID, finished_at=timezone.now())
    assert not recording.store(run, make_record(run))


def nothing_stored(run: Run) -> bool:
    run.refresh_from_db()
    rows = PowerSample.objects.count() + RequestLog.objects.count() + Verdict.objects.count()
    return run.state == Run.State.RUNNING and rows == 0


@pytest.mark.django_db(transaction=True)
def test_of_two_deliveries_at_once_one_counts():
    run = claimed_run()
    record = make_record(run)

    def deliver(_: int) -> bool:
        try:
            return recording.store(Run.objects.get(pk=run.pk), record)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        stored = list(threads.map(deliver, range(2)))
    assert sorted(stored) == [False, True]
    assert run.samples.count() == 201


def test_a_corrected_total_holds_for_runs_claimed_from_then_on_and_each_keeps_its_own():
    before = claimed_run()
    after = make_run(device=before.device)
    RailMap.correct(before.device, ["VDD_SOC"], by=make_user("admin"))
    after.claim()
    board = make_board(name=before.device.name)
    second = board.rails[1].name
    RailMap.objects.update(total_of=[second])
    for run in (before, after):
        recording.store(run, make_record(run))
    assert before.total_of == [board.rails[0].name]
    assert after.total_of == [second]
    # 6 W on the second rail for 100 inferences of 80 ms.
    assert (before.busy_energy_j, after.busy_energy_j) == pytest.approx((0.8, 0.48))
