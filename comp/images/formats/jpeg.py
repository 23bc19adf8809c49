"""JPEG, decoded by libjpeg-turbo through simplejpeg, which reports what OpenCV passes over: missing, damaged or zeroed parts."""

import simplejpeg

from comp.images.formats.stored import StoredFile, cut_off, damaged, not_supported, split

SIGNATURES = (b"\xff\xd8\xff",)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers of frame headers
_BASELINE_OR_PROGRESSIVE = {0xC0, 0xC1, 0xC2}


def decode(data: bytes) -> StoredFile:
    """Grey or RGB (from YCbCr), 8 bits. Bytes after the end marker are ignored."""
    if b"\xff\xd9" not in data:
        raise cut_off(data)
    marker, bits, components = _frame(data)
    if marker not in _BASELINE_OR_PROGRESSIVE:
        raise not_supported("lossless or arithmetic JPEG")
    if bits != 8:
        raise not_supported(f"JPEG of {bits} bits")
    if components not in (1, 3):
        raise not_supported(f"JPEG with {components} components" + " (CMYK)" * (components == 4))
    try:
        pixels = simplejpeg.decode_jpeg(data, colorspace="GRAY" if components == 1 else "BGR", strict=True)
    except ValueError as error:
        if "subsampling" in str(error):
            raise not_supported("unusual chroma subsampling") from None
        raise damaged(error) from None
    return StoredFile(split(pixels[..., 0] if components == 1 else pixels), (0, 255), lossy=True)


def _frame(data: bytes) -> tuple[int, int, int]:
    """The marker of the frame header, its bits per sample and its number of components."""
    start = 2
    while start + 10 <= len(data) and data[start] == 0xFF:
        marker = data[start + 1]
        if marker in _FRAMES:
            return marker, data[start + 4], data[start + 9]
        start += 1 if marker == 0xFF else 2 + int.from_bytes(data[start + 2 : start + 4])  # 0xFF may be repeated before a marker
    raise damaged("no frame header")
