"""What single files give: values by their tags, ranges, stains of colour files, damage, and what is refused by name."""

import io
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from comp.base.errors import DataError
from comp.images.read import read_image, read_stored

RNG = np.random.default_rng(1)
PLANES = RNG.integers(0, 256, (4, 24, 31), np.uint8)
DEEP = RNG.integers(0, 65536, (4, 24, 31)).astype(np.uint16)
SMOOTH = np.stack([cv2.GaussianBlur(plane, (0, 0), 3) for plane in RNG.integers(0, 256, (4, 64, 64), np.uint8)])
FIELD = Path(os.environ.get("HPA_SHARED", "")) / "field" / "images"


def tiff(folder: Path, pixels: NDArray[Any], **options: Any) -> Path:
    tifffile.imwrite(folder / "image.tif", pixels, metadata=None, **options)
    return folder / "image.tif"


def written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def eight_bits(path: Path, channels: int, levels: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    return np.array(read_image([path], channels, levels).channels)


def test_white_as_zero_is_turned_round_at_any_depth(tmp_path: Path) -> None:
    deep = eight_bits(tiff(tmp_path, DEEP[0], photometric="miniswhite"), 1)
    np.testing.assert_array_equal(deep[0], np.rint((65535.0 - DEEP[0]) / 257))
    shallow = eight_bits(tiff(tmp_path, PLANES[0], photometric="miniswhite"), 1)
    np.testing.assert_array_equal(shallow[0], 255 - PLANES[0])


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_bits_that_are_declared_or_packed_reach_255(tmp_path: Path, bits: int) -> None:
    values = RNG.integers(0, 1 << bits, (24, 31)).astype(np.uint16)
    white = (1 << bits) - 1
    wanted = np.rint(values * (255 / white))
    cv2.imwrite(str(tmp_path / "image.png"), values)
    np.testing.assert_array_equal(eight_bits(tmp_path / "image.png", 1, (0, white))[0], wanted)
    np.testing.assert_array_equal(eight_bits(tiff(tmp_path, values, bitspersample=bits), 1)[0], wanted)
    image = read_image([tmp_path / "image.png"], 1)
    assert image.peak == values.max()
    np.testing.assert_array_equal(image.channels[0], np.rint(values / 257))


def test_a_value_above_the_declared_bits_is_refused_and_8_bit_files_stay(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"image\.tif holds the value 5,000, which is above 4,095: correct `bits`"):
        eight_bits(tiff(tmp_path, np.full((8, 8), 5000, np.uint16)), 1, (0, 4095))
    np.testing.assert_array_equal(eight_bits(tiff(tmp_path, PLANES[0]), 1, (0, 4095))[0], PLANES[0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.uint32])
def test_other_types_need_a_range_and_get_it(tmp_path: Path, dtype: type) -> None:
    values = np.array([[-5, 0, 1, 50, 99, 100, 105]] * 8).clip(0 if dtype is np.uint32 else -5).astype(dtype)
    path = tiff(tmp_path, values)
    with pytest.raises(DataError, match=rf"image\.tif holds {np.dtype(dtype)} values, and nothing says which of them are black and white"):
        eight_bits(path, 1)
    wanted = np.rint(np.clip(values.astype(float), 0, 100) * 2.55)
    np.testing.assert_array_equal(eight_bits(path, 1, (0, 100))[0], wanted)


def test_floats_may_state_their_range_in_tags_and_must_be_finite(tmp_path: Path) -> None:
    values = np.linspace(0, 2, 8 * 9, dtype=np.float32).reshape(8, 9)
    tags = [(340, "f", 1, 0.0, True), (341, "f", 1, 2.0, True)]
    np.testing.assert_array_equal(eight_bits(tiff(tmp_path, values, extratags=tags), 1)[0], np.rint(values.astype(float) * 127.5))
    values[3, 3] = np.nan
    with pytest.raises(DataError, match="holds values that are not finite"):
        eight_bits(tiff(tmp_path, values), 1, (0, 2))


def test_the_sub_images_of_other_files_are_refused(tmp_path: Path) -> None:
    """An OME file that says that a channel lies in another file."""
    memory = io.BytesIO()
    tifffile.imwrite(memory, PLANES[:2], ome=True, metadata={"axes": "CYX"}, photometric="minisblack")
    with tifffile.TiffFile(io.BytesIO(memory.getvalue())) as file:
        text = str(file.ome_metadata)
    elsewhere = text.replace('SizeC="2"', 'SizeC="3"').replace(
        "</Pixels>",
        '<TiffData FirstC="2" IFD="0" PlaneCount="1"><UUID FileName="other.ome.tif">urn:uuid:00000000-0000-0000-0000-000000000000</UUID>'
        "</TiffData></Pixels>",
    )
    assert elsewhere != text
    with tifffile.TiffWriter(tmp_path / "image.ome.tif") as writer:
        for number, plane in enumerate(PLANES[:2]):
            writer.write(plane, description=elsewhere if number == 0 else None, metadata=None, photometric="minisblack")
    with pytest.raises(DataError, match=r"image\.ome\.tif"):
        read_stored(tmp_path / "image.ome.tif")


def test_one_stain_of_a_colour_jpeg_is_taken(tmp_path: Path) -> None:
    for name, colours in {"red": (0,), "green": (1,), "blue": (2,), "yellow": (0, 1), "grey": (0, 1, 2)}.items():
        pixels = np.zeros((64, 64, 3), np.uint8)
        pixels[..., list(colours)] = SMOOTH[0][..., None]
        path = tmp_path / f"{name}.jpg"
        Image.fromarray(pixels).save(path, quality=90)
        assert np.abs(eight_bits(path, 1)[0].astype(int) - SMOOTH[0]).mean() < 2.5
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(eight_bits(tmp_path / f"{name}.png", 1)[0], SMOOTH[0])
    Image.fromarray(np.moveaxis(SMOOTH[:3], 0, 2)).save(tmp_path / "colours.jpg")
    with pytest.raises(DataError, match=r"colours\.jpg has 3 channels, not 1"):
        eight_bits(tmp_path / "colours.jpg", 1)


def test_a_grey_file_among_colour_files_is_three_equal_channels(tmp_path: Path) -> None:
    Image.fromarray(SMOOTH[0]).save(tmp_path / "grey.png")
    image = read_image([tmp_path / "grey.png"], 3)
    assert image.from_grey
    np.testing.assert_array_equal(image.channels, [SMOOTH[0]] * 3)
    with pytest.raises(DataError, match=r"grey\.png has 1 channels, not 4"):
        read_image([tmp_path / "grey.png"], 4)


def test_opaque_alpha_is_dropped_and_other_alpha_is_not(tmp_path: Path) -> None:
    opaque = np.dstack([*PLANES[:3], np.full_like(PLANES[0], 255)])
    for path in (tiff(tmp_path, opaque, photometric="rgb", extrasamples=["unassalpha"]), tmp_path / "image.png"):
        if path.suffix == ".png":
            Image.fromarray(opaque).save(path)
        np.testing.assert_array_equal(eight_bits(path, 3), PLANES[:3])
    with pytest.raises(DataError, match="has 4 channels, not 3"):  # a fourth stain that is bright everywhere is no alpha
        eight_bits(tiff(tmp_path, opaque, photometric="minisblack", planarconfig="contig"), 3)


@pytest.mark.parametrize("size", [512, 2048])
def test_a_jpeg_with_a_hole_of_zeros_is_refused(tmp_path: Path, size: int) -> None:
    image = np.dstack([cv2.resize(plane, (256, 256)) for plane in SMOOTH[:3]])
    image = image ^ RNG.integers(0, 32, image.shape, np.uint8)
    for name, options in {"baseline.jpg": [], "progressive.jpg": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], "tiff.tif": None}.items():
        if options is None:
            tifffile.imwrite(tmp_path / name, image, compression="jpeg", photometric="rgb")
            data = bytearray((tmp_path / name).read_bytes())
        else:
            data = bytearray(cv2.imencode(".jpg", image, options)[1].tobytes())
        read_stored(written(tmp_path, name, bytes(data)))
        middle = len(data) // 2
        data[middle : middle + size] = bytes(size)
        with pytest.raises(DataError, match=rf"{name} is cut off or damaged"):
            read_stored(written(tmp_path, name, bytes(data)))


