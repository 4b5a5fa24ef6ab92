"""An ONNX graph without the content of its weights: small, whatever the file weighs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from onnx import NodeProto, TensorProto, helper

from .errors import GraphError, quoted

SMALL_CONSTANT = 1024
"""Elements up to which a constant keeps its content: shapes may depend on it."""


@dataclass(frozen=True, slots=True)
class Stripped:
    """`model` takes its large weights as inputs of their shape; small constants stay."""

    model: onnx.ModelProto
    weights: tuple[TensorProto, ...]
    """Every initialiser and constant; treat as shape and type only."""
    inputs: tuple[onnx.ValueInfoProto, ...]
    """What a caller has to feed, weights not among them."""
    constants: frozenset[str]
    """Names of values that are the same for every request."""


def strip(model: onnx.ModelProto) -> Stripped:
    """Strip `model`, which stays as it is.

    Raises:
        GraphError: It has no input, no output or no node.
    """
    graph = model.graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    weights = [*initializers.values(), *_constant_tensors(graph.node)]
    inputs = tuple(info for info in graph.input if info.name not in initializers)
    if not (inputs and graph.output and graph.node):
        raise GraphError("The graph has no input, no output or no node.")
    bare = onnx.ModelProto(ir_version=max(model.ir_version, 4), opset_import=model.opset_import)
    bare.graph.name = "graph"
    bare.graph.output.extend(graph.output)
    bare.graph.input.extend(inputs)
    bare.graph.input.extend(_declared(tensor) for tensor in weights if _is_large(tensor))
    bare.graph.initializer.extend(t for t in initializers.values() if not _is_large(t))
    bare.graph.node.extend(node for node in graph.node if not _is_large_constant(node))
    constants = _constants(graph.node, {tensor.name for tensor in weights})
    return Stripped(bare, tuple(weights), inputs, constants)


def input_named(model: onnx.ModelProto, name: str) -> onnx.ValueInfoProto:
    found: onnx.ValueInfoProto = next(info for info in model.graph.input if info.name == name)
    return found


def _is_large(tensor: TensorProto) -> bool:
    if any(dim < 0 for dim in tensor.dims):
        raise GraphError(f"Weight {quoted(tensor.name)} has a negative dimension.")
    return int(math.prod(tensor.dims)) > SMALL_CONSTANT


def _declared(tensor: TensorProto) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))


def _constant_tensors(nodes: Iterator[NodeProto]) -> Iterator[TensorProto]:
    """The tensor of each Constant node, under its output's name and without content."""
    for node in nodes:
        tensor = _value_of(node)
        if tensor is not None:
            yield TensorProto(name=node.output[0], data_type=tensor.data_type, dims=tensor.dims)


def _is_large_constant(node: NodeProto) -> bool:
    tensor = _value_of(node)
    return tensor is not None and _is_large(tensor)


def _value_of(node: NodeProto) -> TensorProto | None:
    if node.op_type != "Constant" or len(node.output) != 1:
        return None
    return next((part.t for part in node.attribute if part.name == "value"), None)


def _constants(nodes: Iterator[NodeProto], names: set[str]) -> frozenset[str]:
    """`names` and whatever is computed from them alone."""
    for node in nodes:
        if node.op_type == "Constant" or (
            node.input and all(name in names for name in node.input if name)
        ):
            names.update(node.output)
    return frozenset(names)
