"""The emulated board's physics: sensor, energy, clocks and governors."""

from __future__ import annotations

from itertools import accumulate
from math import exp
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurements.board.hardware.emulator import physics
from measurements.board.hardware.emulator.boards import AGX_ORIN
from measurements.board.hardware.emulator.clock import VirtualClock
from measurements.board.hardware.emulator.emulation import Emulation
from measurements.board.hardware.emulator.engine import EmulatedLoad
from measurements.board.hardware.emulator.events import SetKnob, StartCpu, StartGpu, Stop
from measurements.board.hardware.emulator.model import Model
from measurements.board.hardware.emulator.physics import Work
from measurements.board.hardware.emulator.sensor import LowPass, quantise
from measurements.board.hardware.emulator.trace import BeforeTrace, EnergyTrace
from measurements.board.load.protocol import LoadFailed
from measurements.messages import NetworkFeatures

GPU_SOC = 0
NETWORK = NetworkFeatures(
    name="small",
    sha256=None,
    input_shape=[None, 3, 96, 96],
    input_dtype="float32",
    flops_per_item=1e9,
    flops_fixed=0.0,
    bytes_per_item=0.1e9,
    bytes_fixed=0.0,
)
WORK = Work(gpu_cycles=5e6, emc_cycles=5e6, launch_cycles=1e6, dram_bytes=0.2e9)


def make_model(*, gpu_hz: int = 726_750_000, emc_hz: int = 2_133_000_000, seed: int = 1) -> Model:
    model = Model(AGX_ORIN, seed=seed)
    for knob, value in (("railgate", 0), ("gpu_max", gpu_hz), ("gpu_min", gpu_hz)):
        model.apply(SetKnob(knob, value))
    for knob, value in (("emc_rate", emc_hz), ("emc_locked", 1)):
        model.apply(SetKnob(knob, value))
    model.advance(1.0)
    return model


def serve(model: Model, work: Work = WORK) -> float:
    """Run one batch alone; how long it took."""
    began_s = model.now_s
    job = model.apply(StartGpu(work))
    while job.end_s is None:
        model.advance(job.due_s)
    return job.end_s - began_s


def test_a_step_of_power_reaches_63_percent_of_the_sensor_after_its_time_constant():
    sensor = LowPass(AGX_ORIN.rails, tau_s=0.42)
    sensor.hold([0.0] * 6)
    sensor.settle()
    sensor.hold([20.0, 0, 0, 0, 0, 0])
    for _ in range(42):
        sensor.elapse(0.01)
    full = 20.0 / 19.94  # a volt drop of 20 mV at about one ampere
    assert sensor.amperes[GPU_SOC] == pytest.approx(full * (1 - exp(-1)), rel=1e-3)


@given(st.floats(0.0, 5.0))
def test_a_reading_is_a_product_of_whole_steps_within_half_a_step_of_the_truth(current_a):
    bus = AGX_ORIN.rails[GPU_SOC].bus
    registers = quantise(bus, current_a)
    assert registers.milliamperes % 20 == 0
    assert registers.millivolts % 8 == 0
    assert abs(registers.milliamperes / 1000 - current_a) <= 0.0101
    assert registers.milliwatts == registers.millivolts * registers.milliamperes // 1000


def test_one_step_of_the_twenty_volt_rails_is_about_400_milliwatts():
    bus = AGX_ORIN.rails[GPU_SOC].bus
    assert quantise(bus, 0.02).milliwatts == pytest.approx(400, rel=0.01)


def test_the_trace_gives_the_exact_integral_of_piecewise_constant_power():
    trace = EnergyTrace(0.0, rails=1)
    trace.add(1.0, [10.0])
    trace.add(3.0, [20.0])
    assert trace.energy_j(0.5, 2.0) == (pytest.approx(0.5 * 10 + 1.0 * 20),)


def test_energy_from_before_the_trace_is_refused():
    with pytest.raises(BeforeTrace):
        EnergyTrace(5.0, rails=1).energy_j(4.0, 5.0)


