"""The built-in networks: real ONNX graphs, built as published, with weights from a seed.

The architecture is the published one; the weights are random, so the answers mean
nothing, but the work per request (FLOPs, bytes, layers) is that of the trained network.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import onnx

from . import bert, efficientnet

SEED = 20_231_101


class Builtin(NamedTuple):
    """How a page calls the network, and what builds it (keywords `seed`, `with_data`)."""

    title: str
    build: Callable[..., onnx.ModelProto]


BUILTINS: dict[str, Builtin] = {
    "efficientnet-b0": Builtin("EfficientNet-B0 (224 px)", efficientnet.build),
    "efficientnet-b4": Builtin("EfficientNet-B4 (380 px)", efficientnet.build),
    "efficientnet-b7": Builtin("EfficientNet-B7 (600 px)", efficientnet.build),
    "bert-base": Builtin("BERT-base uncased (128 tokens)", bert.build),
}


def build(name: str, *, with_data: bool = True) -> onnx.ModelProto:
    """The graph of the built-in `name`; without data its weights have shapes only.

    Raises:
        KeyError: There is no such built-in network.
    """
    return BUILTINS[name].build(name, seed=SEED, with_data=with_data)


def write(name: str, path: Path) -> None:
    """Write the whole graph of `name` to `path`: the same bytes every time.

    Raises:
        KeyError: There is no such built-in network.
    """
    path.write_bytes(build(name).SerializeToString(deterministic=True))
