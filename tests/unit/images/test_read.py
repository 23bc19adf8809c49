"""Reading of image files, compared with Pillow and with the arrays that were written."""

import io
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from comp.base.errors import DataError
from comp.images.read import distinct, read_image, read_stored, resize, to_8_bits

RNG = np.random.default_rng(0)
NOISE = cv2.GaussianBlur(RNG.integers(0, 256, (60, 80), np.uint8), (0, 0), 1.5)
CHANNELS = ("red", "green", "blue", "yellow")
HIGH = {"a34d8680-bb99-11e8-b2b9-ac1f6b6435d0": 2048, "a7faf0b4-bb99-11e8-b2b9-ac1f6b6435d0": 3072}


def encoded(pixels: NDArray[np.generic], extension: str, *options: int) -> bytes:
    ok, data = cv2.imencode(extension, pixels, options)
    assert ok
    return data.tobytes()


def stacked(files: list[Path], channels: int, levels: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    return np.dstack(read_image(files, channels, levels).channels)


def written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


WHOLE = {
    "grey.png": encoded(NOISE, ".png"),
    "sixteen.png": encoded(NOISE.astype(np.uint16) * 257, ".png"),
    "plain.tif": encoded(NOISE, ".tif", cv2.IMWRITE_TIFF_COMPRESSION, 1),
    "lzw.tif": encoded(NOISE, ".tif", cv2.IMWRITE_TIFF_COMPRESSION, 5),
    "deflate.tif": encoded(NOISE, ".tif", cv2.IMWRITE_TIFF_COMPRESSION, 8),
    "sixteen.tif": encoded(NOISE.astype(np.uint16) * 257, ".tif"),
    "rgb_grey.png": encoded(cv2.merge([NOISE] * 3), ".png"),
    "rgba_grey.png": encoded(cv2.merge([NOISE] * 3 + [np.full_like(NOISE, 255)]), ".png"),
}


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_every_format_gives_the_pixels_that_were_written(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, WHOLE[name])
    np.testing.assert_array_equal(stacked([path], 1), NOISE[..., None])


def test_jpeg_is_read_as_pillow_reads_it(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jpg", encoded(NOISE, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 95))
    difference = stacked([path], 1)[..., 0].astype(int) - np.asarray(Image.open(path))
    assert abs(difference).max() <= 2


@pytest.mark.parametrize("name", [*sorted(WHOLE), "a.jpg"])
def test_a_file_cut_off_anywhere_is_refused_by_name(tmp_path: Path, name: str) -> None:
    data = encoded(NOISE, ".jpg") if name == "a.jpg" else WHOLE[name]
    for length in {0, 1, 8, 30, len(data) // 2, *range(len(data) - 16, len(data)), *RNG.integers(0, len(data), 60).tolist()}:
        if data.startswith(b"\x89PNG") or length < len(data) - 8:  # the last bytes of a TIFF may be none of its pixels
            with pytest.raises(DataError, match=name):
                stacked([written(tmp_path, name, data[:length])], 1)


def test_a_changed_byte_of_a_png_is_refused(tmp_path: Path) -> None:
    data = WHOLE["grey.png"]
    for place in RNG.integers(8, len(data), 60):
        broken = bytearray(data)
        broken[place] ^= 1 << RNG.integers(8)
        with pytest.raises(DataError, match=r"flipped\.png is"):
            stacked([written(tmp_path, "flipped.png", bytes(broken))], 1)


def test_damage_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("grey.png", "deflate.tif"):
        with pytest.raises(DataError):
            read_stored(written(tmp_path, name, WHOLE[name][:400]))
    assert capfd.readouterr() == ("", "")


def test_sixteen_bits_are_scaled_and_rounded() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(to_8_bits(every, (0, 65535)), np.rint(every / 257).astype(np.uint8))


def test_one_file_a_channel_in_the_order_given(tmp_path: Path) -> None:
    channels = {name: NOISE // (number + 1) for number, name in enumerate(CHANNELS)}
    files = [written(tmp_path, f"{name}.png", encoded(channel, ".png")) for name, channel in channels.items()]
    image = stacked(files, 4)
    assert image.shape == (60, 80, 4)
    for number, channel in enumerate(channels.values()):
        np.testing.assert_array_equal(image[..., number], channel)
    np.testing.assert_array_equal(stacked(files[::-1], 4), image[..., ::-1])


def test_one_file_with_all_channels(tmp_path: Path) -> None:
    pixels = np.dstack([NOISE, NOISE // 2, NOISE // 3, NOISE // 4])
    for mode, channels in (("RGB", 3), ("RGBA", 4)):
        memory = io.BytesIO()
        Image.fromarray(pixels[..., :channels], mode).save(memory, "PNG")
        np.testing.assert_array_equal(stacked([written(tmp_path, "a.png", memory.getvalue())], channels), pixels[..., :channels])
    opaque = np.dstack([pixels[..., :3], np.full_like(NOISE, 255)])
    memory = io.BytesIO()
    Image.fromarray(opaque, "RGBA").save(memory, "PNG")
    np.testing.assert_array_equal(stacked([written(tmp_path, "b.png", memory.getvalue())], 3), pixels[..., :3])


def test_pages_of_a_tiff_are_channels(tmp_path: Path) -> None:
    pages = [NOISE // (number + 1) for number in range(5)]
    memory = io.BytesIO()
    images = [Image.fromarray(page) for page in pages]
    images[0].save(memory, "TIFF", save_all=True, append_images=images[1:])
    np.testing.assert_array_equal(stacked([written(tmp_path, "pages.tif", memory.getvalue())], 5), np.dstack(pages))
    with pytest.raises(DataError, match=r"pages\.tif has 5 channels, not 4"):
        stacked([tmp_path / "pages.tif"], 4)


def test_what_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    bad = {
        "empty.png": (b"", "is empty"),
        "text.png": (b"Id,Target\n", "is no PNG, TIFF, JPEG, BMP or WebP"),
        "page.png": (b"<html>404</html>", "is no PNG, TIFF, JPEG, BMP or WebP"),
        "float.tif": (encoded(NOISE.astype(np.float32), ".tif"), "holds float32 values"),
        "colour.png": (encoded(cv2.merge([NOISE, NOISE // 2, NOISE]), ".png"), "has 3 channels, not 1"),
    }
    for name, (data, problem) in bad.items():
        with pytest.raises(DataError, match=f"{name} {problem}"):
            stacked([written(tmp_path, name, data)], 1)
    with pytest.raises(DataError, match=r"gone\.png is missing"):
        stacked([tmp_path / "gone.png"], 1)
    with pytest.raises(DataError, match="cannot be read"):
        stacked([tmp_path], 1)


def test_one_black_channel_is_read_and_a_smaller_one_is_refused(tmp_path: Path) -> None:
    good = written(tmp_path, "good.png", encoded(NOISE, ".png"))
    black = written(tmp_path, "black.png", encoded(np.zeros_like(NOISE), ".png"))
    small = written(tmp_path, "small.png", encoded(NOISE[:30], ".png"))
    assert not stacked([good, black], 2)[..., 1].any()
    with pytest.raises(DataError, match=r"small\.png is 80 x 30 px but .*good\.png is 80 x 60 px"):
        stacked([good, small], 2)
    assert read_image([black, black], 2).is_black
    assert not read_image([good, black], 2).is_black


def test_resize_takes_means_over_areas() -> None:
    channel = RNG.integers(0, 256, (64, 64), np.uint8)
    means = channel.reshape(16, 4, 16, 4).mean(axis=(1, 3))
    assert abs(resize(channel, 16) - means).max() <= 0.5
    assert resize(channel, 64) is channel
    assert resize(channel[:20, :30], 64).shape == (64, 64)


def test_distinct_keeps_what_carries_something() -> None:
    opaque = np.full_like(NOISE, 255)
    assert len(distinct([NOISE])) == 1
    assert len(distinct([NOISE, NOISE, NOISE])) == 1
    assert len(distinct([NOISE, NOISE, NOISE, opaque])) == 1
    assert len(distinct([NOISE, NOISE, NOISE // 2, opaque])) == 3
    assert len(distinct([NOISE, NOISE, NOISE, NOISE])) == 4


@pytest.mark.skipif("HPA_SHARED" not in os.environ, reason="HPA_SHARED names no folder with real images")
@pytest.mark.parametrize("image_id", sorted(HIGH))
def test_real_high_resolution_images_load_at_512_and_in_full(image_id: str) -> None:
    files = [Path(os.environ["HPA_SHARED"]) / "hpa-highres" / f"{image_id}_{channel}.png" for channel in CHANNELS]
    side = HIGH[image_id]
    channels = read_image(files, 4).channels
    assert [channel.shape for channel in channels] == [(side, side)] * 4
    np.testing.assert_array_equal(channels[1], np.asarray(Image.open(files[1])))
    small = resize(channels[1], 512)
    means = channels[1].reshape(512, side // 512, 512, side // 512).mean(axis=(1, 3))
    assert abs(small - means).max() <= 0.51
