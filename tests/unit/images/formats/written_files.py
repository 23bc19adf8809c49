"""TIFF and PNG files of every form that tifffile, imagecodecs, Pillow and OpenCV write, with the planes that each must give."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import cv2
import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

SIDES = (19, 26)  # height and width: no multiple of anything
TILE = (16, 16)


@dataclass(frozen=True)
class Written:
    """A file and what it shows.

    Attributes:
        writer, form, options: what wrote it, what it holds, and how; `form` is a row of the table of formats.
        planes: (C, H, W) as stored; None where no array is stored, such as CMYK.
        lossy: planes are as libtiff decodes them, and may differ a little.
    """

    writer: str
    form: str
    options: str
    data: bytes
    planes: NDArray[Any] | None
    lossy: bool = False


def every_file() -> Iterator[Written]:
    """All files, one after the other."""
    generator = np.random.default_rng(0)
    for files in (_tifffile_planes, _tifffile_compressions, _tifffile_layouts, _pillow, _opencv, _imagecodecs):
        yield from files(generator)


def _values(generator: np.random.Generator, dtype: str, *shape: int, bits: int = 0) -> NDArray[Any]:
    if dtype == "bool":
        return generator.integers(0, 2, shape).astype(bool)
    if np.dtype(dtype).kind == "f":
        return generator.uniform(-1, 1, shape).astype(dtype)
    information = np.iinfo(dtype)
    return generator.integers(information.min, (1 << bits) if bits else int(information.max) + 1, shape).astype(dtype)


def _smooth(generator: np.random.Generator, *shape: int) -> NDArray[np.uint8]:
    """Values that JPEG keeps within a few grey levels."""
    noise = generator.integers(0, 256, shape, np.uint8)
    return np.stack([cv2.GaussianBlur(plane, (0, 0), 4) for plane in noise])


def _tiff(planes: NDArray[Any], **options: Any) -> bytes:
    memory = io.BytesIO()
    tifffile.imwrite(memory, planes, **options)
    return memory.getvalue()


def _described(options: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in options.items())


def _tifffile_planes(generator: np.random.Generator) -> Iterator[Written]:
    """Numbers of samples, interleaved or in planes, of every type and meaning."""
    dtypes = ("uint8", "uint16", "int16", "uint32", "float16", "float32", "float64")
    for dtype, count, planar, order, big in product(dtypes, range(1, 7), (False, True), "<>", (False, True)):
        planes = _values(generator, dtype, count, *SIDES)
        stored = planes if planar else np.moveaxis(planes, 0, 2)
        options: dict[str, Any] = {"byteorder": order, "bigtiff": big}
        if count > 1:
            options["planarconfig"] = "separate" if planar else "contig"
        else:
            stored = planes[0]
        kind = "planes" if planar else "interleaved"
        data = _tiff(stored, photometric="minisblack", metadata=None, **options)
        yield Written("tifffile", f"grey, {kind}", f"{dtype}, {count} samples, {_described(options)}", data, planes)
    for dtype, extra, planar, order in product(
        ("uint8", "uint16"), ((), ("unassalpha",), ("assocalpha",), ("unspecified",)), (False, True), "<>"
    ):
        planes = _values(generator, dtype, 3 + len(extra), *SIDES)
        stored = planes if planar else np.moveaxis(planes, 0, 2)
        options = {"planarconfig": "separate" if planar else "contig", "byteorder": order, "extrasamples": extra}
        data = _tiff(stored, photometric="rgb", metadata=None, **options)
        name = f"RGB and {extra[0]}" if extra else "RGB"
        yield Written("tifffile", f"{name}, {'planes' if planar else 'interleaved'}", f"{dtype}, {_described(options)}", data, planes)
    for dtype, order, rows in product(("bool", "uint8", "uint16"), "<>", (None, 1, 7)):
        planes = _values(generator, dtype, 1, *SIDES)
        data = _tiff(planes[0], photometric="miniswhite", metadata=None, byteorder=order, rowsperstrip=rows)
        yield Written("tifffile", "white is zero", f"{dtype}, byteorder {order}, rowsperstrip {rows}", data, planes)
    for order, rows in product("<>", (None, 5)):
        index, colours = _values(generator, "uint8", *SIDES), generator.integers(0, 65536, (3, 256)).astype(np.uint16)
        for name, used in (("16 bits", colours), ("8 bits", colours // 256 * 257)):
            planes = np.stack([colour[index] for colour in (used // 257 if name == "8 bits" else used)])
            data = _tiff(index, photometric="palette", colormap=used, metadata=None, byteorder=order, rowsperstrip=rows)
            yield Written("tifffile", "palette", f"colours of {name}, byteorder {order}, rowsperstrip {rows}", data, planes)
    for name, count in (("separated", 4), ("cielab", 3), ("ycbcr", 3), ("cfa", 1), ("linear_raw", 3), ("logluv", 3)):
        stored = np.moveaxis(_values(generator, "uint8", count, *SIDES), 0, 2)
        data = _tiff(stored if count > 1 else stored[..., 0], photometric=name, metadata=None)
        yield Written("tifffile", f"colours as {name}", "uint8", data, None)
    for bits, count in product((1, 2, 4, 6, 9, 10, 11, 12, 13, 14, 15), (1, 3)):  # little-endian: tifffile writes others wrongly
        planes = _values(generator, "uint8" if bits <= 8 else "uint16", count, *SIDES, bits=bits)
        stored = planes[0] if count == 1 else np.moveaxis(planes, 0, 2)
        try:
            planar = "contig" if count > 1 else None
            data = _tiff(stored, photometric="minisblack", metadata=None, bitspersample=bits, byteorder="<", planarconfig=planar)
        except (NotImplementedError, ValueError):
            continue
        yield Written("tifffile", "packed bits", f"{bits} bits, {count} samples", data, planes)
    for order, rows in product("<>", (None, 3)):
        planes = _values(generator, "bool", 1, *SIDES)
        data = _tiff(planes[0], photometric="minisblack", byteorder=order, rowsperstrip=rows, metadata=None)
        yield Written("tifffile", "packed bits", f"1 bit, byteorder {order}, rowsperstrip {rows}", data, planes)


def _tifffile_compressions(generator: np.random.Generator) -> Iterator[Written]:
    """Every compression that imagecodecs can write, with predictors, strips and tiles."""
    lossless = ("lzw", "deflate", "adobe_deflate", "zstd", "lzma", "packbits", "png", "lerc")
    for compression, dtype, count, predictor, tile, order in product(
        lossless, ("uint8", "uint16", "float32"), (1, 3, 4), (False, True), (None, TILE), "<>"
    ):
        planes = _values(generator, dtype, count, *SIDES)
        options = {"compression": compression, "predictor": predictor, "tile": tile, "byteorder": order}
        stored = planes[0] if count == 1 else np.moveaxis(planes, 0, 2)
        more = {"planarconfig": "contig"} if count > 1 else {}
        try:
            data = _tiff(stored, photometric="minisblack", metadata=None, **options, **more)
        except (ValueError, NotImplementedError, RuntimeError, KeyError):
            continue  # this writer does not combine them
        yield Written("tifffile", f"compression {compression}", f"{dtype}, {count} samples, {_described(options)}", data, planes)
    for compression, dtype, count, tile in product(
        ("jpeg2000", "jpegxl", "webp", "jpegxr", "jetraw"), ("uint8", "uint16"), (1, 3), (None, TILE)
    ):
        planes = _values(generator, dtype, count, *SIDES)
        stored = planes[0] if count == 1 else np.moveaxis(planes, 0, 2)
        photometric = "rgb" if count == 3 else "minisblack"
        arguments = {"jpeg2000": {"level": 0}, "jpegxl": {"lossless": True}, "webp": {"lossless": True}, "jpegxr": {"level": 1.0}}
        try:
            data = _tiff(
                stored,
                photometric=photometric,
                metadata=None,
                compression=compression,
                compressionargs=arguments.get(compression),
                tile=tile,
            )
        except (ValueError, NotImplementedError, RuntimeError, KeyError, ImportError):
            continue
        yield Written("tifffile", f"compression {compression}", f"{dtype}, {count} samples, tile {tile}", data, planes)
    for count, quality, tile, photometric in product((1, 3), (75, 90, 100), (None, TILE), ("rgb", "ycbcr")):
        planes = _smooth(generator, count, *SIDES)
        stored = planes[0] if count == 1 else np.moveaxis(planes, 0, 2)
        name = "minisblack" if count == 1 else photometric
        if name == "ycbcr":
            stored = np.asarray(Image.fromarray(stored).convert("YCbCr"))
        data = _tiff(stored, photometric=name, metadata=None, compression="jpeg", compressionargs={"level": quality}, tile=tile)
        yield Written("tifffile", "compression jpeg", f"{name}, quality {quality}, tile {tile}", data, _read_by_pillow(data), lossy=True)


def _tifffile_layouts(generator: np.random.Generator) -> Iterator[Written]:
    """Pages, axes of OME and ImageJ, pyramids and masks."""
    for dtype, count, compression in product(("uint8", "uint16"), range(1, 7), (None, "zlib")):
        planes = _values(generator, dtype, count, *SIDES)
        options = {"photometric": "minisblack", "compression": compression}
        about = f"{dtype}, {count} channels, compression {compression}"
        yield Written("tifffile", "pages", about, _tiff(planes, metadata=None, **options), planes)
        yield Written("tifffile", "pages with a shape", about, _tiff(planes, **options), planes)
        yield Written("tifffile", "OME, channels", about, _tiff(planes, ome=True, metadata={"axes": "CYX"}, **options), planes)
        one = np.moveaxis(planes, 0, 2)
        if count > 1:
            yield Written(
                "tifffile", "OME, samples", about, _tiff(one, ome=True, metadata={"axes": "YXS"}, planarconfig="contig", **options), planes
            )
            for axis in "ZT":
                stack = _tiff(planes, ome=True, metadata={"axes": f"{axis}YX"}, **options)
                yield Written("tifffile", f"OME, planes along {axis}", about, stack, None)
        if compression is None:
            yield Written("tifffile", "ImageJ, channels", about, _tiff(planes, imagej=True, metadata={"axes": "CYX"}), planes)
            if count > 1:
                yield Written("tifffile", "ImageJ, planes along Z", about, _tiff(planes, imagej=True, metadata={"axes": "ZYX"}), None)
        deep = _values(generator, dtype, count, 3, *SIDES)
        if count > 1:
            data = _tiff(deep, ome=True, metadata={"axes": "CZYX"}, **options)
            yield Written("tifffile", "OME, channels and planes along Z", about, data, None)
        yield Written("tifffile", "pyramid, marked", about, _pyramid(planes, marked=True, **options), planes)
        yield Written("tifffile", "pyramid, not marked", about, _pyramid(planes, marked=False, **options), planes)
        yield Written("tifffile", "pyramid in sub-images", about, _sub_images(planes, **options), planes)
        yield Written("tifffile", "pages of other sizes", about, _other_size(planes, **options), None)
        yield Written("tifffile", "pages in other compressions", about, _mixed(planes), planes)


def _pyramid(planes: NDArray[Any], marked: bool, **options: Any) -> bytes:
    memory = io.BytesIO()
    with tifffile.TiffWriter(memory) as file:
        for plane in planes:
            file.write(plane, metadata=None, **options)
        for plane in planes:
            for step in (2, 4):
                file.write(plane[::step, ::step], subfiletype=int(marked), metadata=None, **options)
    return memory.getvalue()


def _sub_images(planes: NDArray[Any], **options: Any) -> bytes:
    memory = io.BytesIO()
    with tifffile.TiffWriter(memory, ome=True) as file:
        file.write(planes, subifds=2, metadata={"axes": "CYX"}, **options)
        for step in (2, 4):
            file.write(planes[:, ::step, ::step], subfiletype=1, **options)
    return memory.getvalue()


def _other_size(planes: NDArray[Any], **options: Any) -> bytes:
    memory = io.BytesIO()
    with tifffile.TiffWriter(memory) as file:
        for plane in planes:
            file.write(plane, metadata=None, **options)
        file.write(planes[0][:-4, :-3], metadata=None, **options)
    return memory.getvalue()


def _mixed(planes: NDArray[Any]) -> bytes:
    memory = io.BytesIO()
    with tifffile.TiffWriter(memory) as file:
        for number, plane in enumerate(planes):
            file.write(plane, metadata=None, photometric="minisblack", compression="zlib" if number % 2 else None)
    return memory.getvalue()


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    memory = io.BytesIO()
    image.save(memory, form, **options)
    return memory.getvalue()


def _pillow(generator: np.random.Generator) -> Iterator[Written]:
    every = (None, "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "zstd", "lzma", "jpeg")
    of_one_bit = (None, "packbits", "group3", "group4", "tiff_ccitt")
    for mode, round_ in product(("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"), range(24)):
        compression = (of_one_bit if mode == "1" else every)[round_ % (5 if mode == "1" else 8)]
        if compression == "jpeg" and mode in ("P", "I;16", "I", "F", "LAB"):
            continue  # Pillow does not write these
        image, planes = _pillow_image(generator, mode, smooth=compression == "jpeg")
        data = _saved(image, "TIFF", compression=compression)
        if compression == "jpeg":
            planes = _read_by_pillow(data) if mode in ("L", "RGB", "YCbCr") else None
        yield Written("Pillow", f"TIFF, mode {mode}", f"compression {compression}, {round_}", data, planes, lossy=compression == "jpeg")
    for mode, level, optimize, round_ in product(("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), (0, 1, 6, 9), (False, True), range(4)):
        image, planes = _pillow_image(generator, mode)
        data = _saved(image, "PNG", compress_level=level, optimize=optimize)
        yield Written("Pillow", f"PNG, mode {mode}", f"level {level}, optimize {optimize}, {round_}", data, planes)
    for mode, transparent in (("L", 7), ("RGB", (1, 2, 3)), ("P", 5), ("P", bytes(range(256))), ("I;16", 9)):
        image, _ = _pillow_image(generator, mode)
        data = _saved(image, "PNG", transparency=transparent)
        planes = None if mode in ("L", "I;16") else np.moveaxis(np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")), 2, 0)
        yield Written("Pillow", f"PNG, mode {mode}, a transparent colour", type(transparent).__name__, data, planes)
    for bits, round_ in product((1, 2, 4), range(4)):
        image, planes = _pillow_image(generator, "P", colours=1 << bits)
        yield Written("Pillow", "PNG, mode P", f"{bits} bits, {round_}", _saved(image, "PNG", bits=bits), planes)
    frames = [_pillow_image(generator, "L")[0] for _ in range(3)]
    yield Written("Pillow", "PNG, several frames", "3 frames", _saved(frames[0], "PNG", save_all=True, append_images=frames[1:]), None)
    for mode, count in product(("L", "RGB", "I;16"), range(2, 5)):
        images, planes = zip(*(_pillow_image(generator, mode) for _ in range(count)), strict=True)
        data = _saved(images[0], "TIFF", save_all=True, append_images=images[1:])
        yield Written(
            "Pillow", "TIFF, pages", f"mode {mode}, {count} pages", data, np.concatenate([plane for plane in planes if plane is not None])
        )


def _pillow_image(
    generator: np.random.Generator, mode: str, smooth: bool = False, colours: int = 256
) -> tuple[Image.Image, NDArray[Any] | None]:
    """An image of a mode and the planes it stores; None for colours that are not red, green and blue."""
    if mode == "1":
        planes = _values(generator, "bool", 1, *SIDES)
        return Image.fromarray(planes[0]), planes
    if mode in ("I;16", "I", "F"):
        planes = _values(generator, {"I;16": "uint16", "I": "int32", "F": "float32"}[mode], 1, *SIDES)
        return Image.fromarray(planes[0]), planes
    if mode == "P":
        index, palette = generator.integers(0, colours, SIDES, np.uint8), generator.integers(0, 256, (colours, 3), np.uint8)
        image = Image.fromarray(index, "P")
        image.putpalette(palette.ravel().tolist())
        return image, np.moveaxis(palette[index], 2, 0)
    count = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "YCbCr": 3, "LAB": 3}[mode]
    planes = _smooth(generator, count, *SIDES) if smooth else _values(generator, "uint8", count, *SIDES)
    image = Image.fromarray(planes[0] if count == 1 else np.moveaxis(planes, 0, 2).copy(), mode)
    return image, planes if mode in ("L", "LA", "RGB", "RGBA") else None


def _read_by_pillow(data: bytes) -> NDArray[np.uint8]:
    """The planes of a lossy file as libtiff decodes them."""
    image = Image.open(io.BytesIO(data))
    pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    return pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)


def _opencv(generator: np.random.Generator) -> Iterator[Written]:
    for dtype, count, compression, predictor, rows in product(
        ("uint8", "uint16", "int16", "float32", "float64"), (1, 3, 4), (1, 5, 8, 32773, 32946), (1, 2), (0, 4)
    ):
        planes = _values(generator, dtype, count, *SIDES)
        options = [cv2.IMWRITE_TIFF_COMPRESSION, compression, cv2.IMWRITE_TIFF_PREDICTOR, predictor] + (
            [cv2.IMWRITE_TIFF_ROWSPERSTRIP, rows] if rows else []
        )
        encoded = _encoded(planes, ".tiff", options)
        if encoded:
            about = f"{dtype}, {count} channels, compression {compression}, predictor {predictor}, rowsperstrip {rows}"
            yield Written("OpenCV", f"TIFF, {count} channels", about, encoded, planes)
    for dtype, count, level, strategy in product(("uint8", "uint16"), (1, 3, 4), (0, 1, 3, 9), range(5)):
        planes = _values(generator, dtype, count, *SIDES)
        encoded = _encoded(planes, ".png", [cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_STRATEGY, strategy])
        yield Written("OpenCV", f"PNG, {count} channels", f"{dtype}, level {level}, strategy {strategy}", encoded, planes)
    planes = _values(generator, "bool", 1, *SIDES)
    encoded = _encoded(planes.astype(np.uint8) * 255, ".png", [cv2.IMWRITE_PNG_BILEVEL, 1])
    yield Written("OpenCV", "PNG, 1 bit", "bilevel", encoded, planes)
    for dtype, count in product(("uint8", "uint16"), range(2, 6)):
        planes = _values(generator, dtype, count, *SIDES)
        encoded = cv2.imencodemulti(".tiff", list(planes))[1].tobytes()
        yield Written("OpenCV", "TIFF, pages", f"{dtype}, {count} pages", encoded, planes)


def _encoded(planes: NDArray[Any], ending: str, options: list[int]) -> bytes:
    try:
        done, encoded = cv2.imencode(
            ending, cv2.merge([planes[place] for place in ((2, 1, 0, 3)[: len(planes)] if len(planes) > 2 else (0,))]), options
        )
    except cv2.error:
        return b""
    return encoded.tobytes() if done else b""


def _imagecodecs(generator: np.random.Generator) -> Iterator[Written]:
    names = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}
    for encoder, dtype, count, level in product(("png", "spng", "apng"), ("uint8", "uint16"), names, range(10)):
        planes = _values(generator, dtype, count, *SIDES)
        stored = planes[0] if count == 1 else np.ascontiguousarray(np.moveaxis(planes, 0, 2))
        data = getattr(imagecodecs, f"{encoder}_encode")(stored, level=level)
        yield Written("imagecodecs", f"PNG, {names[count]}", f"{encoder}, {dtype}, level {level}", bytes(data), planes)
