"""BERT-base, uncased, with its pooler, at a fixed sequence length.

Source: Devlin et al. 2018, arXiv 1810.04805, section 3 (12 layers, 768 wide, 12
heads), and the authors' configuration of the uncased model (30,522 word pieces).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .builder import GraphBuilder

LN_EPSILON = 1e-12
MASKED_SCORE = -10_000.0


class Shape(NamedTuple):
    """BERT's sizes; `sequence` tokens are read, of at most `positions`."""

    layers: int = 12
    hidden: int = 768
    heads: int = 12
    inner: int = 3072
    vocabulary: int = 30_522
    positions: int = 512
    segments: int = 2
    sequence: int = 128


BASE = Shape()


def build(name: str, *, seed: int, with_data: bool, shape: Shape = BASE) -> onnx.ModelProto:
    """The encoder: three integer inputs (batch, sequence), hidden states and pooled output."""
    graph = GraphBuilder(name, seed=seed, with_data=with_data)
    hidden = _embeddings(graph, shape)
    mask = _mask(graph)
    for layer in range(shape.layers):
        graph.within(f"layer{layer}/")
        hidden = _layer(graph, hidden, mask, shape)
    pooled = _pooler(graph, hidden, shape)
    tokens = ["input_ids", "attention_mask", "token_type_ids"]
    inputs = [
        helper.make_tensor_value_info(token, TensorProto.INT64, ["batch", shape.sequence])
        for token in tokens
    ]
    outputs = [
        helper.make_tensor_value_info(
            hidden, TensorProto.FLOAT, ["batch", shape.sequence, shape.hidden]
        ),
        helper.make_tensor_value_info(pooled, TensorProto.FLOAT, ["batch", shape.hidden]),
    ]
    return graph.model(inputs, outputs)


def _embeddings(graph: GraphBuilder, shape: Shape) -> str:
    graph.within("embeddings/")
    width = shape.hidden
    words = graph.weight("words", (shape.vocabulary, width), fan_in=width)
    places = graph.weight("positions", (shape.positions, width), fan_in=width)
    segments = graph.weight("segments", (shape.segments, width), fan_in=width)
    numbers = graph.integers("position_ids", [*range(shape.sequence)])
    word = graph.add("Gather", words, "input_ids", name="word")
    place = graph.add("Gather", places, numbers, name="position")
    segment = graph.add("Gather", segments, "token_type_ids", name="segment")
    both = graph.add("Add", word, segment, name="word_and_segment")
    return _layer_norm(graph, graph.add("Add", both, place, name="sum"), shape, name="norm")


def _mask(graph: GraphBuilder) -> str:
    """0 for a token, -10,000 for padding, shape (batch, 1, 1, sequence)."""
    graph.within("mask/")
    axes = graph.integers("axes", [1, 2])
    wide = graph.add("Unsqueeze", "attention_mask", axes)
    present = graph.add("Cast", wide, to=TensorProto.FLOAT)
    absent = graph.add("Sub", graph.scalar("one", 1.0), present)
    return graph.add("Mul", absent, graph.scalar("masked_score", MASKED_SCORE))


def _layer(graph: GraphBuilder, hidden: str, mask: str, shape: Shape) -> str:
    width = shape.hidden
    context = _attention(graph, hidden, mask, shape)
    projected = _dense(graph, context, width, width, name="attention_output")
    summed = graph.add("Add", projected, hidden, name="attention_skip")
    attended = _layer_norm(graph, summed, shape, name="attention_norm")
    inner = _gelu(graph, _dense(graph, attended, width, shape.inner, name="inner"))
    outer = _dense(graph, inner, shape.inner, width, name="outer")
    return _layer_norm(graph, graph.add("Add", outer, attended, name="skip"), shape, name="norm")


def _attention(graph: GraphBuilder, hidden: str, mask: str, shape: Shape) -> str:
    """Scaled dot-product attention over `heads` heads. Source: arXiv 1706.03762, section 3.2."""
    head = shape.hidden // shape.heads
    split = graph.integers("split", [0, shape.sequence, shape.heads, head])
    query = _heads(graph, hidden, split, shape, name="query", perm=[0, 2, 1, 3])
    key = _heads(graph, hidden, split, shape, name="key", perm=[0, 2, 3, 1])
    value = _heads(graph, hidden, split, shape, name="value", perm=[0, 2, 1, 3])
    scores = graph.add("MatMul", query, key, name="scores")
    scaled = graph.add("Div", scores, graph.scalar("root", math.sqrt(head)), name="scaled")
    masked = graph.add("Add", scaled, mask, name="masked")
    shares = graph.add("Softmax", masked, axis=-1)
    context = graph.add("MatMul", shares, value, name="context")
    rows = graph.add("Transpose", context, name="context_rows", perm=[0, 2, 1, 3])
    joined = graph.integers("join", [0, shape.sequence, shape.hidden])
    return graph.add("Reshape", rows, joined, name="context_joined")


def _heads(
    graph: GraphBuilder, hidden: str, split: str, shape: Shape, *, name: str, perm: list[int]
) -> str:
    dense = _dense(graph, hidden, shape.hidden, shape.hidden, name=name)
    parts = graph.add("Reshape", dense, split, name=f"{name}_split")
    return graph.add("Transpose", parts, name=f"{name}_heads", perm=perm)


def _dense(graph: GraphBuilder, value: str, inputs: int, outputs: int, *, name: str) -> str:
    weight = graph.weight(f"{name}_weight", (inputs, outputs), fan_in=inputs)
    bias = graph.filled(f"{name}_bias", [outputs], 0.0)
    product = graph.add("MatMul", value, weight, name=f"{name}_product")
    return graph.add("Add", product, bias, name=name)


def _layer_norm(graph: GraphBuilder, value: str, shape: Shape, *, name: str) -> str:
    scale = graph.filled(f"{name}_scale", [shape.hidden], 1.0)
    shift = graph.filled(f"{name}_shift", [shape.hidden], 0.0)
    return graph.add("LayerNormalization", value, scale, shift, name=name, epsilon=LN_EPSILON)


def _gelu(graph: GraphBuilder, value: str) -> str:
    """x · (1 + erf(x / √2)) / 2. Source: arXiv 1606.08415, section 2."""
    scaled = graph.add("Div", value, graph.scalar("root_two", math.sqrt(2.0)), name="gelu_scaled")
    error = graph.add("Erf", scaled, name="gelu_erf")
    shifted = graph.add("Add", error, graph.scalar("gelu_one", 1.0), name="gelu_shifted")
    product = graph.add("Mul", value, shifted, name="gelu_product")
    return graph.add("Mul", product, graph.scalar("gelu_half", 0.5), name="gelu")


def _pooler(graph: GraphBuilder, hidden: str, shape: Shape) -> str:
    graph.within("pooler/")
    index = numpy_helper.from_array(np.asarray(0, dtype=np.int64), "")  # rank 0: drops the axis
    first = graph.add("Constant", name="first_index", value=index)
    token = graph.add("Gather", hidden, first, name="first_token", axis=1)
    dense = _dense(graph, token, shape.hidden, shape.hidden, name="dense")
    return graph.add("Tanh", dense, name="pooled")
