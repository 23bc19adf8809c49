"""The image cache: filling it against decoding alone, and batches from it against decoding them again."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.processes import cores
from comp.images.input_channels import InputChannels
from tests.benchmarks.decoding import decoded
from tests.benchmarks.inputs import PIXELS, filled, repeated, synthetic_images
from tests.benchmarks.paired import Ratio, alternate, timed
from tests.benchmarks.results import Result, at_least

BATCH = 32
RGBY = InputChannels((0, 1, 2, 3))
Images = Sequence[Sequence[Path]]


def measure(folder: Path, pixels: int = PIXELS, size: int = 256, rows: int = 576, rounds: int = 9) -> list[Result]:
    images = synthetic_images(folder, pixels)
    return [filling(folder, images, size, rows, rounds), batches(folder, images, size, rows, rounds)]


def filling(folder: Path, images: Images, size: int, rows: int, rounds: int) -> Result:
    files, number = repeated(images, rows), count()
    encoded = {path: np.fromfile(path, np.uint8) for paths in images for path in paths}

    def decode() -> None:
        with ThreadPoolExecutor(cores()) as pool:
            deque(pool.map(lambda paths: [cv2.imdecode(encoded[path], cv2.IMREAD_UNCHANGED) for path in paths], files.values()), maxlen=0)

    seconds = alternate(
        {
            "filling": timed(lambda: filled(folder / f"filling-{next(number)}", files, size)),
            "decoding": timed(decode),
            "decoding again": timed(decode),
        },
        rounds,
        "filling the cache",
    )
    ratio, control = Ratio.of(seconds["decoding"], seconds["filling"]), Ratio.of(seconds["decoding"], seconds["decoding again"])
    rate = rows / np.median(seconds["filling"])
    return at_least(
        0.85, "cache filling, speed: ours / cv2.imdecode", ratio, control, f"{rate:.0f} images/s of 4 PNGs on {cores()} threads"
    )


def batches(folder: Path, images: Images, size: int, rows: int, rounds: int) -> Result:
    files = repeated(images, rows)
    cache = filled(folder / "batches", files, size)
    np.asarray(cache.images)  # read all of it, so that the cache is warm
    paths, generator = list(files.values()), np.random.default_rng(0)

    def random_rows() -> NDArray[np.int64]:
        return generator.choice(rows, BATCH, replace=False)

    def decode() -> None:
        np.stack([decoded(paths[row], size) for row in random_rows()])

    seconds = alternate(
        {
            "cache": timed(lambda: RGBY.read(cache.images, random_rows())),
            "decoding": timed(decode),
            "decoding again": timed(decode),
        },
        rounds,
        "random batches",
    )
    ratio, control = Ratio.of(seconds["decoding"], seconds["cache"]), Ratio.of(seconds["decoding"], seconds["decoding again"])
    cached, decoded_again = (BATCH / np.median(seconds[side]) for side in ("cache", "decoding"))
    note = f"{cached:,.0f} and {decoded_again:,.0f} images/s at {size} px on one thread"
    return at_least(20, "random batches, speed: warm cache / decoding PNGs", ratio, control, note)
