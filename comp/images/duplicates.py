"""Near-duplicate images: the same field of view with another exposure, other noise, or a small shift.

Hashes find candidates, a comparison of pixels confirms them. The hash compares neighbouring magnitudes of the Fourier spectrum, which do
not change with a shift or a gain. (The usual pHash takes signs of the DCT; a shift by 4 % of the width flips a quarter of them.) Both
steps use one grey image, the sum of the standardised channels. Rotated and mirrored copies count as different images, because
microscopes do not rotate.
"""

import csv
import io
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from comp.base.errors import DataError
from comp.base.files import read_text
from comp.base.progress import track
from comp.images.input_channels import Images

HASH_SIDE = 32  # pixels of the image that is hashed
HASH_FREQUENCIES = 8  # in either direction: 8 x 16 frequencies, two comparisons each, 256 bits
RADIUS = 80  # of 256 bits
# Measured on 67 real HPA images at 128 px: different images differ in 90 bits or more (mean 123, standard deviation 9). Copies that were
# shifted by 6 % each way, with 0.6 to 1.6 times the exposure and noise of up to 8 grey levels, differ in 66 or fewer.
PIXEL_SIDE = 64
MOST_SHIFT = 0.25  # of the width
LEAST_CORRELATION = 0.65  # such copies have 0.76 or more, different images 0.29 or less
FAINT = 4.0  # grey levels: channels with less contrast are mostly noise and count less
HASHED_AT_ONCE = 512
COMPARED_AT_ONCE = 64


def perceptual_hashes(images: Images) -> NDArray[np.uint64]:
    """Hashes (N, 4) of 256 bits of images (N, H, W, C); near-duplicates differ in few bits."""
    hashes = np.empty((len(images), 4), np.uint64)
    starts = range(0, len(images), HASHED_AT_ONCE)
    for start in track(starts, "hash images", total=len(starts), unit="block"):
        block = range(start, min(start + HASHED_AT_ONCE, len(images)))
        magnitude = np.abs(np.fft.rfft2(_window(HASH_SIDE) * np.stack([_grey(images[row], HASH_SIDE) for row in block])))
        around = np.take(magnitude, range(-HASH_FREQUENCIES, HASH_FREQUENCIES + 1), axis=1)[:, :, 1 : HASH_FREQUENCIES + 2]
        here = around[:, :-1, :-1]
        bits = np.stack([here > around[:, :-1, 1:], here > around[:, 1:, :-1]], axis=1)
        hashes[start : start + len(block)] = np.packbits(bits.reshape(len(block), -1), axis=1).view(np.uint64)
    return hashes


def find_duplicates(images: Images, ids: Sequence[str]) -> pd.DataFrame:
    """All pairs of near-duplicates.

    Args:
        images: (N, H, W, C). They are read once, and again for images with similar hashes.

    Returns:
        One row a pair: id_a, id_b, bits (in how many the hashes differ) and correlation (of the overlap, after aligning).
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


def find_duplicates_between(images: Images, ids: Sequence[str], others: Images, other_ids: Sequence[str]) -> pd.DataFrame:
    """All pairs of an image and one of the `others` that are near-duplicates, as `find_duplicates` has them; id_b is the other one's."""
    hashes = perceptual_hashes(images), perceptual_hashes(others)
    rows = []
    for first, second, bits in _near_pairs_between(*hashes):
        correlation = aligned_correlation(images[first], others[second])
        if correlation >= LEAST_CORRELATION:
            rows.append((ids[first], other_ids[second], bits, correlation))
    return pd.DataFrame(rows, columns=["id_a", "id_b", "bits", "correlation"])


def components(ids: Sequence[str], pairs: pd.DataFrame) -> list[str]:
    """For each id, the smallest id among it, its near-duplicates, their near-duplicates and so on.

    Raises:
        DataError: `pairs` names an id that is not in `ids`.
    """
    place = {name: row for row, name in enumerate(ids)}
    check_known(pairs, place)
    links = [place[name] for name in pairs["id_a"]], [place[name] for name in pairs["id_b"]]
    number = connected_components(coo_array((np.ones(len(pairs), bool), links), shape=(len(ids), len(ids))), directed=False)[1]
    return pd.Series(list(ids), dtype=object).groupby(number).transform("min").tolist()


