"""Image files as uint8 planes: PNG, TIFF or JPEG, 8 or 16 bit, one file a channel or one for all. Damage is never silent."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.errors import DataError

Plane = NDArray[np.uint8]
StoredPlane = NDArray[Any]  # uint8 or uint16
EXTENSIONS = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
MENDING = "put a whole one in its place, or remove its row from the table"
_PNG = b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JPEG = b"\xff\xd8\xff"

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # a damaged file becomes one DataError, not libtiff's lines


def read_image(files: Sequence[Path], channels: int) -> NDArray[np.uint8]:
    """One image as (H, W, C) uint8; 16 bits are scaled to 8.

    Args:
        files: one file for each channel in their order, or one file with all of them.
        channels: C.

    Raises:
        DataError: a file is missing, cut off, no image, or of another size than the rest; or every pixel is 0.
    """
    return np.dstack(read_planes(files, channels))


def read_planes(files: Sequence[Path], channels: int) -> list[Plane]:
    """The channels of one image, each (H, W) uint8. Arguments and errors as in `read_image`."""
    each = 1 if len(files) == channels else channels
    planes = [to_8_bits(plane) for path in files for plane in _expect(path, read_file(path), each)]
    for number, plane in enumerate(planes):
        if plane.shape != planes[0].shape:
            raise DataError(f"{files[number // each]} is {_size(plane)} but {files[0]} is {_size(planes[0])}", MENDING)
    if not any(cv2.countNonZero(plane) for plane in planes):
        others = f" (and its {len(files) - 1} other channels)" if len(files) > 1 else ""
        raise DataError(f"{files[0]}{others} is all black, every pixel is 0", MENDING)
    return planes


def read_file(path: Path) -> list[StoredPlane]:
    """The planes of one file as they are stored, each (H, W); colours as red, green, blue, alpha; pages of a TIFF in order.

    Raises:
        DataError: missing, empty, cut off, damaged, or no 8- or 16-bit PNG, TIFF or JPEG.
    """
    planes = [plane for page in _decode(_read(path)) for plane in _split(page)]
    if not planes:
        raise DataError(f"{path} is cut off or damaged", MENDING)
    if planes[0].dtype not in (np.uint8, np.uint16):
        raise DataError(f"{path} holds {planes[0].dtype} values, not 8 or 16 bits", "convert it to 16-bit TIFF")
    return planes


def to_8_bits(plane: StoredPlane) -> Plane:
    """0..65535 onto 0..255, rounded; 8 bits as they are."""
    return np.asarray(plane if plane.dtype == np.uint8 else cv2.convertScaleAbs(plane, alpha=255 / 65535), np.uint8)


def resize(plane: Plane, size: int) -> Plane:
    """A plane at (size, size): means over areas when shrinking, linear when enlarging."""
    if plane.shape == (size, size):
        return plane
    shrinking = min(plane.shape) >= size
    return np.asarray(cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR), np.uint8)


def distinct(planes: list[StoredPlane]) -> list[StoredPlane]:
    """Without an opaque alpha, and one plane where red, green and blue are equal."""
    if len(planes) == 4 and (planes[3] == np.iinfo(planes[3].dtype).max).all():
        planes = planes[:3]
    if len(planes) == 3 and all(np.array_equal(planes[0], plane) for plane in planes[1:]):
        planes = planes[:1]
    return planes


def _expect(path: Path, planes: list[StoredPlane], count: int) -> list[StoredPlane]:
    found = planes if len(planes) == count else distinct(planes)
    if len(found) != count:
        raise DataError(f"{path} has {len(found)} planes, not {count}", "correct `images` in the competition's YAML, or convert the file")
    return found


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # half the time of Path.read_bytes, four files an image
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
        if b"\xff\xd9" not in data[-64:]:  # some versions of OpenCV fill the missing part with grey
            raise DataError(f"{path} is cut off after {len(data):,} bytes", MENDING)
    elif not data.startswith(_TIFF):
        raise DataError(f"{path} is no PNG, TIFF or JPEG", MENDING)
    return data


def _check_png(path: Path, data: bytes) -> None:
    """Every chunk is whole and has the check sum it came with, up to IEND: decoders differ in what they let pass."""
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
    """Pages (H, W) or (H, W, planes); none if the data is damaged."""
    encoded = np.frombuffer(data, np.uint8)
    try:
        if data.startswith(_TIFF):
            return list(cv2.imdecodemulti(encoded, cv2.IMREAD_UNCHANGED)[1])
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return []
    return [] if image is None else [image]


def _split(page: NDArray[Any]) -> list[StoredPlane]:
    """OpenCV stores blue first."""
    if page.ndim == 2:
        return [page]
    planes = list(cv2.split(page))
    return planes[2::-1] + planes[3:] if len(planes) in (3, 4) else planes


def _size(plane: Plane) -> str:
    return f"{plane.shape[1]} x {plane.shape[0]} px"
