"""Costs that can be checked in one's head, and graphs that are refused with their place named."""

import math
import subprocess
import sys
from pathlib import Path

import msgspec
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from measurements import graphs, zoo
from measurements.graphs import Cost, GraphError, GraphFeatures, cost_at, features
from measurements.zoo import bert

from .onnx_files import dense, graph, node, one_node, shape_constant, tensor, weight


def test_a_dense_layer_costs_two_flops_a_multiply_accumulate_and_its_bias():
    # (2, 3) x (3, 4): 24 MACs, 8 additions; reads 6 + 12 + 4 numbers, writes 8, of 4 bytes.
    assert cost_at(dense(), 2) == Cost(flops=56, macs=24, bytes=120)


def test_weights_are_fixed_bytes_and_activations_bytes_per_item():
    found = features(dense())
    assert (found.bytes_fixed, found.bytes_per_item) == (64, 28)
    assert (found.flops_fixed, found.flops_per_item, found.macs_per_item) == (0, 28, 12)
    assert found.parameters == 16
    assert found.arithmetic_intensity(1) == pytest.approx(28 / 92)


def test_input_opset_and_operators_are_read_from_the_graph():
    found = features(dense())
    assert (found.input_name, found.input_shape, found.input_dtype) == ("x", [None, 3], "float32")
    assert (found.batch_is_dynamic, found.opset, found.operators) == (True, 17, {"Gemm": 1})


def test_a_convolution_counts_its_kernel_and_group():
    # Output (1, 4, 8, 8); each element sums 2 channels (of 4, in 2 groups) x 3 x 3.
    model = one_node(
        "Conv", [tensor("x", "n", 4, 8, 8)], weight("w", 4, 2, 3, 3),
        rank=4, group=2, pads=[1, 1, 1, 1],
    )  # fmt: skip
    assert cost_at(model, 1).macs == 256 * 18
    assert cost_at(model, 1).flops == 2 * 256 * 18


def test_a_transposed_convolution_spreads_every_input():
    model = one_node("ConvTranspose", [tensor("x", "n", 2, 5, 5)], weight("w", 2, 3, 2, 2), rank=4)
    assert cost_at(model, 1).macs == 50 * 12


def test_a_product_of_two_activations_is_no_dense_layer():
    model = one_node("MatMul", [tensor("a", "n", 2, 3), tensor("b", "n", 3, 5)], rank=3)
    assert cost_at(model, 1)[:2] == (60, 0)


def test_einsum_counts_the_product_of_its_letters():
    model = one_node(
        "Einsum", [tensor("a", "n", 2, 3), tensor("b", "n", 3, 5)], rank=3, equation="nij,njk->nik"
    )
    assert cost_at(model, 4).flops == 2 * 4 * 2 * 3 * 5


def test_a_recurrent_layer_counts_gates_and_steps():
    # 7 steps, batch n, 3 inputs, 5 hidden: 4 gates x 5 x (3 + 5) MACs a step and item.
    nodes = [helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=5)]
    model = graph(
        nodes, [tensor("x", "n", 3)], [tensor("y", "a", 1, "b", 5)],
        [weight("w", 1, 20, 3), weight("r", 1, 20, 5), shape_constant("lead", 7, -1, 3)],
    )  # fmt: skip
    model.graph.node.insert(0, node("Reshape", ["x", "lead"], "steps"))
    model.graph.node[1].input[0] = "steps"
    assert cost_at(model, 14).macs == 7 * 2 * 4 * 5 * 8


@pytest.mark.parametrize(
    ("kind", "attributes", "flops"),
    [
        ("Relu", {}, 12),
        ("Sigmoid", {}, 48),
        ("Softmax", {"axis": 1}, 60),
        ("MaxPool", {"kernel_shape": [2, 2]}, 2 * 1 * 2 * 4),
        ("GlobalAveragePool", {}, 12),
        ("Transpose", {}, 0),
    ],
)
def test_layers_without_weights_cost_what_the_table_says(kind, attributes, flops):
    model = one_node(kind, [tensor("x", "n", 2, 2, 3)], rank=4, **attributes)
    assert cost_at(model, 1).flops == flops


def test_half_precision_moves_half_the_bytes():
    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16)
    moved = []
    for kind in kinds:
        model = one_node("Relu", [tensor("x", "n", 100, kind=kind)])
        model.graph.output[0].type.tensor_type.elem_type = kind
        moved.append(cost_at(model, 1).bytes)
    assert moved == [800, 400]


def test_a_view_moves_nothing_and_an_embedding_reads_only_its_rows():
    tokens = tensor("x", "n", 8, kind=TensorProto.INT64)
    nodes = [node("Gather", ["table", "x"], "rows"), node("Flatten", ["rows"], "y")]
    model = graph(nodes, [tokens], [tensor("y", "n", "m")], [weight("table", 30_000, 16)])
    # 8 indices of 8 bytes; 8 rows of 16 floats are read and written.
    assert cost_at(model, 1).bytes == 8 * 8 + 2 * 8 * 16 * 4


