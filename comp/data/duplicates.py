"""Near-duplicate images: the same field of view with another exposure, noise, or a small shift.

A hash finds candidates, the pixels confirm them. The hash compares neighbouring magnitudes of the Fourier spectrum, which neither
a shift nor a gain changes; of the DCT signs of the usual pHash a shift by 4 % of the width flips a quarter. Both steps look at one
grey image, the sum of the standardised channels. Turned and mirrored copies are different images here: microscopes do not turn.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from comp.errors import DataError
from comp.progress import track

HASH_SIDE = 32  # pixels of the image that is hashed
HASH_FREQUENCIES = 8  # in either direction: 8 x 16 frequencies, two comparisons each, 256 bits
RADIUS = 80  # of 256 bits; see the figures below
# Of 67 real HPA images at 128 px two different ones differ in 90 bits or more (mean 123, deviation 9); copies shifted by 6 % each
# way, with 0.6 to 1.6 times the exposure and noise of up to 8 grey levels, in 66 or fewer.
PIXEL_SIDE = 64
MOST_SHIFT = 0.25  # of the width
LEAST_CORRELATION = 0.65  # those copies have 0.76 or more, different images 0.29 or less
FAINT = 4.0  # grey levels: channels with less contrast are mostly noise and count less
HASHED_AT_ONCE = 512
COMPARED_AT_ONCE = 64


def perceptual_hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hashes (N, 4) of 256 bits of images (N, H, W, C); near-duplicates differ in few bits."""
    hashes = np.empty((len(images), 4), np.uint64)
    starts = range(0, len(images), HASHED_AT_ONCE)
    for start in track(starts, "hash images", total=len(starts), unit="block"):
        block = images[start : start + HASHED_AT_ONCE]
        magnitude = np.abs(np.fft.rfft2(_window(HASH_SIDE) * np.stack([_grey(image, HASH_SIDE) for image in block])))
        around = np.take(magnitude, range(-HASH_FREQUENCIES, HASH_FREQUENCIES + 1), axis=1)[:, :, 1 : HASH_FREQUENCIES + 2]
        here = around[:, :-1, :-1]
        bits = np.stack([here > around[:, :-1, 1:], here > around[:, 1:, :-1]], axis=1)
        hashes[start : start + len(block)] = np.packbits(bits.reshape(len(block), -1), axis=1).view(np.uint64)
    return hashes


def find_duplicates(images: NDArray[np.uint8], ids: Sequence[str]) -> pd.DataFrame:
    """All pairs of near-duplicates.

    Args:
        images: (N, H, W, C), an array or a memory map; it is read once through, and again where the hashes are near.

    Returns:
        One row a pair: id_a, id_b, bits (in which the hashes differ) and correlation (of the overlap, after aligning).
    """
    if len(images) != len(ids):
        raise ValueError(f"{len(images)} images for {len(ids)} ids")
    candidates = list(_near_pairs(perceptual_hashes(images)))
    rows = []
    for first, second, bits in track(candidates, "compare pixels", total=len(candidates), unit="pair"):
        correlation = aligned_correlation(images[first], images[second])
        if correlation >= LEAST_CORRELATION:
            rows.append((ids[first], ids[second], bits, correlation))
    return pd.DataFrame(rows, columns=["id_a", "id_b", "bits", "correlation"])


def components(ids: Sequence[str], pairs: pd.DataFrame) -> list[str]:
    """For each id the smallest id of its near-duplicates, near-duplicates of those included; its own if it has none.

    Raises:
        DataError: `pairs` names an id that is not in `ids`.
    """
    place = {name: row for row, name in enumerate(ids)}
    for name in (*pairs["id_a"], *pairs["id_b"]):
        if name not in place:
            raise DataError(f"id {name} of the list of near-duplicates is not in the table", "delete the list and run `make folds`")
    links = [place[name] for name in pairs["id_a"]], [place[name] for name in pairs["id_b"]]
    number = connected_components(coo_array((np.ones(len(pairs), bool), links), shape=(len(ids), len(ids))), directed=False)[1]
    return pd.Series(list(ids), dtype=object).groupby(number).transform("min").tolist()


def read_pairs(path: Path, again: str) -> pd.DataFrame:
    """A list of near-duplicates, CSV with the columns id_a and id_b; `again` is what to type where it is damaged.

    Raises:
        DataError: it cannot be read, or lacks a column.
    """
    try:
        pairs = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise DataError(f"{path} cannot be read as CSV ({' '.join(str(error).split())[:120]})", again) from None
    if missing := {"id_a", "id_b"} - set(pairs.columns):
        raise DataError(f"{path} has no column {min(missing)!r}", again)
    return pairs


def aligned_correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Pearson correlation of the overlap of two images (H, W, C) after the shift that phase correlation finds.

    0 if one of them is blank or the shift is beyond `MOST_SHIFT`.
    """
    a, b = (_high_pass(_grey(image, PIXEL_SIDE)) for image in (first, second))
    window = _window(PIXEL_SIDE)
    cross = np.fft.rfft2(a * window) * np.fft.rfft2(b * window).conj()
    peak = int(np.fft.irfft2(cross / (np.abs(cross) + 1e-6), s=a.shape).argmax())
    down, right = ((shift + PIXEL_SIDE // 2) % PIXEL_SIDE - PIXEL_SIDE // 2 for shift in divmod(peak, PIXEL_SIDE))
    if max(abs(down), abs(right)) > MOST_SHIFT * PIXEL_SIDE:
        return 0.0
    a = _overlap(_overlap(a, down).T, right).ravel()
    b = _overlap(_overlap(b, -down).T, -right).ravel()
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-6))


def _near_pairs(hashes: NDArray[np.uint64]) -> Iterator[tuple[int, int, int]]:
    """All (row, later row, differing bits) within `RADIUS`; blank images, whose hash is 0, are near nothing."""
    rows = np.flatnonzero(hashes.any(1))
    words = hashes[rows].T.copy()
    starts = range(0, len(rows), COMPARED_AT_ONCE)
    for start in track(starts, "compare hashes", total=len(starts), unit="block"):
        # uint8 holds all distances but 256, which becomes 0: the pixels of a candidate are compared anyway.
        distance = np.zeros((min(COMPARED_AT_ONCE, len(rows) - start), len(rows) - start), np.uint8)
        for word in words:
            distance += np.bitwise_count(word[start : start + COMPARED_AT_ONCE, None] ^ word[start:])
        for first, second in zip(*np.nonzero(distance <= RADIUS), strict=True):
            if first < second:
                yield int(rows[start + first]), int(rows[start + second]), int(distance[first, second])


def _grey(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """The sum of the standardised channels, (side, side)."""
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).reshape(side, side, -1).astype(np.float32)
    return ((small - small.mean((0, 1))) / (small.std((0, 1)) + FAINT)).sum(-1)


def _high_pass(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without uneven illumination, which images of one microscope share."""
    return grey - cv2.GaussianBlur(grey, (0, 0), PIXEL_SIDE / 8)


def _window(side: int) -> NDArray[np.float32]:
    """A half sine in both directions: the edges, where a shift brings in something else, count little."""
    sine = np.sin(np.pi * (np.arange(side) + 0.5) / side)
    return np.outer(sine, sine).astype(np.float32)


def _overlap(rows: NDArray[np.float32], shift: int) -> NDArray[np.float32]:
    """The rows that remain where `rows` was shifted away by `shift`."""
    return rows[max(shift, 0) : len(rows) + min(shift, 0)]
