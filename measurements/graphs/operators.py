"""What one ONNX operator costs: FLOPs, multiply-accumulates and bytes moved.

Conventions. A multiply-accumulate (MAC) is 2 FLOPs; an addition, a comparison or
an elementary function (exp, erf, sqrt) is 1. `macs` counts convolutions and dense
layers only: a matrix product of two activations, as inside attention, adds FLOPs
but no MACs. Every layer reads its inputs and weights and writes its outputs once;
nothing is fused. Views (Reshape and its like) move nothing, and an operator that
picks (Gather, Slice) reads what it emits, not the whole table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class UnknownCost(ValueError):
    """This operator's work cannot be told from the graph."""


class Value(NamedTuple):
    """A tensor of the graph: its shape, and whether it is the same for every request."""

    shape: tuple[int, ...]
    bits: int
    """Size of one element."""
    is_constant: bool

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return (self.elements * self.bits + 7) // 8


class Cost(NamedTuple):
    """Whole numbers; `bytes` counts what is read and what is written."""

    flops: int
    macs: int
    bytes: int


class Operator(NamedTuple):
    """One node: its type, attributes, inputs (None: left out) and outputs."""

    kind: str
    attributes: Mapping[str, Any]
    inputs: Sequence[Value | None]
    outputs: Sequence[Value]

    def input(self, position: int) -> Value:
        value = self.inputs[position] if position < len(self.inputs) else None
        if value is None:
            raise UnknownCost(f"its input {position} is missing")
        return value

    def has_input(self, position: int) -> bool:
        return position < len(self.inputs) and self.inputs[position] is not None


VIEWS = {
    "Constant", "Dropout", "Flatten", "Identity", "Reshape", "Shape", "Size", "Squeeze",
    "Unsqueeze",
}  # fmt: skip
PICKS = {"Gather", "GatherElements", "GatherND", "Slice"}
MOVES = {
    "Cast", "CastLike", "Compress", "Concat", "ConstantOfShape", "DepthToSpace", "Expand",
    "EyeLike", "OneHot", "Pad", "ReverseSequence", "ScatterElements", "ScatterND",
    "SpaceToDepth", "Split", "Tile", "Transpose", "Where",
}  # fmt: skip
UNPRICED = {"Attention", "DFT", "DeformConv", "MelWeightMatrix", "RoiAlign", "STFT", "Unique"}
FLOPS_PER_OUTPUT = {
    "BatchNormalization": 2,  # scale and shift; the statistics are folded beforehand
    "Clip": 2,
    "DequantizeLinear": 2,
    "DynamicQuantizeLinear": 5,
    "Elu": 3,
    "Gelu": 5,
    "GroupNormalization": 7,
    "HardSigmoid": 4,
    "HardSwish": 5,
    "InstanceNormalization": 7,  # mean, subtract, square, variance, divide, scale, shift
    "LayerNormalization": 7,
    "LeakyRelu": 2,
    "LogSoftmax": 5,
    "Mish": 5,
    "PRelu": 2,
    "QuantizeLinear": 3,
    "RMSNormalization": 4,
    "Resize": 7,  # bilinear: four products and three sums
    "Selu": 4,
    "Sigmoid": 4,  # negate, exp, add, divide
    "Softmax": 5,  # maximum, subtract, exp, sum, divide
    "Softplus": 3,
    "Swish": 5,
}
"""Everything that is named nowhere in this module: 1 per element of its first output."""

_WEIGHTED = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def cost(operator: Operator) -> Cost:
    """What `operator` costs.

    Raises:
        UnknownCost: It cannot be told; the text says why, without the node's name.
    """
    if operator.kind in UNPRICED:
        raise UnknownCost("no cost model for this operator")
    if operator.kind == "Reshape":
        _check_reshape(operator)
    macs, is_dense = _multiply_accumulates(operator)
    flops = 2 * macs + (_bias(operator) if macs else _flops_without_macs(operator))
    if flops < 0:
        raise UnknownCost("its attributes make no sense")
    return Cost(flops=flops, macs=macs if is_dense else 0, bytes=_bytes(operator))


