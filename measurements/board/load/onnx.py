"""ONNX Runtime as an engine: on the CPU, or through the CUDA or TensorRT provider.

The provider is the one that was asked for, or the load fails: nothing falls back to the CPU,
neither the session nor one node of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from measurements.board.hardware.protocol import Clock
from measurements.board.load.choice import PROVIDERS
from measurements.board.load.preprocess import Array, Input, Item
from measurements.board.load.protocol import LoadFailed

NUMPY = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


class OnnxEngine:
    """Runs an ONNX file in this process.

    Args:
        file: Gives the file, fetching it if need be; called by `open`.
        provider: A key of PROVIDERS.
        threads: Of one inference; preprocessing has a thread of its own.
        device: Number of the GPU; ignored on the CPU.
    """

    def __init__(
        self, file: Callable[[], Path], *, clock: Clock, batch_size: int, provider: str = "cpu",
        threads: int = 1, device: int = 0,
    ) -> None:  # fmt: skip
        self.inputs: Sequence[Input] = ()
        self.description = f"ONNX Runtime, {PROVIDERS[provider]}"
        self._file = file
        self._clock = clock
        self._batch_size = batch_size
        self._provider = PROVIDERS[provider]
        self._threads = threads
        self._device = device
        self._session: Any = None
        self._running: Any = None
        self._fixed: int | None = None
        """The one batch size that the graph takes; None if it takes any."""

    def open(self) -> None:
        runtime = _runtime()
        if self._provider not in (offered := runtime.get_available_providers()):
            raise LoadFailed(
                f"this ONNX Runtime has no {self._provider}, only {', '.join(offered)}: install a "
                "build for this board, or choose another provider (docs/loads.md)"
            )
        with _failing_plainly("the network cannot be loaded"):
            self._session = runtime.InferenceSession(
                str(self._file()), self._options(runtime), providers=self._providers()
            )
        self._check_provider()
        self.inputs = [self._input(each) for each in self._session.get_inputs()]
        threads = f"{self._threads} thread{'s' * (self._threads != 1)}"
        self.description = f"ONNX Runtime {runtime.__version__}, {self._provider}, {threads}"

    def infer(self, batch: Sequence[Item]) -> float:
        feed = {each.name: self._stacked([item[each.name] for item in batch])
                for each in self.inputs}  # fmt: skip
        self._running = options = _runtime().RunOptions()
        start_s = self._clock.now()
        with _failing_plainly("inference failed"):
            self._session.run(None, feed, options)
        return start_s

    def stop(self) -> None:
        if self._running is not None:
            self._running.terminate = True

    def close(self) -> None:
        self._session = self._running = None

    def _options(self, runtime: Any) -> Any:
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if self._provider != PROVIDERS["cpu"]:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        return options

    def _providers(self) -> list[tuple[str, dict[str, str]]]:
        """TensorRT hands what it cannot run to CUDA, as NVIDIA means it to; never to the CPU."""
        if self._provider == PROVIDERS["cpu"]:
            return [(self._provider, {})]
        names = dict.fromkeys([self._provider, PROVIDERS["cuda"]])
        return [(name, {"device_id": str(self._device)}) for name in names]

    def _check_provider(self) -> None:
        got = self._session.get_providers()
        if not got or got[0] != self._provider:
            raise LoadFailed(
                f"{self._provider} was asked for, but the session runs on {', '.join(got)}"
            )
        self._session.disable_fallback()

    def _input(self, told: Any) -> Input:
        if told.shape and isinstance(told.shape[0], int):
            self._fix(told.shape[0])
        return _without_batch(told)

    def _fix(self, batch: int) -> None:
        if batch != self._batch_size:
            raise LoadFailed(f"the graph takes batches of {batch} only, not of {self._batch_size}")
        self._fixed = batch

    def _stacked(self, rows: list[Array]) -> Array:
        """One array of the batch; for a fixed batch axis the last row fills what is missing."""
        missing = (self._fixed or len(rows)) - len(rows)
        return np.stack(rows + rows[-1:] * missing)


def read_signature(file: Path) -> tuple[list[Input], list[Input]]:
    """Inputs and outputs of an ONNX file, without the batch axis.

    Raises:
        LoadFailed: ONNX Runtime is missing, cannot read it, or a type is not served.
    """
    with _failing_plainly("the network cannot be loaded"):
        session = _runtime().InferenceSession(str(file), providers=[PROVIDERS["cpu"]])
    told = (session.get_inputs(), session.get_outputs())
    inputs, outputs = ([_without_batch(each) for each in side] for side in told)
    return inputs, outputs


def _without_batch(told: Any) -> Input:
    """One input or output as ONNX Runtime tells it.

    Raises:
        LoadFailed: Its type is not served, or an axis beside the batch is free.
    """
    shape = list(told.shape)[1:]
    if told.type not in NUMPY:
        raise LoadFailed(f"{told.name} is of type {told.type}, which is not served")
    if not all(isinstance(axis, int) for axis in shape):
        raise LoadFailed(f"{told.name} has a free axis beside the batch: {shape}")
    return Input(told.name, tuple(shape), NUMPY[told.type])


def _runtime() -> Any:
    """The module, imported when a load first needs it: it takes 0.2 s and 60 MB.

    Raises:
        LoadFailed: It is not installed.
    """
    try:
        import onnxruntime
    except ImportError as missing:
        raise LoadFailed(
            f"ONNX Runtime is not installed for this Python ({missing}): see docs/loads.md"
        ) from missing
    return onnxruntime


@contextmanager
def _failing_plainly(what: str) -> Iterator[None]:
    """Inside the block ONNX Runtime's own exceptions become LoadFailed."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
    theirs = tuple(kind for kind in kinds if issubclass(kind, Exception))
    try:
        yield
    except theirs as failure:
        raise LoadFailed(f"{what}: {str(failure)[:500]}") from failure
