"""What the measurements work on: drawn images of the competition's size, and labels much like those of its train table."""

from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.data.cache import Cache
from comp.data.cache_filling import Files, fill_cache
from comp.practice.catalogue import STRUCTURES, label_sets
from comp.practice.draw import draw_field
from comp.practice.tables import PracticeSpec, draw_tables
from comp.practice.writer import CHANNELS, scene
from comp.progress import track

ROWS = 31_072  # images of the competition's train table
DRAWN = 48  # images; more rows repeat them
PIXELS = 512


def drawn_images(folder: Path, size: int = PIXELS, count: int = DRAWN) -> list[list[Path]]:
    """The four PNGs of each drawn image; they are drawn unless they lie there."""
    folder = folder / f"images-{size}"
    paths = [[folder / f"{number}_{channel}.png" for channel in CHANNELS] for number in range(count)]
    if not folder.exists():
        folder.mkdir(parents=True)
        rows = draw_tables(PracticeSpec()).head(count).to_dict("records")
        for row, files in zip(track(rows, "drawing images", count, "image"), paths, strict=True):
            for path, plane in zip(files, np.moveaxis(draw_field(scene(row), size).image, -1, 0), strict=True):
                path.write_bytes(cv2.imencode(".png", np.ascontiguousarray(plane))[1].tobytes())
    return paths


def repeated(images: Sequence[Sequence[Path]], rows: int) -> Files:
    """The files of `rows` ids."""
    return {f"{row:08d}": images[row % len(images)] for row in range(rows)}


def filled(folder: Path, files: Files, size: int) -> Cache:
    """The cache, filled without a bar on the terminal: measurements have their own."""
    with redirect_stderr(StringIO()):
        return fill_cache(folder, files, size, CHANNELS, "make bench", lambda _: None)


def label_table(rows: int = ROWS) -> NDArray[np.bool_]:
    """Labels (rows, 28): the counted label sets, 93 % of the competition's rows, each as often as there; then more at the same odds."""
    generator = np.random.default_rng(0)
    counted = label_sets()
    sets, counts = list(counted), np.array(list(counted.values()))
    every = np.concatenate([np.repeat(np.arange(len(sets)), counts), generator.choice(len(sets), rows, p=counts / counts.sum())])
    table = np.zeros((rows, len(STRUCTURES)), bool)
    for row, chosen in enumerate(generator.permutation(every[:rows])):
        table[row, list(sets[chosen])] = True
    return table
