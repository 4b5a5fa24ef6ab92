"""trtexec's two output formats, and a run through a program that prints the same."""

import math
import re
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.board.catalogue import open_board
from measurements.board.hardware.machine import RealClock
from measurements.board.load.protocol import LoadFailed
from measurements.board.load.tensorrt import TensorRtLoad, shapes
from measurements.board.load.trtexec import BadTimes, queries, summary
from measurements.board.trial import run_trial
from measurements.messages import NetworkFeatures

from .records import make_plan

DATA = Path(__file__).parent / "data"
NETWORK = NetworkFeatures(
    name="net", sha256="ab" * 32, input_shape=[None, 3, 8, 8], input_dtype="float32",
    flops_per_item=1e6, flops_fixed=0, bytes_per_item=1e3, bytes_fixed=1e3, input_name="image",
)  # fmt: skip
FAKE = '''\
"""Prints what trtexec 8.4 prints, and exports its queries: 5 ms each from 1 ms on."""
import json, pathlib, sys, time
options = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
note = pathlib.Path(__file__).with_suffix(".calls")
note.write_text((note.read_text() if note.exists() else "") + " ".join(sys.argv[1:]) + "\\n")
ended = "{outcome} TensorRT.trtexec [TensorRT v8401] # trtexec"
if "saveEngine" in options:
    pathlib.Path(options["saveEngine"]).write_text("an engine")
    print("&&&&", ended)
    sys.exit()
print("[11/23/2026-04:10:03] [I] Starting inference", flush=True)
time.sleep({seconds})
if "{outcome}" == "FAILED":
    print("[11/23/2026-04:10:03] [E] out of memory")
queries = [dict(startEnqMs=1 + 5 * i, endEnqMs=1.1 + 5 * i, startH2dMs=1 + 5 * i,
                endH2dMs=1.5 + 5 * i, startComputeMs=1.5 + 5 * i, endComputeMs=5 + 5 * i,
                startD2hMs=5 + 5 * i, endD2hMs=5.5 + 5 * i, latencyMs=4.5) for i in range({count})]
pathlib.Path(options["exportTimes"]).write_text(json.dumps(queries))
print("&&&&", ended)
'''


def _trtexec(directory: Path, *, outcome: str = "PASSED", seconds: float = 0.3, count: int = 80):
    program = directory / "trtexec"
    script = program.with_suffix(".py")
    script.write_text(FAKE.format(outcome=outcome, seconds=seconds, count=count))
    # Not by the script's own first line: that breaks where Python's path has a space.
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    program.chmod(0o755)
    return program


def _load(directory: Path, program: Path, **fields: object) -> TensorRtLoad:
    values = {"network": NETWORK, "file": lambda: directory / "net.onnx", "clock": RealClock(),
              "batch_size": 4, "seconds": 1.0, "cache": directory / "engines"}  # fmt: skip
    return TensorRtLoad(str(program), **{**values, **fields})


def test_the_block_of_tensorrt_8_is_read_in_full():
    said = summary((DATA / "trtexec_8.txt").read_text())
    assert (said.outcome, said.tensorrt) == ("PASSED", "8401")
    assert (said.throughput_qps, said.host_walltime_s, said.gpu_compute_s) == (
        142.564, 3.0162, 2.98313,
    )  # fmt: skip
    latency = said.measures["latency"]
    assert (latency.min_ms, latency.max_ms, latency.mean_ms, latency.median_ms) == (
        6.81543, 8.40625, 7.02344, 6.99805,
    )  # fmt: skip
    assert latency.percentiles_ms == {90: 7.125, 95: 7.25, 99: 7.75}
    assert said.measures["enqueue"].percentiles_ms == {99: 1.25}
    assert said.measures["host_to_device"].mean_ms == 0.078125
    assert said.measures["gpu_compute"].median_ms == 6.90625
    assert said.measures["device_to_host"].max_ms == 0.015625
    assert said.warnings == ["GPU compute time is unstable, with coefficient of variance = 1.05%."]


def test_the_short_lines_of_tensorrt_7_are_read_by_their_headings():
    said = summary((DATA / "trtexec_7.txt").read_text())
    assert (said.outcome, said.tensorrt) == ("PASSED", None)
    assert (said.throughput_qps, said.host_walltime_s, said.gpu_compute_s) == (
        59.6026, 3.02, 2.9475,
    )  # fmt: skip
    latency, whole = said.measures["latency"], said.measures["end_to_end"]
    assert (latency.min_ms, latency.mean_ms, latency.percentiles_ms) == (15.5, 16.625, {99: 20.25})
    assert (whole.max_ms, whole.median_ms, whole.percentiles_ms) == (22.5, 16.75, {99: 20.5})
    compute = said.measures["gpu_compute"]
    assert (compute.max_ms, compute.percentiles_ms) == (21, {99: 20})


def test_a_text_that_states_nothing_leaves_everything_unknown():
    said = summary("")
    assert (said.outcome, said.throughput_qps, said.measures) == (None, None, {})


def test_a_failure_keeps_the_programs_own_words():
    said = summary("[11/23/2026-04:10:06] [E] Engine could not be created\n"
                   "&&&& FAILED TensorRT.trtexec [TensorRT v100300] # trtexec")  # fmt: skip
    assert (said.outcome, said.errors) == ("FAILED", ["Engine could not be created"])


