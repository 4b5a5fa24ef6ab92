"""Files that nobody should trust: each ends in a clear refusal, quickly, and nothing is kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.core.management import call_command
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from measurements import uploads
from measurements.builtin_networks import NoFile, ensure_file, seed
from measurements.graphs import GraphError, features, read
from measurements.models import Network
from measurements.uploads import AlreadyStored, UploadRefused, read_features, store_network
from measurements.zoo import BUILTINS, build

from .onnx_files import dense, graph, node, one_node, tensor, weight
from .rows import make_network


@pytest.fixture(autouse=True)
def media(settings, tmp_path: Path) -> Path:
    """Files of each test in a directory of its own."""
    options = {"location": tmp_path / "media"}
    default = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    return tmp_path / "media"


def sent(model: onnx.ModelProto | bytes, name: str = "net.onnx") -> SimpleUploadedFile:
    return SimpleUploadedFile(
        name, model if isinstance(model, bytes) else model.SerializeToString()
    )


def kept_files(media: Path) -> list[Path]:
    return [path for path in media.rglob("*") if path.is_file()]


def external_data() -> onnx.ModelProto:
    model = dense()
    stolen = model.graph.initializer[0]
    stolen.ClearField("raw_data")
    stolen.data_location = TensorProto.EXTERNAL
    stolen.external_data.add(key="location", value="../../../../etc/passwd")
    return model


def hollow_weight() -> onnx.ModelProto:
    """A few bytes that say they are four terabytes."""
    model = dense()
    model.graph.initializer[0].ClearField("raw_data")
    model.graph.initializer[0].dims[:] = [2**20, 2**20]
    return model


def negative_weight() -> onnx.ModelProto:
    model = dense()
    model.graph.initializer[0].dims[:] = [-3, -4]
    return model


def loop() -> onnx.ModelProto:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Relu", ["v"], ["w"])],
        "body",
        [tensor("i", kind=TensorProto.INT64), tensor("go", kind=TensorProto.BOOL), tensor("v", 3)],
        [tensor("on", kind=TensorProto.BOOL), tensor("w", 3)],
    )
    return one_node("Loop", [], weight("trips", dtype="int64"), weight("go", dtype="bool"),
                    body=body)  # fmt: skip


def with_loop() -> onnx.ModelProto:
    model = loop()
    model.graph.input.append(tensor("x", "n", 3))
    return model


def cycle() -> onnx.ModelProto:
    nodes = [node("Add", ["x", "b"], "a"), node("Relu", ["a"], "b")]
    return graph(nodes, [tensor("x", "n", 3)], [tensor("b", "n", 3)])


def foreign_operator() -> onnx.ModelProto:
    nodes = [node("Secret", ["x"], "y", domain="com.example")]
    return graph(nodes, [tensor("x", "n", 3)], [tensor("y", "n", 3)], domains=["com.example"])


def with_function() -> onnx.ModelProto:
    model = dense()
    body = [helper.make_node("Relu", ["a"], ["b"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("f", "mine", ["a"], ["b"], body, opsets))
    return model


def huge_tensor() -> onnx.ModelProto:
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [2**40, 2**40])
    nodes = [node("Constant", [], "shape", value=shape), node("Expand", ["x", "shape"], "y")]
    return graph(nodes, [tensor("x", "n", 1)], [tensor("y", "a", "b")])


def huge_input() -> onnx.ModelProto:
    return one_node("Relu", [tensor("x", "n", 2**40)])


def wrong_rank() -> onnx.ModelProto:
    return one_node("MatMul", [tensor("x", "n", 3)], weight("w", 7, 4))


def nan_scale() -> onnx.ModelProto:
    scales = onnx.numpy_helper.from_array(np.full(4, np.nan, dtype=np.float32), "scales")
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"])]
    inputs, outputs = [tensor("x", "n", 3, 8, 8)], [tensor("y", "a", "b", "c", "d")]
    return graph(nodes, inputs, outputs, [scales])


def no_opset() -> onnx.ModelProto:
    model = dense()
    del model.opset_import[:]
    return model


def future_opset() -> onnx.ModelProto:
    model = dense()
    model.opset_import[0].version = 9_999
    return model


def nested(depth: int) -> bytes:
    """A graph within an attribute within a node within a graph, `depth` times."""
    inner = b""
    for _ in range(depth):
        for tag in (0x32, 0x2A, 0x0A):  # attribute.g, node.attribute, graph.node
            inner = bytes([tag]) + _varint(len(inner)) + inner
    return b"\x3a" + _varint(len(inner)) + inner


def _varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


HOSTILE = {
    "text": (b"this is no ONNX file\n", "not an ONNX"),
    "nothing but a field": (b"\x08\x08", "not an ONNX"),
    "nested ten thousand deep": (nested(10_000), "not an ONNX"),
    "points to another file": (external_data(), "lies in another file"),
    "a weight without its data": (hollow_weight(), "not hold as much data"),
    "a weight of negative size": (negative_weight(), "negative dimension"),
    "a loop": (with_loop(), "control flow"),
    "a cycle": (cycle(), "checker refuses"),
    "an operator of its own": (foreign_operator(), "com.example"),
    "a function of its own": (with_function(), "functions of its own"),
    "a tensor of 2**80": (huge_tensor(), "impossible shape|do not fit"),
    "an input of 2**40": (huge_input(), "impossible shape"),
    "shapes that do not fit": (wrong_rank(), "do not fit"),
    "a scale that is no number": (nan_scale(), "impossible shape|do not fit"),
    "no opset": (no_opset(), "names no opset"),
    "an opset of the future": (future_opset(), "opset 9999"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_with_its_reason(case, tmp_path):
    content, reason = HOSTILE[case]
    file = tmp_path / "hostile.onnx"
    file.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    with pytest.raises(UploadRefused, match=reason) as refused:
        read_features(file)
    assert "passwd" not in str(refused.value) and len(str(refused.value)) < 700


@given(st.binary(max_size=400))
@hypothesis_settings(deadline=None)
def test_any_bytes_are_refused_by_name(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "any.onnx"
    file.write_bytes(data)
    with pytest.raises(GraphError):
        read(file)


@given(st.data())
@hypothesis_settings(max_examples=100, deadline=None)
def test_a_damaged_file_is_read_or_refused_but_never_breaks_the_reader(tmp_path_factory, data):
    whole = bytearray(dense().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path_factory.getbasetemp() / "damaged.onnx"
    file.write_bytes(bytes(whole))
    try:
        model = read(file)
    except GraphError:
        return
    assert model.graph.node


def test_a_file_that_takes_too_much_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "READER_BASE_BYTES", 400 * 2**20)
    monkeypatch.setattr(uploads, "READER_BYTES_PER_FILE_BYTE", 0)
    file = tmp_path / "many.onnx"
    many = onnx.ModelProto.FromString(dense().SerializeToString())
    many.graph.node.extend([onnx.NodeProto()] * 2_000_000)
    file.write_bytes(many.SerializeToString())
    with pytest.raises(UploadRefused, match="MiB of memory"):
        read_features(file)


def test_a_file_that_takes_too_long_is_refused(tmp_path, settings):
    settings.NETWORK_MAX_SECONDS = 0.05
    file = tmp_path / "slow.onnx"
    file.write_bytes(dense().SerializeToString())
    with pytest.raises(UploadRefused, match="longer than"):
        read_features(file)
    settings.NETWORK_MAX_SECONDS = 30
    assert read_features(file).parameters == 16  # the next one is not held up


def test_the_reader_sees_no_secret_of_this_process(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "of-this-process")
    seen = {}
    monkeypatch.setattr(uploads.subprocess, "run", lambda *a, **kw: seen.update(kw))
    uploads._run_reader(Path(__file__))
    assert "of-this-process" not in str(seen["env"])


@pytest.mark.django_db
def test_a_good_file_is_stored_whole_with_its_features(media):
    content = dense().SerializeToString()
    network = store_network(sent(content), name="dense", user=None)
    network.refresh_from_db()
    assert network.sha256 == hashlib.sha256(content).hexdigest()
    assert Path(network.file.path).read_bytes() == content
    assert (network.size_bytes, network.parameters, network.flops(2)) == (len(content), 16, 56)
    assert kept_files(media) == [Path(network.file.path)]


@pytest.mark.django_db
def test_an_upload_on_disk_is_read_where_it_lies():
    content = dense().SerializeToString()
    upload = TemporaryUploadedFile("big.onnx", "application/octet-stream", len(content), None)
    upload.write(content)
    upload.file.flush()
    assert store_network(upload, name="big", user=None).parameters == 16
    upload.close()


@pytest.mark.django_db
def test_of_a_refused_file_nothing_is_kept(media):
    with pytest.raises(UploadRefused):
        store_network(sent(external_data()), name="thief", user=None)
    assert not Network.objects.exists() and not kept_files(media)


@pytest.mark.django_db
def test_the_same_bytes_again_lead_to_the_first():
    first = store_network(sent(dense()), name="first", user=None)
    with pytest.raises(AlreadyStored) as again:
        store_network(sent(dense()), name="second", user=None)
    assert again.value.network == first


@pytest.mark.django_db
def test_a_name_taken_meanwhile_leaves_no_file_behind(media):
    make_network(name="taken")
    with pytest.raises(UploadRefused, match="just now"):
        store_network(sent(dense()), name="taken", user=None)
    assert not kept_files(media)


@pytest.mark.django_db
def test_a_file_above_the_limit_is_not_even_read(settings, monkeypatch):
    settings.NETWORK_MAX_BYTES = 10
    monkeypatch.setattr(uploads, "read_features", lambda path: pytest.fail("it was read"))
    with pytest.raises(UploadRefused, match="larger than"):
        store_network(sent(dense()), name="large", user=None)


@pytest.mark.django_db
def test_seeding_twice_makes_four_networks_without_a_file(media):
    seed()
    seed()
    assert set(Network.objects.values_list("builtin", flat=True)) == set(BUILTINS)
    assert not Network.objects.filter(sha256__isnull=False).exists() and not kept_files(media)


@pytest.mark.django_db
def test_a_built_in_file_is_built_once_and_known_by_its_hash():
    seed()
    network = Network.objects.get(builtin="efficientnet-b0")
    path = ensure_file(network)
    written_ns = path.stat().st_mtime_ns
    assert network.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert ensure_file(network) == path and path.stat().st_mtime_ns == written_ns


@pytest.mark.django_db
def test_a_built_in_file_that_is_gone_is_built_again_the_same():
    seed()
    network = Network.objects.get(builtin="efficientnet-b0")
    ensure_file(network)
    before = network.sha256
    default_storage.delete(network.file.name)
    assert ensure_file(network).exists() and network.sha256 == before


@pytest.mark.django_db
def test_the_bytes_of_a_built_in_network_are_known_before_anything_built_it():
    seed()
    with pytest.raises(AlreadyStored) as known:
        store_network(sent(build("efficientnet-b0")), name="mine", user=None)
    assert known.value.network.builtin == "efficientnet-b0"


@pytest.mark.django_db
def test_an_uploaded_file_that_is_gone_cannot_be_built():
    network = store_network(sent(dense()), name="dense", user=None)
    network.file.storage.delete(network.file.name)
    with pytest.raises(NoFile):
        ensure_file(network)


@pytest.mark.django_db
def test_the_command_writes_a_built_in_graph_to_a_file(tmp_path):
    call_command("seed_networks")
    call_command("build_network", "efficientnet-b0", "--out", str(tmp_path / "b0.onnx"))
    assert features(read(tmp_path / "b0.onnx")).parameters == 5_288_548
    assert Network.objects.get(builtin="efficientnet-b0").sha256 is None


@pytest.mark.django_db
def test_the_command_without_a_file_stores_the_graph_with_its_network(capsys):
    call_command("seed_networks")
    call_command("build_network", "efficientnet-b0")
    network = Network.objects.get(builtin="efficientnet-b0")
    assert network.sha256 in capsys.readouterr().out and network.size_bytes > 21e6