def _check_reshape(operator: Operator) -> None:
    """Shape inference believes a Reshape with a fixed batch size; the count of numbers tells."""
    before, after = operator.input(0).elements, operator.outputs[0].elements
    if before != after:
        raise UnknownCost(
            f"it turns {before} numbers into {after}; a batch size may be fixed in its shape"
        )


def _bytes(operator: Operator) -> int:
    if operator.kind in VIEWS:
        return 0
    written = sum(value.bytes for value in operator.outputs)
    inputs = [value for value in operator.inputs if value is not None]
    if operator.kind in PICKS:
        return 2 * written + sum(value.bytes for value in inputs[1:])
    return written + sum(value.bytes for value in inputs)


def _multiply_accumulates(operator: Operator) -> tuple[int, bool]:
    """MACs, and whether they are those of a convolution or dense layer."""
    if operator.kind in _WEIGHTED:
        kernel = operator.input(_WEIGHTED[operator.kind]).shape[1:]
        return operator.outputs[0].elements * math.prod(kernel), True
    count = _PRODUCTS.get(operator.kind)
    return count(operator) if count else (0, False)


def _conv_transpose(operator: Operator) -> tuple[int, bool]:
    return operator.input(0).elements * math.prod(operator.input(1).shape[1:]), True


def _matrix_product(second: int) -> Callable[[Operator], tuple[int, bool]]:
    def count(operator: Operator) -> tuple[int, bool]:
        a, b = operator.input(0), operator.input(second)
        depth = a.shape[0 if operator.attributes.get("transA") else -1]
        return operator.outputs[0].elements * depth, a.is_constant or b.is_constant

    return count


def _einsum(operator: Operator) -> tuple[int, bool]:
    equation = operator.attributes["equation"].decode().replace(" ", "")
    terms = equation.split("->")[0].split(",")
    if "..." in equation or len(terms) != len(operator.inputs):
        raise UnknownCost(f"Einsum {equation!r} is not understood")
    sizes: dict[str, int] = {}
    for position, term in enumerate(terms):
        sizes.update(zip(term, operator.input(position).shape, strict=True))
    is_dense = any(value is not None and value.is_constant for value in operator.inputs)
    return math.prod(sizes.values()), is_dense


def _recurrent(operator: Operator) -> tuple[int, bool]:
    x, recurrence = operator.input(0), operator.input(2)
    directions, _, hidden = recurrence.shape
    a_step = _GATES[operator.kind] * hidden * (x.shape[-1] + hidden)
    return directions * x.shape[0] * x.shape[1] * a_step, True


_PRODUCTS: dict[str, Callable[[Operator], tuple[int, bool]]] = {
    "ConvTranspose": _conv_transpose,
    "Einsum": _einsum,
    "GRU": _recurrent,
    "Gemm": _matrix_product(1),
    "LSTM": _recurrent,
    "MatMul": _matrix_product(1),
    "MatMulInteger": _matrix_product(1),
    "QLinearMatMul": _matrix_product(3),
    "RNN": _recurrent,
}


def _bias(operator: Operator) -> int:
    """Additions of a bias that the operator itself brings."""
    position = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2, "QLinearConv": 8}.get(operator.kind)
    has_bias = position is not None and operator.has_input(position)
    return operator.outputs[0].elements if has_bias else 0


def _flops_without_macs(operator: Operator) -> int:
    if operator.kind in VIEWS | PICKS | MOVES or not operator.outputs:
        return 0
    if operator.kind in {"AveragePool", "MaxPool", "LpPool"}:
        window: int = math.prod(operator.attributes["kernel_shape"])
        return operator.outputs[0].elements * window
    if operator.kind.startswith(("Global", "Reduce", "Arg", "CumSum", "TopK")):
        return operator.input(0).elements
    if operator.kind in {"Sum", "Mean", "Max", "Min"}:
        return operator.outputs[0].elements * max(1, len(operator.inputs) - 1)
    return operator.outputs[0].elements * FLOPS_PER_OUTPUT.get(operator.kind, 1)
