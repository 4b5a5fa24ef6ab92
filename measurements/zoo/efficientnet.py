"""EfficientNets B0 to B7 as published.

Source: Tan and Le 2019, arXiv 1905.11946, table 1 (B0) and section 3.3 (compound
scaling), with the authors' TensorFlow code for what the paper leaves open: channels
round to multiples of 8, repeats round up, padding is TensorFlow's SAME.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import onnx
from onnx import TensorProto, helper

from .builder import GraphBuilder

CLASSES = 1000
BN_EPSILON = 1e-3


class Scale(NamedTuple):
    """Multipliers of channels and of repeats, and the side of the square input."""

    width: float
    depth: float
    resolution_px: int


class Stage(NamedTuple):
    """A row of table 1: `repeats` blocks of which the first has `stride`."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    repeats: int


SCALES = {
    "efficientnet-b0": Scale(1.0, 1.0, 224),
    "efficientnet-b4": Scale(1.4, 1.8, 380),
    "efficientnet-b7": Scale(2.0, 3.1, 600),
}
STAGES = (
    Stage(expansion=1, kernel=3, stride=1, channels=16, repeats=1),
    Stage(expansion=6, kernel=3, stride=2, channels=24, repeats=2),
    Stage(expansion=6, kernel=5, stride=2, channels=40, repeats=2),
    Stage(expansion=6, kernel=3, stride=2, channels=80, repeats=3),
    Stage(expansion=6, kernel=5, stride=1, channels=112, repeats=3),
    Stage(expansion=6, kernel=5, stride=2, channels=192, repeats=4),
    Stage(expansion=6, kernel=3, stride=1, channels=320, repeats=1),
)


class Picture(NamedTuple):
    """An activation on its way: the value's name, its channels and its side in pixels."""

    name: str
    channels: int
    side_px: int


def build(name: str, *, seed: int, with_data: bool) -> onnx.ModelProto:
    """The network called `name` in `SCALES`, its batch axis free."""
    scale = SCALES[name]
    graph = GraphBuilder(name, seed=seed, with_data=with_data)
    picture = Picture("image", 3, scale.resolution_px)
    graph.within("stem/")
    stem = round_channels(32, width=scale.width)
    picture = _conv_bn(graph, picture, stem, kernel=3, stride=2, swish=True)
    picture = _trunk(graph, picture, scale)
    graph.within("head/")
    head = round_channels(1280, width=scale.width)
    picture = _conv_bn(graph, picture, head, kernel=1, stride=1, swish=True)
    _classifier(graph, picture)
    side = scale.resolution_px
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, side, side])
    scores = helper.make_tensor_value_info("head/scores", TensorProto.FLOAT, ["batch", CLASSES])
    return graph.model([image], [scores])


def round_channels(channels: int, *, width: float) -> int:
    """`channels` × `width` to the nearest multiple of 8, never more than 10 % below."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def _trunk(graph: GraphBuilder, picture: Picture, scale: Scale) -> Picture:
    for number, stage in enumerate(STAGES, start=1):
        channels = round_channels(stage.channels, width=scale.width)
        for repeat in range(math.ceil(stage.repeats * scale.depth)):
            graph.within(f"stage{number}/block{repeat}/")
            stride = stage.stride if repeat == 0 else 1
            picture = _block(graph, picture, stage._replace(channels=channels, stride=stride))
    return picture


def _block(graph: GraphBuilder, before: Picture, stage: Stage) -> Picture:
    """A mobile inverted bottleneck with squeeze and excitation."""
    wide = before
    if stage.expansion != 1:
        width = before.channels * stage.expansion
        wide = _conv_bn(graph, before, width, kernel=1, stride=1, swish=True, name="expand_")
    deep = _conv_bn(
        graph, wide, wide.channels, kernel=stage.kernel, stride=stage.stride, swish=True,
        depthwise=True, name="depthwise_",
    )  # fmt: skip
    deep = _squeeze_excite(graph, deep, squeezed=max(1, before.channels // 4))
    after = _conv_bn(graph, deep, stage.channels, kernel=1, stride=1, swish=False, name="project_")
    if stage.stride == 1 and before.channels == after.channels:
        return after._replace(name=graph.add("Add", after.name, before.name, name="skip"))
    return after


def _conv_bn(
    graph: GraphBuilder, before: Picture, channels: int, *, kernel: int, stride: int,
    swish: bool, depthwise: bool = False, name: str = "",
) -> Picture:  # fmt: skip
    groups = before.channels if depthwise else 1
    shape = (channels, before.channels // groups, kernel, kernel)
    weight = graph.weight(f"{name}weight", shape, fan_in=math.prod(shape[1:]))
    side = math.ceil(before.side_px / stride)
    value = graph.add(
        "Conv", before.name, weight, name=f"{name}conv", group=groups,
        kernel_shape=[kernel, kernel], strides=[stride, stride],
        pads=_same_padding(before.side_px, kernel=kernel, stride=stride),
    )  # fmt: skip
    value = _batch_norm(graph, value, channels, name=name)
    return Picture(_swish(graph, value, name=name) if swish else value, channels, side)


def _same_padding(side_px: int, *, kernel: int, stride: int) -> list[int]:
    """TensorFlow's SAME: the odd pixel goes to the bottom and the right."""
    total = max((math.ceil(side_px / stride) - 1) * stride + kernel - side_px, 0)
    before = total // 2
    return [before, before, total - before, total - before]


def _batch_norm(graph: GraphBuilder, value: str, channels: int, *, name: str) -> str:
    starts = (("scale", 1.0), ("shift", 0.0), ("mean", 0.0), ("variance", 1.0))
    parts = [graph.filled(f"{name}bn_{part}", [channels], start) for part, start in starts]
    return graph.add("BatchNormalization", value, *parts, name=f"{name}bn", epsilon=BN_EPSILON)


def _swish(graph: GraphBuilder, value: str, *, name: str) -> str:
    gate = graph.add("Sigmoid", value, name=f"{name}sigmoid")
    return graph.add("Mul", value, gate, name=f"{name}swish")


def _squeeze_excite(graph: GraphBuilder, picture: Picture, *, squeezed: int) -> Picture:
    pooled = graph.add("GlobalAveragePool", picture.name, name="se_pool")
    reduced = _pointwise(graph, pooled, picture.channels, squeezed, name="se_reduce")
    reduced = _swish(graph, reduced, name="se_")
    expanded = _pointwise(graph, reduced, squeezed, picture.channels, name="se_expand")
    gate = graph.add("Sigmoid", expanded, name="se_gate")
    return picture._replace(name=graph.add("Mul", picture.name, gate, name="se_scaled"))


def _pointwise(graph: GraphBuilder, value: str, inputs: int, outputs: int, *, name: str) -> str:
    weight = graph.weight(f"{name}_weight", (outputs, inputs, 1, 1), fan_in=inputs)
    bias = graph.filled(f"{name}_bias", [outputs], 0.0)
    return graph.add("Conv", value, weight, bias, name=name, kernel_shape=[1, 1])


def _classifier(graph: GraphBuilder, picture: Picture) -> None:
    pooled = graph.add("GlobalAveragePool", picture.name, name="pool")
    flat = graph.add("Flatten", pooled, axis=1)
    weight = graph.weight("dense_weight", (CLASSES, picture.channels), fan_in=picture.channels)
    bias = graph.filled("dense_bias", [CLASSES], 0.0)
    graph.add("Gemm", flat, weight, bias, name="scores", transB=1)
