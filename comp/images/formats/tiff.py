"""TIFF, decoded by tifffile and imagecodecs according to its tags: planes or pages, any number of samples, 1 to 16 bits or floats.

OME, ImageJ and other microscopy layouts are followed. Reduced copies (the levels of a pyramid) are passed over.
"""

import io
import logging
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, PREDICTOR, TIFF, TiffFile, TiffPageSeries

from comp.base.missing_packages import install, is_installed
from comp.images.formats import jpeg
from comp.images.formats.stored import OTHER_FORM, Levels, NotRead, StoredChannel, StoredFile, cut_off, damaged, not_supported

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WITHOUT_AXES = {"generic", "uniform"}  # kinds of files that say nothing about their axes: the pages are channels, in their order
_CHANNEL_AXES = "CQIS"  # channels, unknown, pages, samples; along others, such as Z and T, there may be one plane only
_MOST_BYTES = 1 << 32
_STORED = {PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.RGB}
_ALPHA = {1, 2}  # associated and unassociated
_S_MIN_SAMPLE_VALUE, _S_MAX_SAMPLE_VALUE = 340, 341

_log = logging.getLogger("tifffile")
_log.addHandler(logging.NullHandler())  # its remarks on damaged files
_log.propagate = False

Page = Any  # TiffPage or TiffFrame: most of their attributes are typed as possibly missing
Part = Any  # a page or a TiffPageSeries


def decode(data: bytes) -> StoredFile:
    """Samples in the order of pages, channels and samples of a page; small values may be bright (`inverted`)."""
    try:
        with TiffFile(io.BytesIO(data)) as file:
            parts = _full_size(file)
            pages: list[Page] = [page for part in parts for page in (part.pages if isinstance(part, TiffPageSeries) else [part])]
            if any(page is None for page in pages):
                raise not_supported("a part of an image whose other parts lie in other files")
            first = pages[0].keyframe
            for page in pages:
                _check_form(page.keyframe, first)
                _check_complete(page, data)
            if sum(prod(part.shape) for part in parts) * first.dtype.itemsize > _MOST_BYTES:
                raise not_supported("more than 4 GB of pixels")
            return _stored(first, [channel for part in parts for channel in _channels(part)])
    except NotRead:
        raise
    except Exception as error:  # decoders of damaged data raise whatever they stumble over
        raise damaged(error) from None


def _full_size(file: TiffFile) -> Sequence[Part]:
    """What holds the image at full size: one series with axes, or pages in their order."""
    series: list[Part] = [one for one in file.series if not _is_extra(one.keyframe)]
    parts = series
    if {one.kind for one in series} <= _WITHOUT_AXES:
        parts = [page for page in file.pages if not _is_extra(page.keyframe)]
    if not parts:
        raise damaged("no page")
    sizes = [_size(part) for part in parts]
    largest = max(sizes, key=prod)
    if not all(_is_reduced(size, largest) for size in sizes):
        found = ", ".join(f"{width} x {height}" for height, width in dict.fromkeys(sizes))
        raise not_supported(f"pages of different sizes ({found})")
    kept = [part for part, size in zip(parts, sizes, strict=True) if size == largest]
    if parts is series and len(kept) > 1:
        raise not_supported(f"{len(kept)} images")
    return kept


def _is_extra(page: Page) -> bool:
    """Whether a page is a smaller copy of another one, or its transparency."""
    return bool(page.is_reduced or page.is_mask)


def _size(part: Part) -> tuple[int, int]:
    """Height and width."""
    axes = part.axes
    return tuple(part.shape[axes.index(axis)] if axis in axes else 1 for axis in "YX")  # type: ignore[return-value]


def _is_reduced(size: tuple[int, int], largest: tuple[int, int]) -> bool:
    """Whether a size is the largest one, or a half, a quarter, ... of it, as in a pyramid."""
    down = [tuple(side >> step for side in largest) for step in range(12)]
    up = [tuple(-(-side >> step) for side in largest) for step in range(12)]
    return size in down or size in up


