"""Reading image files of any format of `comp.images.formats` as 8 bits: one file for each channel, or one for all."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.files import regular
from comp.base.missing_packages import install, is_installed
from comp.images.formats.stored import WHOLE_ONE, Levels, NotRead, StoredChannel, StoredFile

Channel = NDArray[np.uint8]
EXTENSIONS = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp", ".webp")
LIKE = 2.0  # grey values by which equal channels of a lossy file differ on average, at most
LIT = 0.05  # a channel with a smaller share of the light of the brightest one is dark, in a lossy file
FORMATS = {"png": "PNG", "tiff": "TIFF", "jpeg": "JPEG", "bmp": "BMP", "webp": "WebP"}  # module of `comp.images.formats` -> name
USED_BITS = (10, 12, 14)  # of cameras whose values are stored in 16 bits
DECODERS = ("simplejpeg", "tifffile", "imagecodecs")  # Python packages that JPEG and TIFF are read with

set_log_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel  # of OpenCV 4, and of 5
set_log_level(0)  # silent: a damaged file raises one DataError, without further lines


@dataclass(frozen=True)
class Image:
    """The channels of one image.

    Attributes:
        channels: (H, W) uint8 each.
        peak: the largest stored value of files that hold more than 8 bits, else 0.
        from_grey: a grey file was taken for red, green and blue.
    """

    channels: list[Channel]
    peak: int = 0
    from_grey: bool = False

    @property
    def is_black(self) -> bool:
        return not any(cv2.countNonZero(channel) for channel in self.channels)


def read_image(files: Sequence[Path], channels: int, levels: Levels | None = None) -> Image:
    """One image as 8 bits.

    Args:
        files: one file for each channel in their order, or one file with all of them.
        channels: how many.
        levels: the stored values of black and of white, for floats, and for files that have more bits than they use. Integers above white
            are an error, floats outside are clipped. None: the range of the file's own bits.

    Raises:
        DataError: a file is missing, cut off, no image, in a form that is not read, or of another size than the others.
    """
    each = 1 if len(files) == channels else channels
    found: list[Channel] = []
    peak, from_grey = 0, False
    for path in files:
        stored = read_stored(path)
        taken = _expect(path, stored, each)
        from_grey |= len(stored.channels) < each
        if stored.channels[0].dtype == np.uint16:
            peak = max(peak, *(int(channel.max()) for channel in taken))
        found += [_to_8_bits(path, channel, stored, levels) for channel in taken]
    for number, channel in enumerate(found):
        if channel.shape != found[0].shape:
            raise DataError(f"{files[number // each]} is {_size(channel)} but {files[0]} is {_size(found[0])}", WHOLE_ONE)
    return Image(found, peak, from_grey)


def read_channels(path: Path, count: int | None = None) -> list[StoredChannel]:
    """The channels (H, W) of one file with the values as stored, dark ones low.

    Args:
        count: how many there must be, see `read_image`; None: as many as there are, without opaque alpha, and one if all are equal.

    Raises:
        DataError: as `read_image`.
    """
    stored = read_stored(path)
    floats = stored.channels[0].dtype.kind == "f"
    if floats and not np.isfinite(stored.channels).all():
        raise DataError(f"{path} holds values that are not finite", WHOLE_ONE)
    channels = _expect(path, stored, count) if count else stored.channels if floats else distinct(stored.channels)
    if not stored.inverted:
        return channels
    return [channel.max() - channel for channel in channels]


def read_stored(path: Path) -> StoredFile:
    """One file as stored: every sample of it, whatever the format.

    Raises:
        DataError: the file is missing, empty, cut off, damaged, no image, or in a form that is not read.
    """
    data = _read(path)
    for form in _decoders().values():
        if data.startswith(form.SIGNATURES):
            try:
                stored: StoredFile = form.decode(data)
                return stored
            except NotRead as error:
                raise DataError(f"{path} {error.what}", error.then) from None
    *others, last = _decoders()
    lacking = [name for name in FORMATS.values() if name not in _decoders()]
    packages = [name for name in DECODERS if not is_installed(name)]
    more = f" ({' and '.join(lacking)} are read after: {install(packages)})" if lacking else ""
    raise DataError(f"{path} is no {', '.join(others)} or {last}{more}", WHOLE_ONE)


@cache
def _decoders() -> dict[str, ModuleType]:
    """Name of a format -> its module. Formats whose own Python package is not installed are left out."""
    found = {}
    for module, name in FORMATS.items():
        with suppress(ModuleNotFoundError):
            found[name] = import_module(f"comp.images.formats.{module}")
    return found


def to_8_bits(channel: StoredChannel, levels: Levels) -> Channel:
    """Scale black..white to 0..255, rounded; values outside become 0 or 255."""
    black, white = levels
    if channel.dtype == np.uint8 and (black, white) == (0, 255):
        return channel
    if channel.dtype == np.uint16 and (black, white) == (0, 65535):
        return np.asarray(cv2.convertScaleAbs(channel, alpha=255 / 65535), np.uint8)
    if channel.dtype.kind == "u" and channel.dtype.itemsize <= 2:
        return _table(8 * channel.dtype.itemsize, black, white)[channel]
    return _scaled(channel, black, white)


def used_bits(peak: int, levels: Levels | None) -> int | None:
    """How many bits the stored values use, if files of 16 bits use fewer and the competition's YAML does not say so; else None.

    Args:
        peak: the largest `peak` of all images.
        levels: the stored values of black and white, if the competition's YAML gives them.
    """
    if levels or peak < 256:
        return None
    return next((bits for bits in USED_BITS if peak < 2**bits), None)


def resize(channel: Channel, size: int) -> Channel:
    """A channel at (size, size): means over areas when shrinking, linear interpolation when enlarging."""
    if channel.shape == (size, size):
        return channel
    shrinking = min(channel.shape) >= size
    return np.asarray(cv2.resize(channel, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR), np.uint8)


@contextmanager
def one_thread_an_image() -> Iterator[None]:
    """Turn off OpenCV's own threads: every thread here reads an image of its own."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    np.empty(1 << 24, np.uint8)  # after freeing a block of this size, glibc keeps smaller ones: 300 page faults fewer for each image
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def distinct(channels: list[StoredChannel]) -> list[StoredChannel]:
    """Drop alpha if it is opaque. Keep one channel if red, green and blue are equal."""
    if len(channels) in (2, 4) and (channels[-1] == np.iinfo(channels[-1].dtype).max).all():
        channels = channels[:-1]
    if len(channels) == 3 and all(np.array_equal(channels[0], channel) for channel in channels[1:]):
        channels = channels[:1]
    return channels


