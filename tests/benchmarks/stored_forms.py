"""Ways to store the images of a cache and to read random batches from them, for `tests.benchmarks.full_size`."""

import os
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Shape = tuple[int, int, int]  # H, W, C


class Mapped:
    """Raw rows in a memory map; the kernel may be told of all rows of a batch first."""

    def __init__(self, path: Path, count: int, shape: Shape, told_ahead: bool = False) -> None:
        self.shape = (count, *shape)
        self.map = np.memmap(path, np.uint8, "r", shape=self.shape)
        self.file = os.open(path, os.O_RDONLY) if told_ahead else None
        if self.file is not None:
            weakref.finalize(self, os.close, self.file)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64]) -> Pixels:
        if self.file is not None:
            length = self.map[0].nbytes
            for row in rows.tolist():
                os.posix_fadvise(self.file, row * length, length, os.POSIX_FADV_WILLNEED)
        return self.map[rows]


class Read:
    """Raw rows by positioned reads, without telling the kernel of all rows first."""

    def __init__(self, path: Path, count: int, shape: Shape) -> None:
        self.shape = (count, *shape)
        self.file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.file)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64]) -> Pixels:
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for image, row in zip(found, rows.tolist(), strict=True):
            view, offset = image.reshape(-1).data, row * image.nbytes
            while view:
                read = os.preadv(self.file, [view], offset)
                view, offset = view[read:], offset + read
        return found


@dataclass(frozen=True)
class Codec:
    """How an image (H, W, C) becomes bytes and comes back."""

    encode: Callable[[Pixels], bytes]
    decode: Callable[[bytes, Pixels], None]


class Encoded:
    """Rows compressed by a codec, read by positioned reads like those of the cache."""

    def __init__(self, path: Path, shape: Shape, codec: Codec, images: Iterable[Pixels]) -> None:
        self.codec, self.places, end = codec, [], 0
        with path.open("wb") as file:
            for image in images:
                data = codec.encode(image)
                file.write(data)
                self.places.append((end, len(data)))
                end += len(data)
        self.shape = (len(self.places), *shape)
        self.file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.file)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.int64]) -> Pixels:
        places = [self.places[row] for row in rows.tolist()]
        for offset, length in places:
            os.posix_fadvise(self.file, offset, length, os.POSIX_FADV_WILLNEED)
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for image, (offset, length) in zip(found, places, strict=True):
            self.codec.decode(os.pread(self.file, length, offset), image)
        return found


def planes(image: Pixels) -> Pixels:
    return np.ascontiguousarray(np.moveaxis(image, -1, 0))


def of_planes(encode: Callable[[Pixels], bytes], decode: Callable[[bytes, int], bytes], filtered: bool = False) -> Codec:
    """All channels of an image in one piece, one after the other; `filtered` keeps differences between neighbours in a row."""

    def encode_planes(image: Pixels) -> bytes:
        return encode(imagecodecs.delta_encode(planes(image), axis=-1) if filtered else planes(image))

    def decode_planes(data: bytes, image: Pixels) -> None:
        height, width, channels = image.shape
        found = np.frombuffer(decode(data, image.nbytes), np.uint8).reshape(channels, height, width)
        cv2.merge(list(imagecodecs.delta_decode(found, axis=-1) if filtered else found), image)

    return Codec(encode_planes, decode_planes)


def of_channels(encode: Callable[[Pixels], bytes], decode: Callable[[bytes, int], bytes]) -> Codec:
    """Each channel of an image in a piece of its own, behind the lengths of all."""

    def encode_channels(image: Pixels) -> bytes:
        pieces = [encode(plane) for plane in planes(image)]
        return np.array([len(piece) for piece in pieces], np.uint32).tobytes() + b"".join(pieces)

    def decode_channels(data: bytes, image: Pixels) -> None:
        height, width, channels = image.shape
        lengths = np.frombuffer(data[: 4 * channels], np.uint32)
        ends = (4 * channels + np.cumsum(lengths)).tolist()
        pieces = [decode(data[end - length : end], height * width) for end, length in zip(ends, lengths.tolist(), strict=True)]
        cv2.merge([np.frombuffer(piece, np.uint8).reshape(height, width) for piece in pieces], image)

    return Codec(encode_channels, decode_channels)


def interleaved(encode: Callable[[Pixels], bytes], decode: Callable[[bytes, int], bytes]) -> Codec:
    """An image as it is in memory, channel after channel of each pixel."""

    def decode_image(data: bytes, image: Pixels) -> None:
        image.reshape(-1)[:] = np.frombuffer(decode(data, image.nbytes), np.uint8)

    return Codec(encode, decode_image)


def _zstd(pixels: Pixels) -> bytes:
    return bytes(imagecodecs.zstd_encode(pixels.tobytes(), level=1))


def _unzstd(data: bytes, length: int) -> bytes:
    return bytes(imagecodecs.zstd_decode(data, out=length))


def _blosc2(compressor: str, level: int, shuffle: str) -> tuple[Callable[[Pixels], bytes], Callable[[bytes, int], bytes]]:
    def encode(pixels: Pixels) -> bytes:
        values = pixels.tobytes()
        return bytes(imagecodecs.blosc2_encode(values, level=level, compressor=compressor, shuffle=shuffle, typesize=1, numthreads=1))

    return encode, lambda data, length: bytes(imagecodecs.blosc2_decode(data, numthreads=1, out=length))


CODECS = {
    "zstd, a channel": of_channels(_zstd, _unzstd),
    "zstd, differences": of_planes(_zstd, _unzstd, filtered=True),
    "zstd, interleaved": interleaved(_zstd, _unzstd),
    "blosc2 lz4": of_planes(*_blosc2("lz4", 5, "noshuffle")),
    "blosc2 lz4, bits shuffled": of_planes(*_blosc2("lz4", 5, "bitshuffle")),
    "blosc2 zstd, bits shuffled": of_planes(*_blosc2("zstd", 1, "bitshuffle")),
}
