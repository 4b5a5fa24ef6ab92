"""A Triton server as an engine, over HTTP or gRPC: latency is what this client's clock shows.

Without dynamic batching a batch travels as one request. With it, every request of a batch
travels by itself, all at once, and the server puts together what it likes; the batch is
complete when the last answer is there. The server must run with explicit model control.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from measurements.board.hardware.protocol import Clock
from measurements.board.load.preprocess import Input, Item
from measurements.board.load.protocol import LoadFailed

TIMEOUT_S = 30.0
"""For one answer; loading a model may take longer, for engines are built then."""
LOAD_TIMEOUT_S = 600.0
QUEUE_DELAY_US = 1000
"""How long Triton may hold a request back to fill a batch, where batching is dynamic."""
NUMPY = {
    "FP32": "float32", "FP16": "float16", "FP64": "float64", "INT64": "int64", "INT32": "int32",
    "INT8": "int8", "UINT8": "uint8", "BOOL": "bool",
}  # fmt: skip


def model_name(network: str) -> str:
    """What a network is called in a model repository: "EfficientNet-B0 (224 px)" ->
    "efficientnet-b0-224-px".
    """
    return re.sub(r"[^a-z0-9]+", "-", network.lower()).strip("-")


class Connection(Protocol):
    """What both of Triton's protocols can do for us; see `triton_clients`."""

    def load(self, model: str, config: str | None) -> None: ...
    def config(self, model: str) -> dict[str, Any]: ...
    def version(self) -> str: ...
    def infer(self, model: str, batch: Sequence[Item], types: dict[str, str]) -> None: ...
    def infer_each(self, model: str, batch: Sequence[Item], types: dict[str, str]) -> None: ...
    def close(self) -> None: ...


class TritonEngine:
    """Sends batches of `network` to the Triton server at `url` (http, https, grpc or grpcs).

    Args:
        network: Its name here; `model_name` of it is the model's on the server.
        connect: Opens a connection; given by tests.
    """

    def __init__(
        self,
        url: str,
        *,
        network: str,
        clock: Clock,
        batch_size: int,
        dynamic_batching: bool = False,
        connect: Callable[[str, int], Connection] | None = None,
    ) -> None:
        self.inputs: Sequence[Input] = ()
        self.description = f"Triton at {url}"
        self._url = url
        self._model = model_name(network)
        self._clock = clock
        self._batch_size = batch_size
        self._is_dynamic = dynamic_batching
        self._connect = connect or _connect
        self._connection: Connection | None = None
        self._types: dict[str, str] = {}

    def open(self) -> None:
        self._connection = self._connect(self._url, self._batch_size)
        self._connection.load(self._model, None)
        config = self._connection.config(self._model)
        self._check_size(config)
        switched = switched_batching(config, self._is_dynamic, self._batch_size)
        self._connection.load(self._model, json.dumps(switched))
        self._read_back(self._connection.config(self._model))

    def infer(self, batch: Sequence[Item]) -> float:
        if self._connection is None:
            raise LoadFailed("the connection to Triton is not open")
        send = self._connection.infer_each if self._is_dynamic else self._connection.infer
        start_s = self._clock.now()
        send(self._model, batch, self._types)
        return start_s

    def stop(self) -> None:
        """A request under way cannot be taken back: it ends by itself, or by its time-out."""

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _check_size(self, config: dict[str, Any]) -> None:
        most = int(config.get("max_batch_size", 0))
        if most < self._batch_size:
            raise LoadFailed(
                f"Triton's model {self._model} takes batches of at most {most}, "
                f"not of {self._batch_size}: raise its max_batch_size"
            )

    def _read_back(self, config: dict[str, Any]) -> None:
        """Take the inputs from the server, and see that batching is what was asked for."""
        assert self._connection is not None
        is_dynamic = config.get("dynamic_batching") is not None
        if is_dynamic != self._is_dynamic:
            raise LoadFailed(f"Triton did not switch dynamic batching of {self._model}")
        self._types = {told["name"]: _type(told) for told in config["input"]}
        self.inputs = [_input(told) for told in config["input"]]
        batching = "dynamic batching" if is_dynamic else "batches as sent"
        backend = config.get("backend") or config.get("platform") or "unknown backend"
        protocol = self._url.split(":")[0]
        self.description = (
            f"Triton {self._connection.version()} over {protocol}, {backend}, {batching}"
        )


def switched_batching(config: dict[str, Any], is_dynamic: bool, batch_size: int) -> dict[str, Any]:
    """The model's configuration with dynamic batching on or off."""
    others = {key: value for key, value in config.items() if key != "dynamic_batching"}
    if not is_dynamic:
        return others
    policy = {
        "preferred_batch_size": [batch_size],
        "max_queue_delay_microseconds": QUEUE_DELAY_US,
    }
    return others | {"dynamic_batching": policy}


def _type(told: dict[str, Any]) -> str:
    short = str(told["data_type"]).removeprefix("TYPE_")
    if short not in NUMPY:
        raise LoadFailed(f"the input {told['name']} is of type {short}, which is not served")
    return short


def _input(told: dict[str, Any]) -> Input:
    shape = tuple(int(axis) for axis in told["dims"])
    if any(axis < 0 for axis in shape):
        raise LoadFailed(f"the input {told['name']} has a free axis: {list(shape)}")
    return Input(str(told["name"]), shape, NUMPY[_type(told)])


def _connect(url: str, batch_size: int) -> Connection:
    """Raises: LoadFailed, where the client library is not installed."""
    try:
        from measurements.board.load import triton_clients
    except ImportError as missing:
        raise LoadFailed(
            f"tritonclient is not installed for this Python ({missing}): see docs/loads.md"
        ) from missing
    return triton_clients.connect(url, at_once=batch_size)
