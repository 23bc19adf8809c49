"""What a decoder returns, and the error for a file that it does not read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

StoredChannel = NDArray[Any]  # (H, W)
Levels = tuple[float, float]  # the stored values of black and of white
WHOLE_ONE = "put a whole one in its place"
OTHER_FORM = "convert it to TIFF or PNG with one value a channel"


@dataclass(frozen=True)
class StoredFile:
    """The samples of one image file, as stored.

    Attributes:
        channels: (H, W) each: red, green, blue and alpha, or the file's own order.
        levels: the stored values of black and of white, by the file's number of bits; None if the file does not say, as with floats.
        inverted: whether small values are bright.
        alpha: whether the last channel is opacity.
        lossy: whether equal channels may differ a little.
    """

    channels: list[StoredChannel]
    levels: Levels | None
    inverted: bool = False
    alpha: bool = False
    lossy: bool = False


class NotRead(Exception):
    """A file that no decoder reads: `what` completes "FILE ...", `then` says what to do."""

    def __init__(self, what: str, then: str = WHOLE_ONE) -> None:
        super().__init__(what, then)
        self.what = what
        self.then = then


def cut_off(data: bytes) -> NotRead:
    return NotRead(f"is cut off after {len(data):,} bytes")


def damaged(reason: object) -> NotRead:
    words = " ".join(str(reason).split())[:120]
    return NotRead(f"is cut off or damaged{f' ({words})' if words else ''}")


def not_supported(form: str, instead: str = OTHER_FORM) -> NotRead:
    return NotRead(f"holds {form}, which is not read", instead)


def split(pixels: NDArray[Any]) -> list[StoredChannel]:
    """The channels of OpenCV's pixels (H, W) or (H, W, C), red first, while OpenCV has blue first."""
    if pixels.ndim == 2:
        return [pixels]
    order: Sequence[int] = (2, 1, 0, 3) if pixels.shape[2] > 2 else (0, 1)
    return [np.ascontiguousarray(pixels[..., place]) for place in order[: pixels.shape[2]]]
