from pathlib import Path

import pytest

from measurements.board.hardware.machine import RealClock
from measurements.board.load.choice import UnknownLoad, choose
from measurements.board.load.protocol import LoadFailed

from .records import make_plan


def _choose(text: str):
    return choose(text, clock=RealClock(), network_file=Path, cache=Path("engines"))


@pytest.mark.parametrize(
    ("text", "kind", "target", "needs_file"),
    [
        ("onnx", "onnx", "", True),
        ("onnx:cuda,threads=2,device=1", "onnx", "cuda", True),
        ("triton:http://127.0.0.1:8000", "triton", "http://127.0.0.1:8000", False),
        ("triton:grpc://board:8001,batching=on", "triton", "grpc://board:8001", False),
        ("tensorrt", "tensorrt", "", True),
        ("tensorrt:/opt/trtexec,seconds=60", "tensorrt", "/opt/trtexec", True),
    ],
)
def test_every_known_form_is_taken(text: str, kind: str, target: str, needs_file: bool):
    chosen = _choose(text)
    assert (chosen.kind, chosen.target, chosen.needs_network_file) == (kind, target, needs_file)


@pytest.mark.parametrize(
    "text",
    ["pytorch", "onnx:npu", "onnx,threads=many", "onnx,batching=on", "triton", "triton:8000",
     "triton:http://x,batching=maybe", "tensorrt,threads=2"],
)  # fmt: skip
def test_any_other_form_is_refused_with_the_known_ones(text: str):
    with pytest.raises(UnknownLoad, match="onnx"):
        _choose(text)


def test_a_worker_without_a_load_says_how_to_give_it_one():
    with pytest.raises(LoadFailed, match="--load"):
        _choose("")(make_plan().network, 1, 1)


def test_a_plan_without_the_files_hash_cannot_be_served():
    load = _choose("onnx")(make_plan().network, 1, 1)
    with pytest.raises(LoadFailed, match="names no file"), load.ready():
        pass
