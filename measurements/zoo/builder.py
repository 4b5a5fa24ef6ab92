"""Writes an ONNX graph node by node, with weights that a seed decides.

The same calls give the same bytes on every machine: weights come from PCG64's
uniform doubles, scaled and rounded to float32, which no maths library touches.
Without `with_data` a weight has its shape and type but no content: enough to
count FLOPs and bytes, and no memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8


class GraphBuilder:
    """Collects nodes and weights; every method that adds a node returns its output's name."""

    def __init__(self, name: str, *, seed: int, with_data: bool) -> None:
        self._name = name
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._with_data = with_data
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[TensorProto] = []
        self._scope = ""

    def within(self, scope: str) -> None:
        """Names of what follows begin with `scope`."""
        self._scope = scope

    def weight(self, name: str, shape: Sequence[int], *, fan_in: int) -> str:
        """Random weights of mean 0 and variance 2 / fan_in, which keeps activations in scale.

        Source: He et al. 2015, arXiv 1502.01852, equation 10.
        """
        if not self._with_data:
            return self._hollow(name, shape)
        limit = math.sqrt(6.0 / fan_in)
        uniform = self._random.random(math.prod(shape))
        return self._tensor(name, ((2.0 * uniform - 1.0) * limit).reshape(shape))

    def filled(self, name: str, shape: Sequence[int], value: float) -> str:
        """A weight that starts as a constant: biases, scales and running statistics."""
        if not self._with_data:
            return self._hollow(name, shape)
        return self._tensor(name, np.full(shape, value))

    def integers(self, name: str, values: Sequence[int]) -> str:
        """A small constant that shapes depend on; it always has its content."""
        tensor = numpy_helper.from_array(np.asarray(values, dtype=np.int64), self._scope + name)
        self._weights.append(tensor)
        return str(tensor.name)

    def scalar(self, name: str, value: float) -> str:
        tensor = numpy_helper.from_array(np.asarray(value, dtype=np.float32), self._scope + name)
        self._weights.append(tensor)
        return str(tensor.name)

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        output = self._scope + (name or operator.lower())
        node = helper.make_node(operator, list(inputs), [output], name=output, **attributes)
        self._nodes.append(node)
        return output

    def model(
        self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """The finished graph. The builder gives its weights away and is used up."""
        graph = helper.make_graph(self._nodes, self._name, inputs, outputs)
        opset = [helper.make_opsetid("", OPSET)]
        model: onnx.ModelProto = helper.make_model(
            graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="polyweb"
        )
        for position, tensor in enumerate(self._weights):
            model.graph.initializer.append(tensor)
            self._weights[position] = TensorProto()  # never two copies of all weights
        return model

    def _tensor(self, name: str, values: npt.NDArray[np.float64]) -> str:
        tensor = numpy_helper.from_array(values.astype(np.float32), self._scope + name)
        self._weights.append(tensor)
        return str(tensor.name)

    def _hollow(self, name: str, shape: Sequence[int]) -> str:
        tensor = TensorProto(name=self._scope + name, data_type=TensorProto.FLOAT, dims=shape)
        self._weights.append(tensor)
        return str(tensor.name)
