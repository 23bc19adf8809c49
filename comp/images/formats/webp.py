"""WebP, decoded by OpenCV: RGB with or without alpha."""

import cv2
import numpy as np

from comp.images.formats.stored import StoredFile, cut_off, damaged, not_supported, split

SIGNATURES = (b"RIFF",)


def decode(data: bytes) -> StoredFile:
    """8 bits as 0..255. Lossy if the image is."""
    if data[8:12] != b"WEBP":
        raise not_supported("no image")
    if 8 + int.from_bytes(data[4:8], "little") > len(data):
        raise cut_off(data)
    if b"ANIM" in data[12:64]:
        raise not_supported("several frames")
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise damaged("")
    channels = split(pixels)
    return StoredFile(channels, (0, 255), alpha=len(channels) == 4, lossy=b"VP8 " in data[12:64])
