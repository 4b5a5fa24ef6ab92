"""What a CPU core does for each request before inference, on synthetic input.

Images: a camera frame as a JPEG decoder leaves it (Y, Cb, Cr planes of 8 bits, chroma at
half the resolution) is resized bilinearly to the network's input, converted to RGB and
normalised per channel, channel by channel. Entropy decoding is left out:
there is no JPEG stream. Tokens: a text of the network's length is looked up word by word in
a vocabulary. Other inputs are drawn from a generator. What a network answers to them means
nothing; how long it takes does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurements.board.load.protocol import LoadFailed

Array = NDArray[Any]
Item = Mapping[str, Array]
"""The inputs of one request by name, without the batch axis."""

FRAME_HEIGHT, FRAME_WIDTH = 480, 640
CHANNELS = 3
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Per channel. Source: the usual normalisation of networks trained on ImageNet."""
SCALE = (1 / (255 * np.array(DEVIATION, dtype=np.float32)))[:, None, None]
SHIFT = (np.array(MEAN, dtype=np.float32) / np.array(DEVIATION, dtype=np.float32))[:, None, None]
VOCABULARY = 100
"""Token ids stay below: smaller than the table of any language model."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a network: `shape` without the batch axis; `dtype` as numpy calls it."""

    name: str
    shape: tuple[int, ...]
    dtype: str


def preparer(inputs: Sequence[Input], *, seed: int) -> Callable[[], Item]:
    """What prepares one request after another.

    Raises:
        LoadFailed: An input is of a type that cannot be made up.
    """
    random = np.random.default_rng(seed)
    makers = {each.name: _maker(each, random, is_first=each is inputs[0]) for each in inputs}
    return lambda: {name: make() for name, make in makers.items()}


def image(frame: Frame, *, height: int, width: int) -> Array:
    """The frame as a network takes it: float32, shape (3, height, width), normalised.

    Source: JFIF 1.02, conversion to RGB.
    """
    luma, blue, red = (
        _resized(plane, height, width) for plane in (frame.luma, frame.blue, frame.red)
    )
    blue, red = blue - 128, red - 128
    green = luma - np.float32(0.344136) * blue - np.float32(0.714136) * red
    channels = (luma + np.float32(1.402) * red, green, luma + np.float32(1.772) * blue)
    planes: Array = np.clip(np.stack(channels), 0, 255)
    np.multiply(planes, SCALE, out=planes)
    np.subtract(planes, SHIFT, out=planes)
    return planes


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture as 4:2:0 planes of uint8: luma (h, w), chroma (h / 2, w / 2)."""

    luma: Array
    blue: Array
    red: Array


def synthetic_frame(random: np.random.Generator) -> Frame:
    """Smooth shades with noise on them, as a camera would see."""
    rows, columns = np.mgrid[0:FRAME_HEIGHT, 0:FRAME_WIDTH]
    shade = 110 + 60 * np.sin(rows / 41) * np.cos(columns / 57)
    luma = np.clip(shade + random.normal(0, 8, shade.shape), 0, 255).astype(np.uint8)
    half = (FRAME_HEIGHT // 2, FRAME_WIDTH // 2)
    blue, red = (random.integers(96, 160, half, dtype=np.uint8) for _ in range(2))
    return Frame(luma, blue, red)


def _maker(wanted: Input, random: np.random.Generator, *, is_first: bool) -> Callable[[], Array]:
    kind = np.dtype(wanted.dtype).kind
    if kind == "f" and len(wanted.shape) == 3 and wanted.shape[0] == CHANNELS:
        frame, (_, height, width) = synthetic_frame(random), wanted.shape
        as_wanted = np.dtype(wanted.dtype)
        return lambda: image(frame, height=height, width=width).astype(as_wanted, copy=False)
    if kind == "f":
        return lambda: random.standard_normal(wanted.shape).astype(wanted.dtype)
    if kind in "iu" and is_first:
        return _tokens(wanted, random)
    if kind in "iub":  # an attention mask or the like: everything counts
        return lambda: np.ones(wanted.shape, wanted.dtype)
    raise LoadFailed(f"the input {wanted.name} is of type {wanted.dtype}: nothing to fill it with")


def _tokens(wanted: Input, random: np.random.Generator) -> Callable[[], Array]:
    words = [f"word{number}" for number in random.integers(1, VOCABULARY, int(_size(wanted)))]
    text, ids = " ".join(words), {f"word{number}": number for number in range(VOCABULARY)}

    def tokenise() -> Array:
        found = [ids[word] for word in text.split()]
        return np.array(found, dtype=wanted.dtype).reshape(wanted.shape)

    return tokenise


def _size(wanted: Input) -> int:
    return int(np.prod(wanted.shape, dtype=np.int64))


def _resized(plane: Array, height: int, width: int) -> Array:
    """Bilinear, pixel centres aligned; float32, shape (height, width)."""
    top, bottom, down = _neighbours(plane.shape[0], height)
    left, right, across = _neighbours(plane.shape[1], width)
    rows = _between(plane[top], plane[bottom], down[:, None])
    return _between(rows[:, left], rows[:, right], across)


def _between(near: Array, far: Array, share: Array) -> Array:
    start = near.astype(np.float32)
    start += (far - start) * share
    return start


@functools.lru_cache(maxsize=8)
def _neighbours(size: int, wanted: int) -> tuple[Array, Array, Array]:
    """For each wanted pixel the two source pixels around its centre, and how near the second."""
    centres = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
    first = np.floor(centres).astype(np.intp)
    second = np.minimum(first + 1, size - 1)
    return first, second, (centres - first).astype(np.float32)
