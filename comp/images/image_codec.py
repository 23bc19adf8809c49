"""An image as compressed bytes, without losses: its channels one after the other, in one zstd frame.

Chosen by `python -m tests.benchmarks --only full_size`; docs/benchmarks.md has the figures.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

LEVEL = 1  # of zstd; higher ones are slower to write and make these images hardly smaller


def compress(pixels: NDArray[np.uint8]) -> bytes:
    """An image (H, W, C) as bytes."""
    import imagecodecs  # only compressed caches need it

    return bytes(imagecodecs.zstd_encode(np.moveaxis(pixels, -1, 0).tobytes(), level=LEVEL))


def decompress(data: bytes | bytearray, into: NDArray[np.uint8]) -> None:
    """Write an image into an array (H, W, C), which is contiguous.

    Raises:
        ValueError: the bytes are damaged, or of an image with more or fewer pixels.
    """
    import imagecodecs

    height, width, channels = into.shape
    planes = np.empty((channels, height, width), np.uint8)
    try:
        decoded = imagecodecs.zstd_decode(data, out=planes.reshape(-1).data)
    except RuntimeError as error:
        raise ValueError(str(error)) from None
    if len(decoded) != into.size:
        raise ValueError(f"{len(decoded)} bytes, not {into.size}")
    if channels == 1:
        into[..., 0] = planes[0]
    else:
        cv2.merge(list(planes), into)
