"""Parameters, FLOPs and bytes of a graph, for any batch size.

Shapes are inferred with the batch axis set to a number, every operator is priced,
and the costs at a few batch sizes give fixed + per item × batch size. A graph whose
batch axis is fixed at B is priced at B alone: per item is then a B-th, and nothing
is claimed for other batch sizes.
"""

from __future__ import annotations

from collections import Counter

import msgspec
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, shape_inference

from .errors import GraphError, first_line, node_title, quoted
from .operators import Cost, Operator, UnknownCost, Value, cost
from .stripped import Stripped, input_named, strip

LARGEST_TENSOR = 2**40
"""Elements; no board holds a tensor like that, so a graph that has one is nonsense."""
LARGEST_AXIS = 2**31 - 1
BITS = {
    "FLOAT": 32, "UINT8": 8, "INT8": 8, "UINT16": 16, "INT16": 16, "INT32": 32, "INT64": 64,
    "BOOL": 8, "FLOAT16": 16, "DOUBLE": 64, "UINT32": 32, "UINT64": 64, "COMPLEX64": 64,
    "COMPLEX128": 128, "BFLOAT16": 16, "FLOAT8E4M3FN": 8, "FLOAT8E4M3FNUZ": 8, "FLOAT8E5M2": 8,
    "FLOAT8E5M2FNUZ": 8, "UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4,
}  # fmt: skip
"""Size of one element of each type that can be priced."""
_NOT_LEARNED = {"INT64", "INT32", "UINT64", "UINT32", "BOOL"}
_PROBES = (1, 2, 5)
"""Batch sizes to price: two make a line, the third must lie on it."""


class GraphFeatures(msgspec.Struct, frozen=True, kw_only=True):
    """What a network costs at any batch size, or at the one that its graph fixes."""

    input_name: str
    input_shape: list[int | None]
    """None: the free batch axis."""
    input_dtype: str
    batch_is_dynamic: bool
    parameters: int
    """Learned numbers: weights without shapes, masks, scalars and running statistics."""
    macs_per_item: float
    """Of convolutions and dense layers only."""
    flops_per_item: float
    flops_fixed: float
    bytes_per_item: float
    bytes_fixed: float
    opset: int
    operators: dict[str, int]

    def flops(self, batch: int) -> float:
        return self.flops_fixed + self.flops_per_item * batch

    def bytes_moved(self, batch: int) -> float:
        return self.bytes_fixed + self.bytes_per_item * batch

    def arithmetic_intensity(self, batch: int) -> float:
        """FLOPs per byte moved."""
        return self.flops(batch) / self.bytes_moved(batch)


class _Line(msgspec.Struct, frozen=True):
    fixed: Cost
    per_item: tuple[float, float, float]
    """In the order of `Cost`."""


def features(model: onnx.ModelProto) -> GraphFeatures:
    """Price `model`; the content of its large weights is not looked at and may be absent.

    Raises:
        GraphError: A shape is unknown, an axis other than the batch is free, an
            operator has no cost model, or the cost is not affine in the batch size.
    """
    bare = strip(model)
    first = bare.inputs[0]
    shape = _declared_shape(first)
    is_dynamic = shape[0] is None
    line = _line_over_batches(bare) if shape[0] is None else _line_at(bare, shape[0])
    flops, macs, moved = line.per_item
    return GraphFeatures(
        input_name=first.name,
        input_shape=shape,
        input_dtype=_numpy_name(dtype_name(first.type.tensor_type.elem_type, first.name)),
        batch_is_dynamic=is_dynamic,
        parameters=_parameters(bare),
        macs_per_item=macs,
        flops_per_item=flops,
        flops_fixed=float(line.fixed.flops),
        bytes_per_item=moved,
        bytes_fixed=float(line.fixed.bytes),
        opset=next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")),
        operators=dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
    )


def cost_at(model: onnx.ModelProto, batch: int) -> Cost:
    """The cost of one batch of `batch` items, counted at that size.

    Raises:
        GraphError: As `features`.
    """
    return _cost_at(strip(model), batch)


def dtype_name(data_type: int, owner: str) -> str:
    """The name of an ONNX element type whose size is known.

    Raises:
        GraphError: It is a string, or a type newer than this program.
    """
    known = data_type in TensorProto.DataType.values()
    name = TensorProto.DataType.Name(data_type) if known else str(data_type)
    if name not in BITS:
        raise GraphError(f"{quoted(owner)} is of type {name}, whose size is not known.")
    return name


def _numpy_name(dtype: str) -> str:
    return {"FLOAT": "float32", "DOUBLE": "float64"}.get(dtype, dtype.lower())


def _declared_shape(info: ValueInfoProto) -> list[int | None]:
    """The first input's shape; only the batch axis may be free."""
    dims = info.type.tensor_type.shape.dim
    if not dims:
        raise GraphError(f"Input {quoted(info.name)} has no batch axis.")
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    if sizes[0] is not None and sizes[0] < 1:
        raise GraphError(f"Input {quoted(info.name)} has a batch axis of size {sizes[0]}.")
    if any(size is not None and size > LARGEST_AXIS for size in sizes):
        raise GraphError(f"Input {quoted(info.name)} has the impossible shape {sizes[:8]}.")
    return sizes


