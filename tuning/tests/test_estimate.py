from __future__ import annotations

import msgspec
import pytest

from measurements import graphs, zoo
from measurements.board.hardware.emulator import open_board
from measurements.board.trial import run_trial
from measurements.messages import Gate, NetworkFeatures, OperatingPoint, Stopping
from measurements.tests.records import make_plan
from measurements.tests.rows import make_device, make_done_run, make_network
from tuning.estimate import FIXED_S, serving_s, trial_time

pytestmark = pytest.mark.django_db


def test_done_runs_tell_the_time_of_a_request():
    # 100 requests in 12 s, of which 7.1 s are fixed: 49 ms each.
    run = make_done_run(board_s=12.0, requests_served=100)
    told = trial_time(
        device=run.device, network=run.network, requests=1000, rate_hz=None, batch_sizes=[1]
    )
    assert told.trial_s == pytest.approx(FIXED_S + 49)
    assert told.runs == 1
    assert "1 done run of" in told.rests_on


def test_runs_of_the_same_batch_sizes_count_before_others():
    run = make_done_run(board_s=FIXED_S + 1, requests_served=100, batch_size=1)
    make_done_run(
        device=run.device,
        network=run.network,
        board_s=FIXED_S + 9,
        requests_served=100,
        batch_size=8,
    )
    told = trial_time(
        device=run.device, network=run.network, requests=100, rate_hz=None, batch_sizes=[8]
    )
    assert told.trial_s == pytest.approx(FIXED_S + 9)


def test_a_rate_decides_by_itself():
    told = trial_time(
        device=make_device(), network=make_network(), requests=500, rate_hz=50, batch_sizes=[1]
    )
    assert told.trial_s == pytest.approx(FIXED_S + 10)


def test_without_runs_it_is_a_guess_and_says_so():
    told = trial_time(
        device=make_device(), network=make_network(), requests=1000, rate_hz=None, batch_sizes=[1]
    )
    assert told.runs == 0
    assert "rough first guess" in told.rests_on


def test_a_heavier_network_is_guessed_to_take_longer():
    device = make_device()
    light, heavy = make_network(), make_network(flops_per_item=750e9)
    times = [
        trial_time(device=device, network=network, requests=1000, rate_hz=None, batch_sizes=[1])
        for network in (light, heavy)
    ]
    assert times[1].trial_s > 5 * times[0].trial_s


BY_DEFAULT = Stopping(half_width_percent=1.0, quantile=0.95)


@pytest.mark.parametrize("kind", ["agx-orin", "orin-nano", "tx2"])
@pytest.mark.parametrize("name", ["efficientnet-b7", "efficientnet-b0", "bert-base"])
def test_the_first_guess_of_a_trial_is_right_within_a_factor_of_two(kind, name, tmp_path):
    """Against a trial on the emulated board, at its middle clock and the default stop rule."""
    features = _features(name)
    board = open_board(kind, name="emulated", tree=tmp_path, seed=1)
    info = board.describe()
    point = OperatingPoint(gpu_max_hz=info.gpu_hz[len(info.gpu_hz) // 2])
    plan = make_plan(
        network=features, point=point, batch_size=1, requests=1000, warm_up_s=2.5, seed=1,
        sample_interval_ms=50, stopping=BY_DEFAULT, gate=Gate(), longest_warm_up_s=20.0,
    )  # fmt: skip
    record = run_trial(plan, board, attempt=1, progress=lambda _: None, cancelled=lambda: False)
    assert not record.faults
    told = trial_time(
        device=make_device(kind=info.kind, gpu_hz=info.gpu_hz, emc_hz=info.emc_hz),
        network=make_network(**_row(features)),
        requests=1000,
        rate_hz=None,
        batch_sizes=[1],
        stopping=BY_DEFAULT,
    )
    assert told.runs == 0
    served_s = record.board_s - FIXED_S
    assert 1 / 2 < told.trial_s / record.board_s < 2
    assert 1 / 3 < (told.trial_s - FIXED_S) / served_s < 3


def test_the_stop_rule_ends_a_run_at_its_floors_and_its_ceiling():
    assert serving_s(0.1, 1000, 1, None) == pytest.approx(100)
    assert serving_s(0.1, 1000, 1, BY_DEFAULT) == pytest.approx(10)
    assert serving_s(0.001, 1000, 1, BY_DEFAULT) == 3
    p99 = msgspec.structs.replace(BY_DEFAULT, quantile=0.99)
    assert serving_s(0.1, 1000, 1, p99) == pytest.approx(29.9)
    assert serving_s(0.1, 1000, 16, p99) == pytest.approx(100)


def test_the_stop_rule_counts_where_done_runs_tell_the_time_of_a_request_too():
    run = make_done_run(board_s=12.0, requests_served=100)
    told = trial_time(
        device=run.device, network=run.network, requests=1000, rate_hz=None, batch_sizes=[1],
        stopping=BY_DEFAULT,
    )  # fmt: skip
    assert told.trial_s == pytest.approx(FIXED_S + 4.9)


def _features(name: str) -> NetworkFeatures:
    found = graphs.features(zoo.build(name, with_data=False))
    fields = {field: getattr(found, field) for field in (
        "input_shape", "input_dtype", "flops_per_item", "flops_fixed", "bytes_per_item",
        "bytes_fixed",
    )}  # fmt: skip
    return msgspec.convert({**fields, "name": name, "sha256": None}, NetworkFeatures)


def _row(features: NetworkFeatures) -> dict[str, object]:
    names = ("input_shape", "input_dtype", "flops_per_item", "flops_fixed", "bytes_per_item")
    return {name: getattr(features, name) for name in (*names, "bytes_fixed")}
