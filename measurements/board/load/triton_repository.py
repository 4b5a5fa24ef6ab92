"""Put an ONNX file into a Triton model repository.

    python -m measurements.board.load.triton_repository NETWORK.onnx REPOSITORY --name NAME \\
        [--backend onnxruntime|tensorrt|python] [--most 32]

`onnxruntime` and `tensorrt` are Triton's own backends on a board; `python` is a small
`model.py` that runs the file with ONNX Runtime wherever Triton has only its Python backend.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from measurements.board.load.onnx import read_signature
from measurements.board.load.preprocess import Input
from measurements.board.load.triton import NUMPY, model_name

TRITON = {numpy: triton for triton, numpy in NUMPY.items()}
BACKENDS = ("onnxruntime", "tensorrt", "python")
FILES = {"onnxruntime": "model.onnx", "tensorrt": "model.plan", "python": "model.onnx"}
RUNS_ONNX = '''"""Runs the ONNX file beside it, on the CPU; written by PolyWeb."""

from pathlib import Path

import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = {threads}
        file = Path(__file__).with_name("model.onnx")
        self.session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )

    def execute(self, requests):
        """All requests of one batch in one run, and each one's rows back."""
        import numpy

        names = [each.name for each in self.session.get_inputs()]
        rows = [
            [triton.get_input_tensor_by_name(request, name).as_numpy() for name in names]
            for request in requests
        ]
        feed = {{name: numpy.concatenate(each) for name, each in zip(names, zip(*rows))}}
        answers = self.session.run(None, feed)
        ends = numpy.cumsum([len(row[0]) for row in rows])[:-1]
        parts = zip(*[numpy.split(answer, ends) for answer in answers])
        titles = [each.name for each in self.session.get_outputs()]
        return [
            triton.InferenceResponse(
                [triton.Tensor(title, part) for title, part in zip(titles, each)]
            )
            for each in parts
        ]
'''


def write_model(
    network: Path,
    repository: Path,
    *,
    name: str,
    backend: str = "onnxruntime",
    most: int = 32,
    threads: int = 1,
) -> Path:
    """Write the model's directory, `config.pbtxt` and version 1; an older one is replaced.

    Args:
        network: An ONNX file; for the backend `tensorrt` an engine with its ONNX file beside it.
        most: The largest batch.
        threads: Of one inference of the backend `python`.

    Raises:
        LoadFailed: ONNX Runtime is missing or cannot read the file.
        OSError: The repository cannot be written.
    """
    inputs, outputs = read_signature(network.with_suffix(".onnx"))
    directory = repository / model_name(name)
    version = directory / "1"
    shutil.rmtree(directory, ignore_errors=True)
    version.mkdir(parents=True)
    shutil.copyfile(network, version / FILES[backend])
    if backend == "python":
        (version / "model.py").write_text(RUNS_ONNX.format(threads=threads))
    text = config_text(directory.name, inputs, outputs, backend=backend, most=most)
    (directory / "config.pbtxt").write_text(text)
    return directory


def config_text(
    name: str, inputs: Sequence[Input], outputs: Sequence[Input], *, backend: str, most: int
) -> str:
    """`config.pbtxt`: dynamic batching is left out, for the load switches it."""
    how = f'backend: "{backend}"'
    kind = "KIND_CPU" if backend == "python" else "KIND_GPU"
    parts = [
        f'name: "{name}"',
        how,
        f"max_batch_size: {most}",
        *(_tensor("input", each) for each in inputs),
        *(_tensor("output", each) for each in outputs),
        f"instance_group [ {{ count: 1 kind: {kind} }} ]",
    ]
    return "\n".join(parts) + "\n"


def _tensor(role: str, each: Input) -> str:
    dims = ", ".join(str(axis) for axis in each.shape)
    return (
        f'{role} [ {{ name: "{each.name}" data_type: TYPE_{TRITON[each.dtype]} '
        f"dims: [ {dims} ] }} ]"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m measurements.board.load.triton_repository")
    parser.add_argument("network", type=Path, help="the ONNX file (tensorrt: the engine)")
    parser.add_argument("repository", type=Path)
    parser.add_argument("--name", required=True, help="the network's name in PolyWeb")
    parser.add_argument("--backend", choices=BACKENDS, default="onnxruntime")
    parser.add_argument("--most", type=int, default=32, help="the largest batch")
    options = parser.parse_args(arguments)
    print(write_model(options.network, options.repository, name=options.name,
                      backend=options.backend, most=options.most))  # fmt: skip


if __name__ == "__main__":
    main()