def _line_over_batches(bare: Stripped) -> _Line:
    one, two, probe = (_cost_at(bare, batch) for batch in _PROBES)
    per_item = Cost(*(b - a for a, b in zip(one, two, strict=True)))
    fixed = Cost(*(a - slope for a, slope in zip(one, per_item, strict=True)))
    if min(per_item) < 0:
        raise GraphError("The cost falls as the batch size grows.")
    for start, slope, seen in zip(fixed, per_item, probe, strict=True):
        if start + slope * _PROBES[-1] != seen:
            raise GraphError("The cost does not grow in proportion to the batch size.")
    return _Line(fixed, (float(per_item.flops), float(per_item.macs), float(per_item.bytes)))


def _line_at(bare: Stripped, batch: int) -> _Line:
    total = _cost_at(bare, batch)
    per_item = (total.flops / batch, total.macs / batch, total.bytes / batch)
    return _Line(Cost(0, 0, 0), per_item)


def _cost_at(bare: Stripped, batch: int) -> Cost:
    values = _values(bare, batch)
    costs = [_node_cost(node, values) for node in bare.model.graph.node]
    total = Cost(*map(sum, zip(Cost(0, 0, 0), *costs, strict=True)))
    if total.bytes == 0:
        raise GraphError("The graph does no work: none of its nodes moves a byte.")
    return total


def _node_cost(node: NodeProto, values: dict[str, Value]) -> Cost:
    operator = Operator(
        kind=node.op_type,
        attributes={part.name: helper.get_attribute_value(part) for part in node.attribute},
        inputs=[_value(node, name, values) if name else None for name in node.input],
        outputs=[_value(node, name, values) for name in node.output if name],
    )
    try:
        return cost(operator)
    except (UnknownCost, LookupError, ValueError, TypeError, AttributeError) as error:
        raise GraphError(f"{node_title(node)}: its cost is not known: {error}.") from error


def _value(node: NodeProto, name: str, values: dict[str, Value]) -> Value:
    try:
        return values[name]
    except KeyError:
        raise GraphError(f"{node_title(node)}: the shape of {quoted(name)} is not known.") from None


def _values(bare: Stripped, batch: int) -> dict[str, Value]:
    """Every value whose shape is known once the batch axis is `batch`."""
    graph = _inferred(bare, batch).graph
    values = {t.name: _sized(t.name, t.data_type, tuple(t.dims), True) for t in bare.weights}
    for info in (*graph.input, *graph.value_info, *graph.output):
        tensor = info.type.tensor_type
        is_known = tensor.HasField("shape") and all(
            dim.HasField("dim_value") for dim in tensor.shape.dim
        )
        if is_known and info.name not in values:
            shape = tuple(dim.dim_value for dim in tensor.shape.dim)
            is_constant = info.name in bare.constants
            values[info.name] = _sized(info.name, tensor.elem_type, shape, is_constant)
    return values


def _sized(name: str, data_type: int, shape: tuple[int, ...], is_constant: bool) -> Value:
    value = Value(shape, BITS[dtype_name(data_type, name)], is_constant)
    if any(dim < 0 for dim in shape) or value.elements > LARGEST_TENSOR:
        raise GraphError(f"{quoted(name)} has the impossible shape {list(shape)[:8]}.")
    return value


def _inferred(bare: Stripped, batch: int) -> onnx.ModelProto:
    """The graph with shapes inferred afresh; what the file says of them is not believed."""
    model = onnx.ModelProto()
    model.CopyFrom(bare.model)
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    _set_batch(model, bare, batch)
    try:
        return shape_inference.infer_shapes(
            model, check_type=True, strict_mode=True, data_prop=True
        )
    except (shape_inference.InferenceError, RuntimeError, ValueError) as error:
        raise GraphError(f"Shapes do not fit at batch {batch}: {first_line(error)}") from error


def _set_batch(model: onnx.ModelProto, bare: Stripped, batch: int) -> None:
    """Put `batch` on free first axes, and wherever the first input's symbol stands."""
    symbol = bare.inputs[0].type.tensor_type.shape.dim[0].dim_param
    for declared in bare.inputs:
        info = input_named(model, declared.name)
        for axis, dim in enumerate(info.type.tensor_type.shape.dim):
            is_free = not dim.HasField("dim_value")
            if is_free and (axis == 0 or (symbol and dim.dim_param == symbol)):
                dim.dim_value = batch
            elif is_free or dim.dim_value < 1:
                size = "free" if is_free else str(dim.dim_value)
                raise GraphError(
                    f"Axis {axis} of input {quoted(info.name)} is {size}; "
                    "export the network with a fixed size for every axis but the batch."
                )


def _parameters(bare: Stripped) -> int:
    """Elements of the learned tensors: floating point, or quantised to 16 bits or fewer."""
    statistics = {
        name
        for node in bare.model.graph.node
        if node.op_type == "BatchNormalization"
        for name in node.input[3:5]
    }
    return sum(
        Value(tuple(tensor.dims), 0, True).elements
        for tensor in bare.weights
        if tensor.dims
        and tensor.name not in statistics
        and dtype_name(tensor.data_type, tensor.name) not in _NOT_LEARNED
    )
