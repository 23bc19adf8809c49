"""Inputs of the measurements: synthetic images as large as HPA's, and labels like those of its train table."""

from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.progress import track
from comp.images.cache import Cache
from comp.images.cache_sources import CacheContent
from comp.images.cache_writer import fill_cache
from comp.images.problems import Files
from comp.practice.catalogue import STRUCTURES, label_sets
from comp.practice.draw import draw_field
from comp.practice.tables import PracticeSpec, draw_tables
from comp.practice.writer import CHANNELS, scene

ROWS = 31_072  # images of HPA's train table
IMAGES = 48  # more rows repeat these images
PIXELS = 512


def synthetic_images(folder: Path, size: int = PIXELS, count: int = IMAGES) -> list[list[Path]]:
    """The four PNGs of each synthetic image; they are drawn if the folder is missing."""
    folder = folder / f"images-{size}"
    paths = [[folder / f"{number}_{channel}.png" for channel in CHANNELS] for number in range(count)]
    if not folder.exists():
        folder.mkdir(parents=True)
        rows = draw_tables(PracticeSpec()).head(count).to_dict("records")
        for row, files in zip(track(rows, "drawing images", count, "image"), paths, strict=True):
            for path, channel in zip(files, np.moveaxis(draw_field(scene(row), size).image, -1, 0), strict=True):
                path.write_bytes(cv2.imencode(".png", np.ascontiguousarray(channel))[1].tobytes())
    return paths


def repeated(images: Sequence[Sequence[Path]], rows: int) -> Files:
    """The files of `rows` ids."""
    return {f"{row:08d}": images[row % len(images)] for row in range(rows)}


def filled(folder: Path, files: Files, size: int) -> Cache:
    """The filled cache. No progress bar is shown, because the measurements have their own."""
    with redirect_stderr(StringIO()):
        return fill_cache(folder, CacheContent(files, size, CHANNELS), "make bench", lambda _: None)


def label_table(rows: int = ROWS) -> NDArray[np.bool_]:
    """Labels (rows, 28): the label sets counted on 93 % of HPA's rows, each as often as there, and more with the same probabilities."""
    generator = np.random.default_rng(0)
    counted = label_sets()
    sets, counts = list(counted), np.array(list(counted.values()))
    every = np.concatenate([np.repeat(np.arange(len(sets)), counts), generator.choice(len(sets), rows, p=counts / counts.sum())])
    table = np.zeros((rows, len(STRUCTURES)), bool)
    for row, chosen in enumerate(generator.permutation(every[:rows])):
        table[row, list(sets[chosen])] = True
    return table
