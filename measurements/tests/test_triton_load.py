"""The Triton load against the real server (see `triton_server`), and its small parts without."""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from measurements import zoo
from measurements.board.catalogue import open_board
from measurements.board.hardware.machine import RealClock
from measurements.board.load.choice import choose
from measurements.board.load.preprocess import Input
from measurements.board.load.protocol import LoadFailed
from measurements.board.load.triton import model_name, switched_batching
from measurements.board.load.triton_repository import config_text, write_model
from measurements.board.trial import run_trial
from measurements.messages import NetworkFeatures, Record

from .records import make_plan
from .triton_server import NoTriton, Triton, running

NETWORK = NetworkFeatures(
    name="EfficientNet-B0 (224 px)", sha256=None, input_shape=[None, 3, 224, 224],
    input_dtype="float32", flops_per_item=8e8, flops_fixed=0, bytes_per_item=1e8, bytes_fixed=2e7,
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """Triton with EfficientNet-B0 in its repository, for batches up to 8."""
    scratch = tmp_path_factory.mktemp("triton")
    network, repository = scratch / "b0.onnx", scratch / "models"
    zoo.write("efficientnet-b0", network)
    write_model(network, repository, name=NETWORK.name, backend="python", most=8)
    try:
        with running(repository, scratch) as server:
            yield server
    except NoTriton as why:
        pytest.skip(f"no real Triton server here: {why}")


def _run(url: str, options: str, state_dir: Path, *, batch_size: int, requests: int) -> Record:
    board = open_board(
        "host", name="here", state_dir=state_dir, pace=lambda: None, load=f"triton:{url}{options}"
    )
    plan = make_plan(
        device="here", network=NETWORK, batch_size=batch_size, requests=requests, warm_up_s=0.2
    )
    return run_trial(plan, board, attempt=1, progress=lambda _: None, cancelled=lambda: False)


@pytest.mark.triton
@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize(
    ("options", "batching"), [("", "batches as sent"), (",batching=on", "dynamic batching")]
)
def test_a_real_server_serves_a_run(server, tmp_path, protocol, options, batching):
    url = getattr(server, protocol)
    record = _run(url, options, tmp_path, batch_size=4, requests=12)
    assert record.faults == []
    assert record.load == f"Triton 2.51.0 over {protocol}, python, {batching}"
    requests = record.requests
    assert len(requests.end_s) == 12 and len(set(requests.end_s)) == 3
    took_s = statistics.median(
        end - start for start, end in zip(requests.inference_start_s, requests.end_s, strict=True)
    )
    print(f"\n{record.load}: batches of 4 in {1e3 * took_s:.1f} ms (median)")
    assert 0.002 < took_s < 10


@pytest.mark.triton
def test_a_batch_larger_than_the_models_most_is_refused(server, tmp_path):
    record = _run(server.http, "", tmp_path, batch_size=16, requests=16)
    assert [fault.code for fault in record.faults] == ["load-failed"]
    assert "at most 8" in record.faults[0].text


@pytest.mark.triton
def test_a_model_that_is_not_there_is_named(server, tmp_path):
    loads = choose(f"triton:{server.grpc}", clock=RealClock(), network_file=Path, cache=tmp_path)
    unknown = msgspec.structs.replace(NETWORK, name="Nobody")
    with pytest.raises(LoadFailed, match="nobody"), loads(unknown, 1, 1).ready():
        pass


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_is_gone_fails_the_load(tmp_path, scheme):
    loads = choose(f"triton:{scheme}://127.0.0.1:9", clock=RealClock(), network_file=Path,
                   cache=tmp_path)  # fmt: skip
    with pytest.raises(LoadFailed, match="Triton"), loads(NETWORK, 1, 1).ready():
        pass


def test_model_names_fit_a_directory():
    assert model_name("EfficientNet-B0 (224 px)") == "efficientnet-b0-224-px"


def test_dynamic_batching_is_switched_and_nothing_else():
    config = {"name": "n", "max_batch_size": 8, "dynamic_batching": {"preserve_ordering": True}}
    off = switched_batching(config, is_dynamic=False, batch_size=4)
    assert off == {"name": "n", "max_batch_size": 8}
    on = switched_batching(off, is_dynamic=True, batch_size=4)
    assert json.loads(json.dumps(on))["dynamic_batching"]["preferred_batch_size"] == [4]


def test_a_models_configuration_names_its_tensors():
    text = config_text(
        "b0", [Input("image", (3, 8, 8), "float32")], [Input("scores", (10,), "float32")],
        backend="onnxruntime", most=16,
    )  # fmt: skip
    assert text.splitlines() == [
        'name: "b0"',
        'backend: "onnxruntime"',
        "max_batch_size: 16",
        'input [ { name: "image" data_type: TYPE_FP32 dims: [ 3, 8, 8 ] } ]',
        'output [ { name: "scores" data_type: TYPE_FP32 dims: [ 10 ] } ]',
        "instance_group [ { count: 1 kind: KIND_GPU } ]",
    ]