@cache
def _table(bits: int, black: float, white: float) -> Channel:
    """What every stored value of so many bits becomes."""
    return _scaled(np.arange(2**bits), black, white)


def _scaled(values: NDArray[Any], black: float, white: float) -> Channel:
    return np.rint((np.clip(values.astype(np.float64), black, white) - black) * (255 / (white - black))).astype(np.uint8)


def _to_8_bits(path: Path, channel: StoredChannel, stored: StoredFile, declared: Levels | None) -> Channel:
    """A channel of a file at 8 bits. Declared levels are for files that can hold more than these."""
    levels = stored.levels
    if declared and (levels is None or channel.dtype.kind == "f" or levels[1] > declared[1]):
        levels = declared
    if levels is None:
        what = f"{path} holds {channel.dtype} values, and nothing says which of them are black and white"
        raise DataError(what, "say so in the competition's YAML, `images: {range: [0, 1]}`, or convert it to 16-bit TIFF")
    if channel.dtype.kind == "f" and not np.isfinite(channel).all():
        raise DataError(f"{path} holds values that are not finite", WHOLE_ONE)
    if channel.dtype == np.uint16 and levels[1] < 65535 and (largest := int(channel.max())) > levels[1]:
        raise DataError(f"{path} holds the value {largest:,}, which is above {levels[1]:,}", "correct `bits` in the competition's YAML")
    scaled = to_8_bits(channel, levels)
    return 255 - scaled if stored.inverted else scaled


def _expect(path: Path, stored: StoredFile, count: int) -> list[StoredChannel]:
    """`count` channels of a file: its own, without opaque alpha; one stain of a colour file; or grey as red, green and blue."""
    channels = stored.channels
    if len(channels) == count:
        return channels
    if stored.alpha and len(channels) in (2, 4) and stored.levels and (channels[-1] == stored.levels[1]).all():
        channels = channels[:-1]
    if count == 1 and len(channels) == 3:
        channels = _stain(channels, stored.lossy)
    if count == 3 and len(channels) == 1:
        return channels * 3
    if len(channels) != count:
        raise DataError(
            f"{path} has {len(channels)} channels, not {count}", "correct `images` in the competition's YAML, or convert the file"
        )
    return channels


def _stain(channels: list[StoredChannel], lossy: bool) -> list[StoredChannel]:
    """One channel for red, green and blue, if those that are not dark are equal (yellow is red and green); else all of them."""
    light = [float(channel.sum(dtype=np.float64)) for channel in channels]
    lit = [channel for channel, amount in zip(channels, light, strict=True) if amount > (LIT * max(light) if lossy else 0)]
    if not lit:
        return channels[:1]
    unlike = [np.abs(channel.astype(np.float64) - lit[0]).mean() for channel in lit]
    if max(unlike) > (LIKE if lossy else 0):
        return channels
    return [lit[0] if len(lit) == 1 else np.rint(np.mean(lit, axis=0)).astype(lit[0].dtype)]


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb", buffering=0, opener=regular) as file:  # takes half the time of Path.read_bytes
            data = file.read()
    except FileNotFoundError:
        raise DataError(f"{path} is missing", WHOLE_ONE) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", WHOLE_ONE) from None
    if not data:
        raise DataError(f"{path} is empty", WHOLE_ONE)
    return data


def _size(channel: Channel) -> str:
    return f"{channel.shape[1]} x {channel.shape[0]} px"
