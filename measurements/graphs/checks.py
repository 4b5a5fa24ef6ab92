"""Reads an ONNX file that nobody trusts: whole, self-contained, plain operators only."""

from __future__ import annotations

import math
import re
import resource
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from onnx import NodeProto, TensorProto

from .errors import GraphError, first_line, node_title, quoted
from .features import BITS, dtype_name
from .stripped import strip

LONGEST_INPUT_NAME = 200
PLAIN_DOMAINS = ("", "ai.onnx")
_PER_NUMBER = {"COMPLEX64": 2, "COMPLEX128": 2}
_TYPED_FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


def read(path: Path) -> onnx.ModelProto:
    """The graph in `path`, after every check that does not need shapes.

    Raises:
        GraphError: It is no ONNX file, points to other files, lacks data, holds
            control flow, functions or foreign operators, or breaks ONNX's own rules.
        MemoryError: It needs more memory than this process may have.
    """
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(path.read_bytes())
    except DecodeError as error:
        if "alloc" in str(error) or _memory_ran_short():
            raise MemoryError from error
        raise GraphError("This is not an ONNX file.") from error
    if not all(isinstance(text, str) for text in _texts(model)):
        raise GraphError("This is not an ONNX file: its names are not UTF-8 text.")
    _check_opset(model)
    _check_parts(model)
    for node in model.graph.node:
        _check_node(node)
    for tensor in _tensors(model):
        _check_tensor(tensor)
    _check_rules(model)
    return model


def _memory_ran_short() -> bool:
    """Whether half of this process's limit was in use: protobuf does not always name the cause.

    It grows by doubling, so the allocation that failed asked for about as much again.
    Source: man 5 proc, VmPeak; man 2 getrlimit, RLIMIT_AS.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    status = Path("/proc/self/status")
    if limit == resource.RLIM_INFINITY or not status.exists():
        return False
    peak = re.search(r"VmPeak:\s+(\d+) kB", status.read_text())
    return peak is not None and int(peak[1]) * 1024 > limit / 2


def _texts(message: Message) -> Iterator[str | bytes]:
    """Every text in `message`; protobuf gives bytes for one that is not UTF-8."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            yield from [value] if isinstance(value, (str, bytes)) else value
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in [value] if isinstance(value, Message) else value:
                yield from _texts(part)


def _check_opset(model: onnx.ModelProto) -> None:
    versions = [opset.version for opset in model.opset_import if opset.domain in PLAIN_DOMAINS]
    if not model.HasField("graph") or not versions:
        raise GraphError("This is not an ONNX network: it has no graph or names no opset.")
    newest = onnx.defs.onnx_opset_version()
    if not all(1 <= version <= newest for version in versions):
        raise GraphError(f"The file asks for opset {max(versions)}; 1 to {newest} are known here.")


def _check_parts(model: onnx.ModelProto) -> None:
    graph = model.graph
    unsupported = {
        "training information": model.training_info,
        "functions of its own": model.functions,
        "sparse weights": graph.sparse_initializer,
    }
    for what, part in unsupported.items():
        if part:
            raise GraphError(f"The file has {what}; export the network for inference without.")
    for info in graph.input:
        if len(info.name) > LONGEST_INPUT_NAME or not info.name.isprintable():
            raise GraphError(f"Input {quoted(info.name)} has an unreadable name.")
        if info.type.WhichOneof("value") != "tensor_type":
            raise GraphError(f"Input {quoted(info.name)} is not a tensor.")


def _check_node(node: NodeProto) -> None:
    if node.domain not in PLAIN_DOMAINS:
        raise GraphError(
            f"{node_title(node)} is of the domain {quoted(node.domain)}; "
            "only ONNX's own operators can be priced."
        )
    for part in node.attribute:
        if part.HasField("g") or part.graphs:
            raise GraphError(
                f"{node_title(node)} runs a graph of its own; what control flow costs "
                "depends on the data, so it cannot be priced."
            )
        if part.HasField("sparse_tensor") or part.sparse_tensors:
            raise GraphError(f"{node_title(node)} has a sparse constant.")


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for node in model.graph.node:
        for part in node.attribute:
            if part.HasField("t"):
                yield part.t
            yield from part.tensors


def _check_tensor(tensor: TensorProto) -> None:
    """That the data of `tensor` is in the file, and as long as its shape says."""
    name = quoted(tensor.name)
    if tensor.external_data or tensor.data_location == TensorProto.EXTERNAL:
        raise GraphError(f"Weight {name} lies in another file; save the network as one file.")
    if any(dim < 0 for dim in tensor.dims):
        raise GraphError(f"Weight {name} has a negative dimension.")
    dtype = dtype_name(tensor.data_type, tensor.name)
    numbers = math.prod(tensor.dims) * _PER_NUMBER.get(dtype, 1)
    if tensor.HasField("raw_data"):
        wanted, held = (math.prod(tensor.dims) * BITS[dtype] + 7) // 8, len(tensor.raw_data)
    else:
        wanted = (numbers + 1) // 2 if BITS[dtype] == 4 else numbers
        held = sum(len(getattr(tensor, field)) for field in _TYPED_FIELDS)
    if wanted != held:
        raise GraphError(f"Weight {name} does not hold as much data as its shape says.")


def _check_rules(model: onnx.ModelProto) -> None:
    """ONNX's own checker, on the graph without its weights."""
    try:
        onnx.checker.check_model(strip(model).model)
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as error:
        raise GraphError(f"ONNX's checker refuses the file: {first_line(error)}") from error