def test_bytes_after_the_end_of_a_jpeg_are_ignored(tmp_path: Path) -> None:
    data = cv2.imencode(".jpg", SMOOTH[0])[1].tobytes()
    plain = eight_bits(written(tmp_path, "plain.jpg", data), 1)
    np.testing.assert_array_equal(eight_bits(written(tmp_path, "longer.jpg", data + bytes(range(1, 200)) * 3), 1), plain)


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "zstd", "packbits", "jpeg", "lzma", "jpeg2000"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_a_tiff_cut_off_in_its_pixels_is_refused(tmp_path: Path, compression: str | None, tile: tuple[int, int] | None) -> None:
    pixels = SMOOTH[0] ^ RNG.integers(0, 8, SMOOTH[0].shape, np.uint8)
    whole = tiff(tmp_path, pixels, compression=compression, tile=tile, rowsperstrip=None if tile else 8).read_bytes()
    with tifffile.TiffFile(io.BytesIO(whole)) as file:
        page = file.pages.first
        offsets, counts = page.dataoffsets, page.databytecounts
    for share in (0.1, 0.5, 0.9, 0.999):
        length = int(offsets[0] + share * (offsets[-1] + counts[-1] - offsets[0]))
        with pytest.raises(DataError, match=r"image\.tif is cut off"):
            read_stored(written(tmp_path, "image.tif", whole[:length]))
    written(tmp_path, "image.tif", whole)
    with tifffile.TiffFile(tmp_path / "image.tif", mode="r+") as file:  # a strip that was never written
        file.pages.first.tags["TileByteCounts" if tile else "StripByteCounts"].overwrite([0, *counts[1:]])
    with pytest.raises(DataError, match=r"image\.tif is cut off or damaged \(a part was never written\)"):
        read_stored(tmp_path / "image.tif")


