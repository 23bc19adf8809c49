"""Filling the missing and black channels of the images in a folder: PNG files, and a table that marks them as imputed."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.base.errors import DataError, PredictionError
from comp.base.files import atomic_folder, write_text
from comp.base.progress import track
from comp.competition.file_finder import ANY_FOLDERS, fill
from comp.competition.ids import KnownIds, shorten
from comp.folds.fold_map import HOLDOUT
from comp.images.problems import Files
from comp.imputation.gaps import TABLE, PartialImage, images_with_gaps, read_partial
from comp.inference.channel_generator import ChannelGenerator, MeanGenerator


@dataclass(frozen=True, eq=False)
class Painters:
    """The networks of a model, by fold.

    Attributes:
        competition, model: their names.
        held_out: id of an image of the competition -> the fold that holds it out.
    """

    competition: str
    model: str
    generators: Mapping[int, ChannelGenerator]
    held_out: Mapping[str, int]

    @cached_property
    def _known(self) -> KnownIds:
        return KnownIds(self.held_out)

    def of(self, image_id: str) -> dict[int, ChannelGenerator]:
        """The networks that draw an image: the one that never saw it, if the competition has it in a fold, else all.

        Args:
            image_id: in any Unicode form, with any folders before it (see `KnownIds`).

        Raises:
            DataError: it may be one of several images, which differ in their folds.
            PredictionError: the one that never saw it is not trained.
        """
        known = self._known.of(image_id)
        folds = {self.held_out[each] for each in known} - {HOLDOUT}
        if not folds:
            return dict(self.generators)
        if len(folds) > 1:
            what = f"{shorten(image_id)} may be any of {len(known)} train images of several folds, such as {shorten(known[0])}"
            raise DataError(what, "let DATA be the folder in which the ids of the train table begin")
        (fold,) = folds
        if fold not in self.generators:
            what = f"{shorten(image_id)} is drawn by fold {fold} of {self.model}, which never saw it and is not trained"
            raise PredictionError(what, f"type: make fold-{fold} COMP={self.competition} MODEL={self.model}")
        return {fold: self.generators[fold]}


def fill_folder(painters: Painters, files: Files, pattern: str, out: Path, report: Path) -> pd.DataFrame:
    """Draw every channel that lacks, into a new folder; no file that is there is changed.

    Args:
        files: of each image; files may be missing.
        pattern: of the names of the files.
        report: the CSV that lists images that cannot be used, if there are any.

    Returns:
        The table that is written as imputed.csv, a row for each file: id, channel, why ("missing" or "black"), given, model, folds, file.

    Raises:
        DataError: the folder holds files already, or images cannot be used or told apart; nothing is written.
        PredictionError: the network that never saw an image is not trained; nothing is written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists", "remove it, or choose another OUT: drawn channels go to a folder of their own")
    first = next(iter(painters.generators.values()))
    ids = images_with_gaps(files, len(first.channels), first.levels, report)
    if not ids:
        return pd.DataFrame()
    networks_of = {image_id: painters.of(image_id) for image_id in ids}
    with atomic_folder(out.resolve()) as folder:
        rows = []
        for image_id in track(ids, "drawing", unit="img"):
            image = read_partial(files[image_id], len(first.channels), first.levels)
            networks = networks_of[image_id]
            drawn = draw(image, list(networks.values()))
            known = {"given": "+".join(np.array(first.channels)[image.given]), "model": painters.model}
            for column, why in image.lacking.items():
                channel = first.channels[column]
                file = name_of(pattern, image_id, channel)
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(cv2.imencode(".png", drawn[..., column])[1].tobytes())
                rows.append(
                    {"id": image_id, "channel": channel, "why": why, **known, "folds": "+".join(map(str, networks)), "file": str(file)}
                )
        table = pd.DataFrame(rows)
        write_text(folder / TABLE, table.to_csv(index=False))
    return table


def draw(image: PartialImage, generators: Sequence[ChannelGenerator]) -> NDArray[np.uint8]:
    """(H, W, C) the image with its lacking channels drawn, the mean over networks.

    It is drawn with as many pixels as the images of training had, its shape kept, and brought back to its own size.
    """
    height, width, _ = image.pixels.shape
    scale = generators[0].size / math.sqrt(height * width)
    shape = max(round(width * scale), 1), max(round(height * scale), 1)
    small = np.dstack(list(_resized(image.pixels, shape)))
    drawn = MeanGenerator(generators)(small[None], image.given)[0]
    full = np.dstack(list(_resized(drawn, (width, height))))
    return np.where(image.given, image.pixels, full)


def name_of(pattern: str, image_id: str, channel: str) -> Path:
    """The file of a drawn channel, below the new folder: as the pattern says, as PNG, without folders that it leaves open."""
    stem = os.path.splitext(pattern.removeprefix(ANY_FOLDERS))[0]  # ".*" counts as an ending
    return Path(fill(stem if "{channel}" in stem else f"{stem}_{{channel}}", image_id, channel) + ".png")


def _resized(pixels: NDArray[np.uint8], shape: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """The channels of (H, W, C) at another (width, height): means over areas when shrinking, linear interpolation when enlarging."""
    way = cv2.INTER_AREA if shape[0] <= pixels.shape[1] else cv2.INTER_LINEAR
    for channel in np.moveaxis(pixels, -1, 0):
        yield np.asarray(cv2.resize(np.ascontiguousarray(channel), shape, interpolation=way), np.uint8)