def check_known(pairs: pd.DataFrame, ids: Container[str]) -> None:
    """Raise DataError if `pairs` names an id that is not in `ids`."""
    for name in (*pairs["id_a"], *pairs["id_b"]):
        if name not in ids:
            raise DataError(f"id {name[:40]} of the list of near-duplicates is not in the table", "delete the list and run `make folds`")


def read_pairs(path: Path, again: str) -> pd.DataFrame:
    """A list of near-duplicates: a CSV with the columns id_a and id_b. `again` is what to type if it is damaged.

    Raises:
        DataError: it is no regular file, cannot be read, is cut off, or a column is missing.
    """
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(read_text(path).removeprefix("\ufeff")), strict=True) if row] or [[]]
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", again) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV ({error})", again) from None
    if missing := {"id_a", "id_b"} - set(header):
        raise DataError(f"{path} has no column {min(missing)!r}", again)
    if any(len(row) != len(header) or "\0" in "".join(row) for row in rows):
        raise DataError(f"{path} is damaged or cut off", again)
    return pd.DataFrame(rows, columns=header, dtype=object)


def aligned_correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Pearson correlation of the overlap of two images (H, W, C), aligned by phase correlation.

    0 if one of them is blank or the shift is larger than `MOST_SHIFT`.
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
    """All (row, later row, differing bits) within `RADIUS`. Blank images have the hash 0 and are skipped."""
    rows = np.flatnonzero(hashes.any(1))
    words = hashes[rows].T.copy()
    starts = range(0, len(rows), COMPARED_AT_ONCE)
    for start in track(starts, "compare hashes", total=len(starts), unit="block"):
        # uint8 holds all distances but 256, which becomes 0. That does no harm: the pixels of candidates are compared.
        distance = np.zeros((min(COMPARED_AT_ONCE, len(rows) - start), len(rows) - start), np.uint8)
        for word in words:
            distance += np.bitwise_count(word[start : start + COMPARED_AT_ONCE, None] ^ word[start:])
        for first, second in zip(*np.nonzero(distance <= RADIUS), strict=True):
            if first < second:
                yield int(rows[start + first]), int(rows[start + second]), int(distance[first, second])


def _near_pairs_between(hashes: NDArray[np.uint64], others: NDArray[np.uint64]) -> Iterator[tuple[int, int, int]]:
    """All (row, row of the others, differing bits) within `RADIUS`, without blank images."""
    rows, columns = np.flatnonzero(hashes.any(1)), np.flatnonzero(others.any(1))
    for row in track(rows.tolist(), "compare hashes", total=len(rows), unit="image"):
        distance = np.bitwise_count(hashes[row] ^ others[columns]).sum(axis=1, dtype=np.int64)
        for place in np.flatnonzero(distance <= RADIUS).tolist():
            yield row, int(columns[place]), int(distance[place])


def _grey(image: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """The sum of the standardised channels, (side, side)."""
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA).reshape(side, side, -1).astype(np.float32)
    return ((small - small.mean((0, 1))) / (small.std((0, 1)) + FAINT)).sum(-1)


def _high_pass(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove uneven illumination, which all images of one microscope share."""
    return grey - cv2.GaussianBlur(grey, (0, 0), PIXEL_SIDE / 8)


def _window(side: int) -> NDArray[np.float32]:
    """A half sine in both directions. It gives little weight to the edges, where a shift brings in other content."""
    sine = np.sin(np.pi * (np.arange(side) + 0.5) / side)
    return np.outer(sine, sine).astype(np.float32)


def _overlap(rows: NDArray[np.float32], shift: int) -> NDArray[np.float32]:
    """The rows that still overlap after a shift."""
    return rows[max(shift, 0) : len(rows) + min(shift, 0)]