def _check_form(page: Page, first: Page) -> None:
    """Raise NotRead if the form of a page is not read, or differs from that of the first."""
    forms = [(each.photometric, each.bitspersample, each.dtype, each.extrasamples) for each in (page, first)]
    if forms[0] != forms[1]:
        raise not_supported("pages of different forms")
    if page.compression not in TIFF.DECOMPRESSORS:
        more = "" if is_installed("imagecodecs") else f" before: {install(['imagecodecs'])}"
        raise NotRead(f"holds the compression {_name(page.compression)}, which is not read{more}", OTHER_FORM)
    if page.compression == COMPRESSION.OJPEG:
        raise not_supported("JPEG compression of the old form")
    if page.compression == COMPRESSION.LERC and page.predictor != PREDICTOR.NONE:
        raise not_supported("LERC compression of differences")
    from_jpeg = page.photometric == PHOTOMETRIC.YCBCR and page.compression == COMPRESSION.JPEG  # its decoder gives RGB
    if page.photometric not in _STORED and page.photometric != PHOTOMETRIC.PALETTE and not from_jpeg:
        raise not_supported(f"colours as {_name(page.photometric)}")
    if page.dtype is None or page.dtype.kind not in "buif":
        raise not_supported(f"{page.dtype or 'unknown'} values")
    if isinstance(page.bitspersample, tuple):
        raise not_supported("samples of different numbers of bits")


def _name(code: Any) -> str:
    return str(getattr(code, "name", code)).lower()


def _check_complete(page: Page, data: bytes) -> None:
    """Raise NotRead if a strip or tile is not in the file: tifffile would leave it black. JPEG strips are checked for holes too."""
    offsets, counts = page.dataoffsets, page.databytecounts
    if not offsets or any(offset == 0 or count == 0 for offset, count in zip(offsets, counts, strict=True)):
        raise damaged("a part was never written")
    if max(offset + count for offset, count in zip(offsets, counts, strict=True)) > len(data):
        raise cut_off(data)
    if page.keyframe.compression == COMPRESSION.JPEG and page.keyframe.bitspersample == 8:
        tables = page.keyframe.jpegtables
        for offset, count in zip(offsets, counts, strict=True):
            strip = data[offset : offset + count]
            jpeg.decode(tables[:-2] + strip[2:] if tables else strip)


def _channels(part: Part) -> list[StoredChannel]:
    """All planes (H, W) of a page or series."""
    for axis, length in zip(part.axes, part.shape, strict=True):
        if length > 1 and axis not in f"YX{_CHANNEL_AXES}":
            raise not_supported(f"{length} planes along {axis}", "write the planes that are channels as channels, one image a file")
    page = part.keyframe
    pixels: NDArray[Any] = part.asarray(maxworkers=1)
    if page.photometric == PHOTOMETRIC.PALETTE:
        return [plane for index in _planes(pixels, part.axes) for plane in _colours(index, page)]
    return _planes(pixels, part.axes)


def _planes(pixels: NDArray[Any], axes: str) -> list[StoredChannel]:
    """The planes (H, W) of an array with named axes; the samples of a page follow each other."""
    if pixels.ndim != len(axes):
        raise damaged(f"{pixels.ndim} axes, not {axes}")
    order = sorted(range(len(axes)), key=lambda place: {"S": 1, "Y": 2, "X": 3}.get(axes[place], 0))
    height, width = (pixels.shape[axes.index(axis)] for axis in "YX")
    return [np.ascontiguousarray(plane) for plane in pixels.transpose(order).reshape(-1, height, width)]


def _colours(index: StoredChannel, page: Page) -> list[StoredChannel]:
    """Red, green and blue of a palette image, 8 bits if the colour map has no more."""
    colours = np.asarray(page.colormap)
    for step in (257, 256):
        if not (colours % step).any():
            colours = (colours // step).astype(np.uint8)
            break
    return [colour[index] for colour in colours]


def _stored(page: Page, channels: list[StoredChannel]) -> StoredFile:
    if channels[0].dtype == bool:
        channels = [channel.astype(np.uint8) for channel in channels]
    extra = [int(kind) for kind in page.extrasamples]
    alpha = len(extra) == 1 and (extra[0] in _ALPHA or page.photometric == PHOTOMETRIC.RGB)
    levels = _levels(page, channels[0].dtype)
    return StoredFile(channels, levels, page.photometric == PHOTOMETRIC.MINISWHITE, alpha, lossy=page.compression == COMPRESSION.JPEG)


def _levels(page: Page, dtype: np.dtype[Any]) -> Levels | None:
    """Black and white: by the number of bits, or by the tags that state the range of floats."""
    if dtype in (np.uint8, np.uint16):
        return 0, 2 ** (dtype.itemsize * 8 if page.photometric == PHOTOMETRIC.PALETTE else page.bitspersample) - 1
    stated = [np.atleast_1d(page.tags.valueof(code, np.nan)).astype(float) for code in (_S_MIN_SAMPLE_VALUE, _S_MAX_SAMPLE_VALUE)]
    low, high = stated[0].min(), stated[1].max()
    return (float(low), float(high)) if low < high else None