def test_other_files_are_named_by_their_form(tmp_path: Path) -> None:
    Image.fromarray(np.dstack(PLANES), "CMYK").save(tmp_path / "cmyk.jpg")
    frames = [Image.fromarray(PLANES[0]), Image.fromarray(PLANES[1])]
    frames[0].save(tmp_path / "frames.png", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "frames.webp", save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(tmp_path / "a.gif")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "folder.png").mkdir()
    named = {
        "cmyk.jpg": r"holds JPEG with 4 components \(CMYK\), which is not read",
        "frames.png": "holds several frames, which is not read",
        "frames.webp": "holds several frames, which is not read",
        "a.gif": "is no PNG, TIFF, JPEG, BMP or WebP",
        "pipe.png": r"cannot be read \(it is no regular file\)",
        "folder.png": "cannot be read",
        "loop.png": "cannot be read",
    }
    for name, what in named.items():
        with pytest.raises(DataError, match=f"{name} {what}"):
            read_stored(tmp_path / name)


def test_bmp_and_webp_are_read_as_stored_and_refused_when_cut_off(tmp_path: Path) -> None:
    for name, options in {"a.bmp": {}, "a.webp": {"lossless": True}}.items():
        for planes in (PLANES[:1], PLANES[:3]):
            image = Image.fromarray(planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, 2).copy())
            image.save(tmp_path / name, **options)
            np.testing.assert_array_equal(eight_bits(tmp_path / name, len(planes)), planes)
        data = (tmp_path / name).read_bytes()
        for length in (20, 60, len(data) // 2, len(data) - 3):
            with pytest.raises(DataError, match=rf"{name} "):
                read_stored(written(tmp_path, name, data[:length]))


def test_a_tiff_that_promises_terabytes_is_refused_at_once(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "image.tif", PLANES[0], metadata=None)
    with tifffile.TiffFile(tmp_path / "image.tif", mode="r+") as file:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages.first.tags[tag].overwrite(2_000_000)
    with pytest.raises(DataError, match=r"image\.tif "):
        read_stored(tmp_path / "image.tif")


@pytest.mark.skipif("HPA_SHARED" not in os.environ, reason="HPA_SHARED names no folder with files from the field")
@pytest.mark.parametrize(
    ("name", "truth"),
    [
        ("f01_planar16_rgb.tif", "a16"), ("f02_contig16_minisblack4.tif", "a16"), ("f02_contig8_minisblack4.tif", "a8"),
        ("f03_rgba8_unassociated.tif", "a8"), ("f05_12_bits_in_16.png", "a12"), ("f10_zstd16.tif", "a16"), ("f10_five_samples.tif", "a8"),
    ],
)  # fmt: skip
def test_files_from_the_field_give_their_true_values(name: str, truth: str) -> None:
    planes = np.load(FIELD / "truth.npz")[truth]
    channels = read_stored(FIELD / name).channels
    assert len(channels) == {"f01": 3, "f02": 4, "f03": 4, "f05": 1, "f10": 5 if "five" in name else 1}[name[:3]]
    np.testing.assert_array_equal(channels[: len(planes)], planes[: len(channels)])
