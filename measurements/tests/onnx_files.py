"""Small ONNX graphs for tests, good and bad, from plain functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Dim = int | str | None


def tensor(name: str, *dims: Dim, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, dims)


def weight(name: str, *dims: int, dtype: str = "float32") -> TensorProto:
    return numpy_helper.from_array(np.zeros(dims, dtype=dtype), name)


def shape_constant(name: str, *values: int) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype=np.int64), name)


def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], name=f"the_{output}", **attributes)


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: Sequence[TensorProto] = (),
    *,
    opset: int = 17,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    made = helper.make_graph(nodes, "test", inputs, outputs, weights)
    return helper.make_model(made, opset_imports=opsets, ir_version=8)


def one_node(
    kind: str, inputs: Sequence[Any], *weights: TensorProto, rank: int = 2, **attributes: Any
) -> onnx.ModelProto:
    """A graph of one node with `inputs`, then `weights`, and the output y."""
    names = [*(info.name for info in inputs), *(tensor_.name for tensor_ in weights)]
    output = tensor("y", *[f"d{axis}" for axis in range(rank)])
    return graph([node(kind, names, "y", **attributes)], inputs, [output], weights)


def dense(batch: Dim = "n", *, inputs: int = 3, outputs: int = 4) -> onnx.ModelProto:
    """x (batch, inputs) times a weight, plus a bias."""
    return one_node(
        "Gemm", [tensor("x", batch, inputs)], weight("w", inputs, outputs), weight("b", outputs)
    )
