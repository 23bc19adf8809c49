"""BMP, decoded by OpenCV: grey or colour, 1 to 24 bits a pixel."""

import struct

import cv2
import numpy as np

from comp.images.formats.stored import StoredFile, cut_off, damaged, not_supported, split

SIGNATURES = (b"BM",)
_UNCOMPRESSED = 0


def decode(data: bytes) -> StoredFile:
    """Palettes give their colours; 8 bits as 0..255."""
    if len(data) < 54:
        raise cut_off(data)
    start, header, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", data, 10)
    if header < 40 or compression != _UNCOMPRESSED or bits not in (1, 4, 8, 24):
        raise not_supported("a BMP with compression, alpha or 16 bits")
    if start + (width * bits + 31) // 32 * 4 * abs(height) > len(data):
        raise cut_off(data)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise damaged("")
    return StoredFile(split(pixels), (0, 255))