def test_statistics_shapes_and_scalars_are_no_parameters():
    names = ("scale", "shift", "mean", "variance")
    nodes = [node("BatchNormalization", ["x", *names], "z"), node("Reshape", ["z", "to"], "y")]
    weights = [*(weight(name, 6) for name in names), shape_constant("to", -1, 6)]
    model = graph(nodes, [tensor("x", "n", 6)], [tensor("y", "n", 6)], weights)
    assert features(model).parameters == 12


def test_weights_in_constant_nodes_count_like_initialisers():
    value = weight("", 3, 500)
    nodes = [node("Constant", [], "w", value=value), node("MatMul", ["x", "w"], "y")]
    model = graph(nodes, [tensor("x", "n", 3)], [tensor("y", "n", 500)])
    assert features(model).parameters == 1500
    assert features(model).macs_per_item == 1500


def test_a_fixed_batch_axis_is_priced_at_that_size_alone():
    found = features(dense(batch=4))
    assert (found.batch_is_dynamic, found.input_shape) == (False, [4, 3])
    assert found.flops(4) == cost_at(dense(batch=4), 4).flops == 112
    assert (found.flops_fixed, found.bytes_fixed) == (0, 0)


def test_an_unnamed_batch_axis_is_free():
    assert features(dense(batch=None)).batch_is_dynamic


@given(batch=st.integers(1, 512), inputs=st.integers(1, 40), outputs=st.integers(1, 40))
@settings(deadline=None, max_examples=25)
def test_features_at_any_batch_equal_the_count_at_that_batch(batch, inputs, outputs):
    model = dense(inputs=inputs, outputs=outputs)
    found, counted = features(model), cost_at(model, batch)
    assert found.flops(batch) == counted.flops
    assert found.bytes_moved(batch) == counted.bytes
    assert found.macs_per_item * batch == counted.macs


@pytest.mark.parametrize("batch", [1, 3, 16, 100])
@pytest.mark.parametrize("name", ["efficientnet-b0", "bert-base"])
def test_features_of_a_whole_network_equal_the_count_at_any_batch(name, batch):
    model = zoo.build(name, with_data=False)
    found, counted = features(model), cost_at(model, batch)
    assert found.flops(batch) == counted.flops
    assert found.bytes_moved(batch) == counted.bytes


def test_what_the_file_says_of_its_own_shapes_is_not_believed():
    model = dense()
    model.graph.output[0].CopyFrom(tensor("y", 9, 9))
    model.graph.value_info.append(tensor("y", 9, 9))
    assert features(model) == features(dense())


def test_pricing_leaves_the_graph_as_it_was():
    model = bert.build("tiny", seed=1, with_data=False, shape=bert.BASE._replace(layers=1))
    before = model.SerializeToString()
    features(model)
    assert model.SerializeToString() == before


def test_a_cost_that_is_not_affine_in_the_batch_is_refused():
    turned = node("Transpose", ["x"], "t", perm=[1, 0])
    model = graph([turned, node("MatMul", ["x", "t"], "y")], [tensor("x", "n", 8)],
                  [tensor("y", "n", "m")])  # fmt: skip
    with pytest.raises(GraphError, match="in proportion to the batch"):
        features(model)


def test_a_free_axis_beside_the_batch_is_named():
    with pytest.raises(GraphError, match="Axis 1 of input “x” is free"):
        features(one_node("Relu", [tensor("x", "n", "length")]))


def test_an_unknown_shape_names_its_node():
    model = one_node("NonZero", [tensor("x", "n", 3)])
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    with pytest.raises(GraphError, match="the_y.*NonZero.*shape of “y” is not known"):
        features(model)


def test_an_operator_without_a_cost_model_names_its_node():
    model = one_node(
        "DFT", [tensor("x", "n", 8, 1)], rank=3, onesided=0, axis=1,
    )  # fmt: skip
    with pytest.raises(GraphError, match="the_y.*DFT.*no cost model"):
        features(model)


def test_a_batch_size_baked_into_a_reshape_is_told():
    nodes = [node("Reshape", ["x", "to"], "flat"), node("Relu", ["flat"], "y")]
    model = graph(nodes, [tensor("x", "n", 6)], [tensor("y", 1, 6)], [shape_constant("to", 1, 6)])
    with pytest.raises(GraphError, match="the_flat.*turns 12 numbers into 6"):
        features(model)


def test_a_graph_of_views_alone_does_no_work():
    with pytest.raises(GraphError, match="does no work"):
        features(one_node("Flatten", [tensor("x", "n", 6)]))


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_axis_of_no_size_is_refused(batch):
    with pytest.raises(GraphError):
        features(dense(batch=batch))


def test_the_reader_prints_what_the_library_finds(tmp_path: Path):
    file = tmp_path / "dense.onnx"
    onnx.save(dense(), file)
    command = [sys.executable, "-m", "measurements.graphs", str(file)]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    assert msgspec.json.decode(printed, type=GraphFeatures) == features(graphs.read(file))


def test_every_weight_of_a_graph_without_data_has_its_shape():
    with_data = zoo.build("efficientnet-b0").graph.initializer
    hollow = zoo.build("efficientnet-b0", with_data=False).graph.initializer
    assert [(t.name, t.dims) for t in with_data] == [(t.name, t.dims) for t in hollow]
    assert sum(math.prod(t.dims) for t in hollow) > 5e6
    assert sum(t.ByteSize() for t in hollow) < 100_000
