"""The built-in networks against the published figures, and running for real."""

import hashlib

import numpy as np
import onnx
import onnxruntime
import pytest

from measurements import zoo
from measurements.graphs import features
from measurements.zoo import bert, efficientnet

PARAMETERS = {
    "efficientnet-b0": 5.29e6,
    "efficientnet-b4": 19.3e6,
    "efficientnet-b7": 66.3e6,
    "bert-base": 109.5e6,
}
MACS = {"efficientnet-b0": 0.386e9, "efficientnet-b4": 4.39e9, "efficientnet-b7": 37.7e9}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_published_ones(name):
    found = features(zoo.build(name, with_data=False))
    assert found.parameters == pytest.approx(PARAMETERS[name], rel=0.01)


@pytest.mark.parametrize("name", MACS)
def test_multiply_accumulates_are_the_published_ones(name):
    found = features(zoo.build(name, with_data=False))
    assert found.macs_per_item == pytest.approx(MACS[name], rel=0.01)


@pytest.mark.parametrize("name", zoo.BUILTINS)
def test_every_network_takes_any_batch_size(name):
    assert features(zoo.build(name, with_data=False)).batch_is_dynamic


@pytest.mark.parametrize(
    ("channels", "width", "rounded"),
    [
        (32, 1.0, 32),
        (32, 1.4, 48),
        (16, 1.4, 24),
        (24, 1.4, 32),
        (1280, 2.0, 2560),
        (112, 1.4, 160),
    ],
)
def test_channels_round_to_eights_and_never_lose_a_tenth(channels, width, rounded):
    assert efficientnet.round_channels(channels, width=width) == rounded


def test_a_rebuild_gives_the_same_bytes(tmp_path):
    digests = set()
    for name in ("one", "two"):
        zoo.write("efficientnet-b0", tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_weights_do_not_change_what_a_network_costs():
    whole, hollow = (zoo.build("efficientnet-b0", with_data=data) for data in (True, False))
    assert features(whole) == features(hollow)


@pytest.fixture(scope="module")
def b0() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(zoo.build("efficientnet-b0").SerializeToString())


@pytest.mark.parametrize("batch", [1, 2])
def test_b0_runs_and_its_answers_differ_between_images(b0, batch):
    images = np.random.default_rng(1).standard_normal((batch, 3, 224, 224), dtype=np.float32)
    (scores,) = b0.run(None, {"image": images})
    assert scores.shape == (batch, 1000)
    assert np.isfinite(scores).all() and scores.std() > 1e-6
    assert len(np.unique(scores, axis=0)) == batch


def test_a_shallow_bert_runs_and_does_not_look_at_padding():
    shape = bert.BASE._replace(layers=2, vocabulary=100)
    model = bert.build("shallow", seed=1, with_data=True, shape=shape)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    tokens = np.random.default_rng(1).integers(0, 100, (2, 128))
    tokens[1, :64] = tokens[0, :64]
    mask = np.repeat(np.arange(128)[None] < 64, 2, axis=0).astype(np.int64)
    feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    hidden, pooled = session.run(None, feed)
    assert hidden.shape == (2, 128, 768) and pooled.shape == (2, 768)
    np.testing.assert_allclose(hidden[0, :64], hidden[1, :64], atol=1e-4)
    assert not np.allclose(hidden[0, 64:], hidden[1, 64:], atol=1e-1)


def test_bert_base_builds_whole(tmp_path):
    """Slow-ish: 109 million weights are drawn and written."""
    file = tmp_path / "bert.onnx"
    zoo.write("bert-base", file)
    assert file.stat().st_size == pytest.approx(4 * 109_482_240, rel=0.001)
