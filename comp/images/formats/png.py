"""PNG, decoded by OpenCV. The check sums of all chunks are verified first, because some decoders ignore damage."""

import zlib

import cv2
import numpy as np

from comp.images.formats.stored import NotRead, StoredFile, cut_off, damaged, not_supported, split

SIGNATURES = (b"\x89PNG\r\n\x1a\n",)
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # of each colour type: grey, RGB, palette, grey and alpha, RGB and alpha


def decode(data: bytes) -> StoredFile:
    """Grey, RGB or palette, with or without alpha; 1 to 8 bits as 0..255, 16 bits as 0..65535."""
    transparent = _check(data)
    if len(data) < 33 or data[25] not in _CHANNELS:
        raise damaged("no header")
    colour = data[25]
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise damaged("")
    channels = split(pixels)
    if colour == 4 and len(channels) == 4:  # OpenCV repeats grey three times in front of alpha
        channels = [channels[0], channels[3]]
    expected = _CHANNELS[colour] + (transparent and colour in (0, 2, 3))
    if len(channels) != expected:
        if not transparent:
            raise damaged(f"{len(channels)} of {expected} channels")
        raise not_supported("a colour that means transparent")
    alpha = expected in (2, 4)
    return StoredFile(channels, (0, 255 if pixels.dtype == np.uint8 else 65535), alpha=alpha)


def _check(data: bytes) -> bool:
    """Check that every chunk up to IEND is complete and has its check sum. Whether a colour or palette entry is transparent."""
    view = memoryview(data)
    start, transparent = len(SIGNATURES[0]), False
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(view[start : start + 4])
        if end > len(data):
            break
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise NotRead(f"is damaged near byte {start:,}")
        kind = view[start + 4 : start + 8]
        if kind == b"IEND":
            return transparent
        if kind == b"acTL":
            raise not_supported("several frames")
        transparent = transparent or kind == b"tRNS"
        start = end
    raise cut_off(data)