@given(st.sampled_from(["trtexec_8.txt", "trtexec_7.txt"]), st.data())
def test_spoilt_output_states_no_number_that_is_not_in_it(name: str, data: st.DataObject):
    text = (DATA / name).read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    junk = data.draw(st.text(alphabet="0123456789.%=: ms\nmean", max_size=12))
    spoilt = text[:start] + junk + text[end:]
    said = summary(spoilt)
    numbers = [said.throughput_qps, said.host_walltime_s, said.gpu_compute_s]
    for times in said.measures.values():
        numbers += [times.min_ms, times.max_ms, times.mean_ms, times.median_ms]
        numbers += times.percentiles_ms.values()
    stated = {float(word) for word in _words(spoilt)}
    assert all(number in stated for number in numbers if number is not None)


def _words(text: str) -> list[str]:
    return re.findall(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text)


@pytest.mark.parametrize(
    "exported", [b"", b"{}", b'[{"startH2dMs": 1}]', b"[1]",
                 b'[{"startH2dMs":5,"endH2dMs":1,"startComputeMs":1,"endComputeMs":2,'
                 b'"startD2hMs":2,"endD2hMs":3}]'],
)  # fmt: skip
def test_exported_times_that_make_no_sense_are_refused(exported: bytes):
    with pytest.raises(BadTimes):
        queries(exported)


def test_the_names_of_tensorrt_7_are_read_as_well():
    exported = (b'[{"startInMs":1,"endInMs":2,"startComputeMs":2,"endComputeMs":5,'
                b'"startOutMs":5,"endOutMs":6}]')  # fmt: skip
    (query,) = queries(exported)
    assert (query.start_h2d_ms, query.end_d2h_ms) == (1, 6)


def test_batches_come_with_trtexecs_own_times_on_our_clock(tmp_path):
    load = _load(tmp_path, _trtexec(tmp_path))
    began_s = RealClock().now()
    with load.ready():
        stream = load.serve(None, 10**9)
        batches = []
        for batch in stream:
            batches += [batch] if batch else []
            if len(batches) == 3:
                break
    first, second, _ = batches
    assert len(first.arrival_s) == 4
    assert first.inference_end_s - first.inference_start_s == pytest.approx(0.0045)
    assert second.inference_start_s - first.inference_start_s == pytest.approx(0.005)
    assert began_s < first.inference_start_s < RealClock().now()
    assert load.description.startswith("TensorRT 8401 by trtexec")


def test_an_engine_is_built_once_for_each_batch_size(tmp_path):
    program = _trtexec(tmp_path)
    for batch_size in (4, 4, 8):
        with _load(tmp_path, program, batch_size=batch_size).ready():
            pass
    builds = program.with_suffix(".calls").read_text().splitlines()
    assert [line.split("--shapes=")[1] for line in builds] == ["image:4x3x8x8", "image:8x3x8x8"]


def test_a_whole_run_goes_through_trtexec(tmp_path):
    program = _trtexec(tmp_path, seconds=0.6, count=100)
    board = open_board(
        "host", name="here", state_dir=tmp_path, pace=lambda: None,
        load=f"tensorrt:{program},seconds=1", network_file=lambda _: tmp_path / "net.onnx",
    )  # fmt: skip
    plan = make_plan(device="here", network=NETWORK, batch_size=2, requests=20, warm_up_s=0.1)
    record = run_trial(plan, board, attempt=1, progress=lambda _: None, cancelled=lambda: False)
    assert record.faults == []
    assert len(record.requests.end_s) == 20
    spent_s = [end - start for start, end in zip(
        record.requests.inference_start_s, record.requests.end_s, strict=True)]  # fmt: skip
    assert all(math.isclose(each, 0.0045, abs_tol=1e-6) for each in spent_s)


def test_requests_at_a_rate_are_refused(tmp_path):
    with pytest.raises(LoadFailed, match="back to back"):
        next(_load(tmp_path, _trtexec(tmp_path)).serve([1.0, 2.0], 2))


def test_too_short_a_run_says_how_to_make_it_longer(tmp_path):
    load = _load(tmp_path, _trtexec(tmp_path, count=3))
    with load.ready(), pytest.raises(LoadFailed, match="seconds=N"):
        list(load.serve(None, 10**9))


def test_a_failing_program_is_told_in_its_own_words(tmp_path):
    program = _trtexec(tmp_path, outcome="FAILED")
    with pytest.raises(LoadFailed, match="FAILED"), _load(tmp_path, program).ready():
        pass


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LoadFailed, match="no trtexec"), _load(tmp_path, tmp_path / "x").ready():
        pass


def test_a_closed_stream_ends_its_program_within_a_second(tmp_path):
    load = _load(tmp_path, _trtexec(tmp_path, seconds=60))
    with load.ready():
        stream = load.serve(None, 10**9)
        next(stream)
        began_s = RealClock().now()
        stream.close()
    assert RealClock().now() - began_s < 1.5


def test_a_fixed_batch_axis_takes_no_shapes_and_no_other_batch():
    fixed = msgspec.structs.replace(NETWORK, input_shape=[2, 3])
    assert shapes(fixed, 2) == []
    with pytest.raises(LoadFailed, match="batches of 2 only"):
        shapes(fixed, 4)
