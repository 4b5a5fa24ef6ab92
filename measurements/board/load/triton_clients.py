"""NVIDIA's two clients, HTTP and gRPC, behind one small interface (`triton.Connection`).

Imported only where a Triton load is opened: the HTTP client brings gevent, the other grpc.
A connection is used in the one thread that opened it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

from measurements.board.load.preprocess import Item
from measurements.board.load.protocol import LoadFailed
from measurements.board.load.triton import LOAD_TIMEOUT_S, TIMEOUT_S

Types = dict[str, str]


def connect(url: str, *, at_once: int) -> HttpConnection | GrpcConnection:
    """A connection that carries up to `at_once` requests at a time."""
    scheme, _, address = url.rstrip("/").partition("://")
    if scheme in ("http", "https"):
        return HttpConnection(address, is_secure=scheme == "https", at_once=at_once)
    return GrpcConnection(address, is_secure=scheme == "grpcs")


class HttpConnection:
    def __init__(self, address: str, *, is_secure: bool, at_once: int) -> None:
        make = tritonclient.http.InferenceServerClient
        self._client = make(address, ssl=is_secure, concurrency=at_once, network_timeout=TIMEOUT_S)
        self._loading = make(address, ssl=is_secure, network_timeout=LOAD_TIMEOUT_S)

    def load(self, model: str, config: str | None) -> None:
        with failing_plainly(f"Triton cannot load {model}"):
            self._loading.load_model(model, config=config)

    def config(self, model: str) -> dict[str, Any]:
        with failing_plainly(f"Triton does not tell {model}'s configuration"):
            return dict(self._client.get_model_config(model))

    def version(self) -> str:
        with failing_plainly("Triton does not answer"):
            return str(self._client.get_server_metadata()["version"])

    def infer(self, model: str, batch: Sequence[Item], types: Types) -> None:
        with failing_plainly("inference failed"):
            self._client.infer(model, inputs(tritonclient.http.InferInput, batch, types))

    def infer_each(self, model: str, batch: Sequence[Item], types: Types) -> None:
        with failing_plainly("inference failed"):
            make = tritonclient.http.InferInput
            sent = [self._client.async_infer(model, inputs(make, [item], types)) for item in batch]
            for answer in sent:
                answer.get_result(timeout=TIMEOUT_S)

    def close(self) -> None:
        self._client.close()
        self._loading.close()


class GrpcConnection:
    def __init__(self, address: str, *, is_secure: bool) -> None:
        self._client = tritonclient.grpc.InferenceServerClient(address, ssl=is_secure)

    def load(self, model: str, config: str | None) -> None:
        with failing_plainly(f"Triton cannot load {model}"):
            self._client.load_model(model, config=config, client_timeout=LOAD_TIMEOUT_S)

    def config(self, model: str) -> dict[str, Any]:
        with failing_plainly(f"Triton does not tell {model}'s configuration"):
            told = self._client.get_model_config(model, as_json=True, client_timeout=TIMEOUT_S)
            return dict(told["config"])

    def version(self) -> str:
        with failing_plainly("Triton does not answer"):
            return str(self._client.get_server_metadata(client_timeout=TIMEOUT_S).version)

    def infer(self, model: str, batch: Sequence[Item], types: Types) -> None:
        sent = inputs(tritonclient.grpc.InferInput, batch, types)
        with failing_plainly("inference failed"):
            self._client.infer(model, sent, client_timeout=TIMEOUT_S)

    def infer_each(self, model: str, batch: Sequence[Item], types: Types) -> None:
        answers: SimpleQueue[Any] = SimpleQueue()
        with failing_plainly("inference failed"):
            for item in batch:
                sent = inputs(tritonclient.grpc.InferInput, [item], types)
                self._client.async_infer(
                    model, sent, lambda result, error: answers.put(error),
                    client_timeout=TIMEOUT_S,
                )  # fmt: skip
            for _ in batch:
                if (error := answers.get(timeout=TIMEOUT_S + 1)) is not None:
                    raise error

    def close(self) -> None:
        self._client.close()


def inputs(make: Any, batch: Sequence[Item], types: Types) -> list[Any]:
    """The batch as the client sends it: one tensor for each input, binary."""
    tensors = []
    for name, kind in types.items():
        array = np.stack([item[name] for item in batch])
        tensor = make(name, list(array.shape), kind)
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    return tensors


@contextmanager
def failing_plainly(what: str) -> Iterator[None]:
    """Inside the block the clients' failures become LoadFailed.

    gevent's refused connections and time-outs are OSErrors.
    """
    try:
        yield
    except (InferenceServerException, OSError, Empty, json.JSONDecodeError) as failure:
        raise LoadFailed(f"{what}: {str(failure)[:500] or type(failure).__name__}") from failure