def test_the_energy_of_the_parts_of_a_stretch_adds_up_to_the_whole():
    model = make_model()
    edges = [model.now_s]
    for _ in range(50):
        serve(model)
        edges.append(model.now_s)
    pieces = [model.true_energy_j(a, b) for a, b in zip(edges, edges[1:], strict=False)]
    whole = model.true_energy_j(edges[0], edges[-1])
    assert sum(piece.total_j for piece in pieces) == pytest.approx(whole.total_j, rel=1e-9)
    assert whole.total_j == pytest.approx(sum(whole.rails_j[:3]))


def test_the_total_is_what_the_running_sum_of_power_says():
    model = make_model()
    before_j, start_s = model.totals.total_j, model.now_s
    serve(model)
    model.advance(model.now_s + 0.5)
    true_j = model.true_energy_j(start_s, model.now_s).total_j
    assert model.totals.total_j - before_j == pytest.approx(true_j, rel=1e-9)


def test_energy_does_not_depend_on_how_often_somebody_looks():
    seldom, often = make_model(), make_model()
    seldom.advance(4.0)
    for i in range(1, 401):
        often.advance(1.0 + i * 0.0075)
    assert often.true_energy_j(1.0, 4.0).total_j == pytest.approx(
        seldom.true_energy_j(1.0, 4.0).total_j, rel=1e-9
    )


def test_models_of_one_seed_are_the_same_and_of_another_are_not():
    def joules(seed: int) -> float:
        model = make_model(seed=seed)
        serve(model)
        return model.true_energy_j(0.0, model.now_s).total_j

    assert joules(1) == joules(1)
    assert joules(1) != joules(2)


@pytest.mark.parametrize("emc_hz", AGX_ORIN.emc_hz)
def test_a_faster_gpu_clock_never_takes_longer(emc_hz):
    took_s = [serve(make_model(gpu_hz=hz, emc_hz=emc_hz)) for hz in AGX_ORIN.gpu_hz]
    assert took_s == sorted(took_s, reverse=True)


@pytest.mark.parametrize("gpu_hz", AGX_ORIN.gpu_hz[::4])
def test_a_faster_memory_clock_never_takes_longer_and_never_costs_less_power(gpu_hz):
    models = [make_model(gpu_hz=gpu_hz, emc_hz=hz) for hz in AGX_ORIN.emc_hz]
    took_s = [serve(model) for model in models]
    assert took_s == sorted(took_s, reverse=True)
    idle_j = [model.true_energy_j(0.5, 1.0).total_j for model in models]
    assert idle_j == sorted(idle_j)


@given(a=st.floats(1e-4, 1.0), b=st.floats(1e-4, 1.0))
def test_the_roofline_lies_above_both_limits_and_below_their_sum(a, b):
    limit = physics.smooth_max(a, b, AGX_ORIN.engine.corner)
    assert max(a, b) <= limit * (1 + 1e-12)
    assert limit <= (a + b) * (1 + 1e-12)


def test_each_clock_takes_its_own_time_to_change():
    model = make_model(gpu_hz=726_750_000)
    for knob, value in (("cpu_min", 2_201_600_000), ("gpu_max", 1_300_500_000)):
        model.apply(SetKnob(knob, value))
    model.apply(SetKnob("gpu_min", 1_300_500_000))
    model.apply(SetKnob("emc_rate", 3_199_000_000))
    at_s = model.now_s
    seen = []
    for after_s in (0.0009, 0.0011, 0.0049, 0.0051, 0.0079, 0.0081):
        model.advance(at_s + after_s)
        seen.append((model.cpus[0].hz > 2e9, model.gpu.hz > 1e9, model.emc.hz > 3e9))
    cpu_done, gpu_done, all_done = (True, False, False), (True, True, False), (True, True, True)
    assert seen == [(False, False, False), cpu_done, cpu_done, gpu_done, gpu_done, all_done]


