"""The events file that a separate tegrastats follows: bounded, and the same life after it."""

import signal
import subprocess

import pytest

from measurements.board.hardware.emulator import emulation as emulations
from measurements.board.hardware.emulator import open_board, tree
from measurements.board.hardware.emulator.emulation import (
    EVENTS,
    Emulation,
    Follower,
    Start,
    begin_log,
)
from measurements.board.hardware.emulator.events import SetKnob, StartGpu, Stop
from measurements.board.hardware.emulator.model import Model
from measurements.board.hardware.emulator.physics import Work
from measurements.board.hardware.emulator.variant import variant

WORK = Work(gpu_cycles=5e6, emc_cycles=5e6, launch_cycles=1e6, dram_bytes=0.2e9)
KNOBS = {
    "gpu_min_hz": 114_750_000, "gpu_max_hz": 1_300_500_000, "railgate": True,
    "emc_rate_hz": 204_000_000, "emc_locked": False,
    "cpu_min_hz": [345_600_000] * 2, "cpu_max_hz": [2_035_200_000] * 2,
}  # fmt: skip


@pytest.fixture
def board(tmp_path):
    log = tmp_path / EVENTS
    begin_log(log, Start("tx2", 1, 0.0, KNOBS))
    return Emulation(Model(variant("tx2").board, seed=1), log=log), log


def work(emulation, batches):
    for _ in range(batches):
        job = emulation.apply(StartGpu(WORK))
        while job.end_s is None:
            emulation.live_until(job.due_s)
    emulation.apply(Stop())
    emulation.live_until(emulation.model.now_s + 0.01)


def seen(model):
    """The temperature to a millionth: a replay may add up its steps in another order."""
    registers = [model.milliwatts(rail) for rail in range(6)]
    return registers, round(model.temp_c, 6), model.gpu.hz, model.emc.hz


def test_a_long_events_file_begins_anew_and_who_comes_later_sees_the_same(board, monkeypatch):
    monkeypatch.setattr(emulations, "LONGEST_LOG_BYTES", 30_000)
    emulation, log = board
    early = Follower(log)
    emulation.apply(SetKnob("gpu_max", 726_750_000))
    for _ in range(6):
        work(emulation, 100)
        early.advance(emulation.model.now_s)
    late = Follower(log)
    work(emulation, 50)
    for follower in (early, late):
        follower.advance(emulation.model.now_s)
        assert seen(follower.model) == seen(emulation.model)
        follower.close()
    assert log.stat().st_size < 60_000


def test_the_program_dies_in_the_middle_of_a_line_and_the_sampler_drops_it(tmp_path):
    board = open_board("tx2", name="x", tree=tmp_path, real_time=True)
    program = [str(tmp_path / tree.TEGRASTATS), "--interval", "50"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as child:
        first = child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        rest = child.stdout.read()
    assert first.endswith("\n")
    assert "VDD_IN" in first
    assert not rest.endswith("\n")
    assert rest.count("RAM") >= 1
    with board.sampling(50) as sampler:
        board.clock.sleep_until(board.clock.now() + 1.0)
    assert all(None not in sample.rails_w for sample in sampler.samples)
    assert sampler.unknown_tokens == {}
