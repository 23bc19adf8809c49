"""Scores of drawn channels, by networks and by the baselines, fitted on the same training images."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.base.progress import LogBar
from comp.folds.fold_map import FoldMap
from comp.images.input_channels import Images, InputChannels
from comp.images.pixel_moments import PixelMoments, pixel_moments
from comp.imputation.baselines import copied, regressed
from comp.inference.channel_generator import ChannelGenerator, Draws
from comp.metrics.pixel_correlation import pixel_correlation
from comp.metrics.psnr import psnr
from comp.metrics.ssim import ssim

MEASURES = {"psnr": psnr, "ssim": ssim, "correlation": pixel_correlation}
METHODS = ("generator", "copying", "regression")
MOST = 400  # scored images of a fold
AT_ONCE = 32  # images


@dataclass(frozen=True)
class Question:
    """Which channels are given, and which one of the others is scored: (C,) and a number.

    Attributes:
        name: what a table calls the given channels.
    """

    name: str
    given: NDArray[np.bool_]
    drawn: tuple[int, ...]


def questions(channels: tuple[str, ...]) -> list[Question]:
    """All other channels are given, for each channel; and each channel alone, for all others; of two channels both are the same."""
    count = len(channels)
    alone = np.eye(count, dtype=bool)
    others = [Question("all others", ~alone[column], (column,)) for column in range(count)] if count > 2 else []
    return others + [
        Question(name, alone[column], tuple(other for other in range(count) if other != column)) for column, name in enumerate(channels)
    ]


def held_out_scores(folds: FoldMap, generators: dict[int, ChannelGenerator], images: Images) -> pd.DataFrame:
    """Scores of up to 400 evenly spaced held-out images of each fold, by its network.

    Args:
        folds: rows as in `images`.
        images: (N, H, W, C).

    Returns:
        As `image_scores`.
    """
    ids, groups = np.array(folds.ids), np.array(folds.group)
    tables = []
    for fold, generator in generators.items():
        rows = _evenly(np.flatnonzero(folds.fold == fold))
        moments = pixel_moments(images, all_channels(images), folds.trained_on(fold))
        tables.append(image_scores(images, rows, generator, moments).assign(fold=fold))
    scores = pd.concat(tables, ignore_index=True)
    return scores.assign(id=ids[scores["row"]], group=groups[scores["row"]])


def image_scores(images: Images, rows: NDArray[np.int64], generator: Draws, moments: PixelMoments) -> pd.DataFrame:
    """Scores of rows of images (N, H, W, C). Black channels have none.

    Args:
        moments: of the images that the network was trained on, for the baselines.

    Returns:
        A line for each image, question, drawn channel and method: row, given, drawn, method, psnr (in dB), ssim, correlation.
    """
    asked = questions(generator.channels)
    tables: list[pd.DataFrame] = []
    with LogBar(desc="drawing", total=len(rows) * len(asked), unit="img", leave=False) as bar:
        for start, question in product(range(0, len(rows), AT_ONCE), asked):
            some = rows[start : start + AT_ONCE]
            tables += [table.assign(row=some) for table in _scores(images[some], question, generator, moments)]
            bar.update(len(some))
    return pd.concat(tables, ignore_index=True).dropna()


def all_channels(images: Images) -> InputChannels:
    return InputChannels(tuple(range(images.shape[-1])))


def _scores(truth: NDArray[np.uint8], question: Question, generator: Draws, moments: PixelMoments) -> Iterator[pd.DataFrame]:
    """A table for each drawn channel and method, with a row for each image; the scores of black channels are NaN."""
    methods = {
        "generator": generator(truth, question.given),
        "copying": copied(truth, question.given, moments),
        "regression": regressed(truth, question.given, moments),
    }
    for column, (method, drawn) in product(question.drawn, methods.items()):
        pair = truth[..., column], drawn[..., column]
        lit = truth[..., column].any(axis=(1, 2))
        scores = {name: np.where(lit, measure(*pair), np.nan) for name, measure in MEASURES.items()}
        yield pd.DataFrame({"given": question.name, "drawn": generator.channels[column], "method": method, **scores})


def _evenly(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(MOST, len(rows))).astype(int))]