def test_a_clock_change_in_the_middle_of_a_batch_changes_the_rest_of_it():
    work = Work(gpu_cycles=726_750_000 * 0.1, emc_cycles=1.0, launch_cycles=0.0, dram_bytes=0.0)
    model = make_model(gpu_hz=726_750_000)
    job = model.apply(StartGpu(work))
    began_s = model.now_s
    model.advance(began_s + 0.045)
    model.apply(SetKnob("gpu_max", 1_300_500_000))
    model.apply(SetKnob("gpu_min", 1_300_500_000))
    while job.end_s is None:
        model.advance(job.due_s)
    # 50 ms at the old clock (5 of them settling), the other half at the new one.
    assert job.end_s - began_s == pytest.approx(0.05 + 0.05 * 726.75 / 1300.5)


def test_a_load_that_leaves_gaps_lets_the_governor_drop_the_gpu_clock():
    model = Model(AGX_ORIN, seed=1)
    for i in range(100):
        model.advance(i * 0.02)
        serve(model)
    assert model.gpu.hz < AGX_ORIN.gpu_hz[-1] / 2


def test_a_load_without_gaps_drives_the_governed_gpu_clock_to_its_top():
    model = Model(AGX_ORIN, seed=1)
    for _ in range(200):
        serve(model)
    assert model.gpu.hz == AGX_ORIN.gpu_hz[-1]


def test_an_idle_gpu_is_gated_after_half_a_second_and_then_draws_nothing():
    model = Model(AGX_ORIN, seed=1)
    serve(model)
    model.advance(model.now_s + 0.4)
    awake_j = model.true_energy_j(model.now_s - 0.1, model.now_s).rails_j[GPU_SOC]
    model.advance(model.now_s + 0.4)
    assert not model.gpu_awake
    assert model.true_energy_j(model.now_s - 0.1, model.now_s).rails_j[GPU_SOC] < awake_j


def test_a_busy_core_draws_more_and_the_more_the_faster_it_runs():
    model = make_model()
    idle_s = model.now_s
    model.apply(StartCpu(cycles=1e9))
    model.advance(idle_s + 0.5)
    busy_j = model.true_energy_j(idle_s, model.now_s).rails_j[1]
    model.apply(Stop())
    model.advance(model.now_s + 0.5)
    assert busy_j > model.true_energy_j(model.now_s - 0.3, model.now_s).rails_j[1] / 0.6


def test_the_board_warms_up_under_load():
    model = make_model(gpu_hz=1_300_500_000)
    cold_c = model.temp_c
    while model.now_s < 30.0:
        serve(model, Work(5e8, 5e8, 1e6, 1e10))
    assert cold_c + 5 < model.temp_c < 75


def test_work_that_is_done_to_the_last_rounding_ends_without_time_passing():
    """A job whose end rounds to now: what waits for its `due_s` must not wait for ever."""
    model = make_model()
    job = model.apply(StartGpu(WORK))
    job.left, now_s = 1e-18, model.now_s
    model.apply(SetKnob("railgate", 0))
    assert job.due_s == now_s
    model.advance(now_s)
    assert (job.end_s, model.now_s) == (now_s, now_s)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    rate_hz=st.floats(20.0, 500.0),
    batch_size=st.sampled_from([1, 3, 16]),
)
def test_serving_moves_time_on_whatever_the_arrivals(seed, rate_hz, batch_size):
    """No time that the pipeline waits for is in the past twice running."""
    random = Random(seed)
    model = Model(AGX_ORIN, seed=seed)
    clock = VirtualClock(model, lambda: None)
    load = EmulatedLoad(
        NETWORK, batch_size, seed, emulation=Emulation(model), clock=clock, device_seed=1
    )
    arrivals_s = list(accumulate(random.expovariate(rate_hz) for _ in range(30)))
    served = list(load.serve(arrivals_s, 30))
    assert sum(len(batch.start_s) for batch in served) == 30


def test_a_batch_that_another_loads_end_dropped_fails_instead_of_being_waited_for(tmp_path):
    model = Model(AGX_ORIN, seed=1)
    emulation, clock = Emulation(model), VirtualClock(model, lambda: None)
    load, other = (
        EmulatedLoad(NETWORK, 1, 1, emulation=emulation, clock=clock, device_seed=1)
        for _ in range(2)
    )
    batches = load.serve(None, 10)
    next(batches)
    with other.ready():
        pass
    with pytest.raises(LoadFailed, match="another load"):
        list(batches)
