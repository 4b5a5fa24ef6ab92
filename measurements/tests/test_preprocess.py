import numpy as np
import pytest

from measurements.board.load.preprocess import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    MEAN,
    Frame,
    Input,
    image,
    preparer,
)
from measurements.board.load.protocol import LoadFailed


def _flat(luma: int, blue: int, red: int) -> Frame:
    half = (FRAME_HEIGHT // 2, FRAME_WIDTH // 2)
    planes = (np.full(half, value, np.uint8) for value in (blue, red))
    return Frame(np.full((FRAME_HEIGHT, FRAME_WIDTH), luma, np.uint8), *planes)


def test_a_black_frame_is_minus_mean_over_deviation():
    pixels = image(_flat(0, 128, 128), height=4, width=6)
    assert pixels.shape == (3, 4, 6)
    assert pixels[0] == pytest.approx(-MEAN[0] / 0.229, rel=1e-5)


def test_a_red_frame_is_red():
    # JFIF's full red: Y 76, Cb 85, Cr 255.
    red, green, blue = image(_flat(76, 85, 255), height=2, width=2)[:, 0, 0]
    assert red == pytest.approx((254 / 255 - 0.485) / 0.229, abs=0.05)
    assert green < -1.9 and blue < -1.7


def test_a_ramp_stays_a_ramp_after_the_resize():
    columns = np.tile(np.linspace(0, 255, FRAME_WIDTH).astype(np.uint8), (FRAME_HEIGHT, 1))
    frame = _flat(0, 128, 128)
    ramp = image(Frame(columns, frame.blue, frame.red), height=8, width=64)[0]
    assert (np.diff(ramp[0]) > 0).all()
    assert ramp.std(axis=0).max() == pytest.approx(0, abs=1e-5)


def test_tokens_come_first_and_masks_are_ones():
    inputs = [Input("ids", (16,), "int64"), Input("mask", (16,), "int64")]
    item = preparer(inputs, seed=1)()
    assert item["ids"].shape == (16,) and item["ids"].min() >= 1
    assert (item["mask"] == 1).all()


def test_the_same_seed_prepares_the_same_inputs():
    inputs = [Input("x", (3, 8, 8), "float32")]
    first, again, other = (preparer(inputs, seed=seed)()["x"] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_half_floats_stay_half_floats():
    assert preparer([Input("x", (3, 8, 8), "float16")], seed=1)()["x"].dtype == np.float16


def test_what_cannot_be_made_up_is_refused():
    with pytest.raises(LoadFailed, match="nothing to fill it with"):
        preparer([Input("words", (1,), "str")], seed=1)
