"""Reading image files: PNG, TIFF or JPEG, 8 or 16 bit, one file for each channel or one for all. Damaged files raise an error."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError

Channel = NDArray[np.uint8]
StoredChannel = NDArray[Any]  # uint8 or uint16
EXTENSIONS = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
MENDING = "put a whole one in its place, or remove its row from the table"
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JPEG = b"\xff\xd8\xff"

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # a damaged file raises one DataError, without further lines of libtiff


def read_image(files: Sequence[Path], channels: int) -> NDArray[np.uint8]:
    """One image as (H, W, C) uint8; 16 bits are scaled to 8.

    Args:
        files: one file for each channel in their order, or one file with all of them.
        channels: C.

    Raises:
        DataError: a file is missing, cut off, no image, or of another size than the others; or every pixel is 0.
    """
    return np.dstack(read_channels(files, channels))


def read_channels(files: Sequence[Path], channels: int) -> list[Channel]:
    """The channels of one image, each (H, W) uint8. Arguments and errors as in `read_image`."""
    each = 1 if len(files) == channels else channels
    found = [to_8_bits(channel) for path in files for channel in _expect(path, read_file(path), each)]
    for number, channel in enumerate(found):
        if channel.shape != found[0].shape:
            raise DataError(f"{files[number // each]} is {_size(channel)} but {files[0]} is {_size(found[0])}", MENDING)
    if not any(cv2.countNonZero(channel) for channel in found):
        others = f" (and its {len(files) - 1} other channels)" if len(files) > 1 else ""
        raise DataError(f"{files[0]}{others} is all black, every pixel is 0", MENDING)
    return found


def read_file(path: Path) -> list[StoredChannel]:
    """The channels of one file as stored, each (H, W): red, green, blue and alpha; pages of a TIFF in order.

    Raises:
        DataError: the file is missing, empty, cut off, damaged, or no 8- or 16-bit PNG, TIFF or JPEG.
    """
    channels = [channel for page in _decode(_read(path)) for channel in _split(page)]
    if not channels:
        raise DataError(f"{path} is cut off or damaged", MENDING)
    if channels[0].dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path} holds {channels[0].dtype} values, not 8 or 16 bits", "convert it to 16-bit TIFF")
    return channels


def to_8_bits(channel: StoredChannel) -> Channel:
    """Scale 0..65535 to 0..255, rounded; leave 8 bits as they are."""
    return np.asarray(channel if channel.dtype == np.uint8 else cv2.convertScaleAbs(channel, alpha=255 / 65535), np.uint8)


def resize(channel: Channel, size: int) -> Channel:
    """A channel at (size, size): means over areas when shrinking, linear interpolation when enlarging."""
    if channel.shape == (size, size):
        return channel
    shrinking = min(channel.shape) >= size
    return np.asarray(cv2.resize(channel, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR), np.uint8)


def distinct(channels: list[StoredChannel]) -> list[StoredChannel]:
    """Drop alpha if it is opaque. Keep one channel if red, green and blue are equal."""
    if len(channels) == 4 and (channels[3] == np.iinfo(channels[3].dtype).max).all():
        channels = channels[:3]
    if len(channels) == 3 and all(np.array_equal(channels[0], channel) for channel in channels[1:]):
        channels = channels[:1]
    return channels


def _expect(path: Path, channels: list[StoredChannel], count: int) -> list[StoredChannel]:
    found = channels if len(channels) == count else distinct(channels)
    if len(found) != count:
        raise DataError(f"{path} has {len(found)} channels, not {count}", "correct `images` in the competition's YAML, or convert the file")
    return found


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # takes half the time of Path.read_bytes
            data = file.read()
    except FileNotFoundError:
        raise DataError(f"{path} is missing", MENDING) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", MENDING) from None
    if not data:
        raise DataError(f"{path} is empty", MENDING)
    if data.startswith(_PNG):
        _check_png(path, data)
    elif data.startswith(_JPEG):
        if b"\xff\xd9" not in data[-64:]:  # some versions of OpenCV fill the missing pixels with grey
            raise DataError(f"{path} is cut off after {len(data):,} bytes", MENDING)
    elif not data.startswith(_TIFF):
        raise DataError(f"{path} is no PNG, TIFF or JPEG", MENDING)
    return data


def _check_png(path: Path, data: bytes) -> None:
    """Check that every chunk up to IEND is complete and has its check sum, because some decoders ignore damage."""
    view = memoryview(data)
    start = len(_PNG)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(view[start : start + 4])
        if end > len(data):
            break
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise DataError(f"{path} is damaged near byte {start:,}", MENDING)
        if view[start + 4 : start + 8] == b"IEND":
            return
        start = end
    raise DataError(f"{path} is cut off after {len(data):,} bytes", MENDING)


def _decode(data: bytes) -> list[NDArray[Any]]:
    """Pages (H, W) or (H, W, channels); none if the data is damaged."""
    encoded = np.frombuffer(data, np.uint8)
    try:
        if data.startswith(_TIFF):
            return list(cv2.imdecodemulti(encoded, cv2.IMREAD_UNCHANGED)[1])
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return []
    return [] if image is None else [image]


def _split(page: NDArray[Any]) -> list[StoredChannel]:
    """The channels of a page, red first, while OpenCV has blue first."""
    if page.ndim == 2:
        return [page]
    channels = list(cv2.split(page))
    return channels[2::-1] + channels[3:] if len(channels) in (3, 4) else channels


def _size(channel: Channel) -> str:
    return f"{channel.shape[1]} x {channel.shape[0]} px"
