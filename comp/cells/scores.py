"""How well a segmenter does on images with true masks, next to thresholds and watersheds without a network."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comp.cells.labelled_fields import LabelledImage
from comp.cells.segmenter import Masks
from comp.metrics.object_matching import match

Channels = Mapping[str, NDArray[np.generic]]
COARSE, FINE = 0.5, 0.7  # IoU at which the average precision and the F1 are given
HEADING = ["", "images", "AP at IoU 0.5", "F1 at IoU 0.7", "counted"]


@dataclass(frozen=True)
class Score:
    """Of one image: average precision at IoU 0.5, F1 at IoU 0.7, and how many objects were counted and are there."""

    average_precision: float
    f1: float
    counted: int
    true: int

    @classmethod
    def of(cls, truth: NDArray[np.integer], found: NDArray[np.integer]) -> "Score":
        coarse, fine = match(truth, found, COARSE), match(truth, found, FINE)
        true = coarse.true_positives + coarse.false_negatives
        return cls(coarse.average_precision, fine.f1, coarse.true_positives + coarse.false_positives, true)


def score_images(
    images: Iterable[LabelledImage], stains: Mapping[str, str], segment: Callable[[Channels], Masks]
) -> dict[str, list[Score]]:
    """The scores of each image: "nuclei", and "cells" for the images whose cells are known."""
    scores: dict[str, list[Score]] = {"nuclei": [], "cells": []}
    for image in images:
        channels, nuclei, cells = image.read(stains)
        masks = segment(channels)
        scores["nuclei"].append(Score.of(nuclei, masks.nuclei))
        if cells is not None and masks.cells is not None:
            scores["cells"].append(Score.of(cells, masks.cells))
    return scores


def row(name: str, scores: Sequence[Score]) -> list[str]:
    """A line of the table: means over images, with standard errors."""
    values = np.array([(score.average_precision, score.f1) for score in scores])
    error = values.std(axis=0, ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.zeros(2)
    means = [f"{mean:.3f} +- {each:.3f}" for mean, each in zip(values.mean(axis=0), error, strict=True)]
    counted, true = sum(score.counted for score in scores), sum(score.true for score in scores)
    return [name, str(len(scores)), *means, f"{counted:,} for {true:,}"]
