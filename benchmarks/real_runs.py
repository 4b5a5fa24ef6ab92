"""Real inference on this machine: one run by ONNX Runtime, and one through a real Triton server.

    python benchmarks/real_runs.py [--requests 100] [--batch-size 1] [--without-triton]

EfficientNet-B0 on the host board, with the same trial, gates and Record as on any board. Triton is
the real `tritonserver` with its Python backend, in a virtual environment of its own
(`measurements/tests/triton_server.py`). Without RAPL counters there is no energy, and the reason
is printed. The latencies are this machine's at this hour.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from measurements import quality, statistics, zoo  # noqa: E402
from measurements.board.catalogue import open_board  # noqa: E402
from measurements.board.load.triton_repository import write_model  # noqa: E402
from measurements.board.trial import run_trial  # noqa: E402
from measurements.messages import Arrivals, NetworkFeatures, OperatingPoint, Plan, Record  # noqa: E402
from measurements.tests.triton_server import NoTriton, running  # noqa: E402

NETWORK = NetworkFeatures(
    name="EfficientNet-B0 (224 px)", sha256="0" * 64, input_shape=[None, 3, 224, 224],
    input_dtype="float32", flops_per_item=8e8, flops_fixed=0, bytes_per_item=1e8, bytes_fixed=2e7,
)  # fmt: skip


def run(load: str, network: Path, state_dir: Path, *, requests: int, batch_size: int) -> Record:
    board = open_board(
        "host", name="here", state_dir=state_dir, pace=lambda: None, load=load,
        network_file=lambda _: network,
    )  # fmt: skip
    plan = Plan(
        run_id="0" * 32, device="here", network=NETWORK, point=OperatingPoint(),
        batch_size=batch_size, arrivals=Arrivals(), requests=requests, warm_up_s=2.5,
        sample_interval_ms=50, seed=1,
    )  # fmt: skip
    return run_trial(plan, board, attempt=1, progress=lambda _: None, cancelled=lambda: False)


def tell(record: Record) -> None:
    requests = record.requests
    latency_ms = 1e3 * (np.array(requests.end_s) - np.array(requests.arrival_s))
    inference_ms = 1e3 * (np.array(requests.end_s) - np.array(requests.inference_start_s))
    print(f"load       {record.load}")
    print(f"requests   {len(latency_ms)} at batch {record.plan.batch_size}, {record.board_s:.1f} s")
    print(f"latency    median {np.median(latency_ms):.1f} ms, p95 "
          f"{_known(statistics.percentile(latency_ms.tolist(), 0.95))}; inference median "
          f"{np.median(inference_ms):.1f} ms")  # fmt: skip
    print(f"samples    {len(record.samples.t_us)}")
    for finding in quality.findings(record):
        print(f"{finding.severity:10} {finding.code}: {finding.text}")
    print()


def _known(value_ms: float | None) -> str:
    return "unknown (fewer than 59 requests)" if value_ms is None else f"{value_ms:.1f} ms"


def through_triton(network: Path, scratch: Path, measure: Callable[[str, Path], None]) -> None:
    write_model(network, scratch / "models", name=NETWORK.name, backend="python", most=8)
    try:
        with running(scratch / "models", scratch) as server:
            measure(f"triton:{server.http}", scratch / "triton")
    except NoTriton as why:
        print(f"no real Triton server here: {why}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--without-triton", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        scratch, network = Path(directory), Path(directory) / "b0.onnx"
        zoo.write("efficientnet-b0", network)

        def measure(load: str, state_dir: Path) -> None:
            tell(run(load, network, state_dir, requests=asked.requests,
                     batch_size=asked.batch_size))  # fmt: skip

        measure("", scratch / "onnx")
        if not asked.without_triton:
            through_triton(network, scratch, measure)


if __name__ == "__main__":
    main()
