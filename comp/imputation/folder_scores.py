"""Scores of drawn channels of the images in a folder, by the mean of all networks of a model."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.base.files import working_folder
from comp.competition.competition import Images as ImageFiles
from comp.folds.fold_map import HOLDOUT, FoldMap
from comp.images.input_channels import Images
from comp.images.memory_maps import read_into_maps
from comp.images.pixel_moments import pixel_moments
from comp.imputation.gaps import partial_files
from comp.imputation.held_out_scores import all_channels, image_scores
from comp.inference.channel_generator import ChannelGenerator, MeanGenerator


def read_folder(folder: Path, images: ImageFiles, size: int, report: Path) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """The ids and the images (N, size, size, C) of a folder.

    Args:
        report: the CSV that lists images that cannot be used, if there are any.

    Raises:
        DataError: there is no such folder or no image in it, or files are missing or unreadable.
    """
    files = partial_files(folder, images, str(folder))
    with working_folder(report) as place:
        path = read_into_maps(place, files, len(images.channels), [size], images.levels, report)[size]
        return tuple(files), np.fromfile(path, np.uint8).reshape(len(files), size, size, len(images.channels))


def folder_scores(
    ids: tuple[str, ...], images: NDArray[np.uint8], generators: Mapping[int, ChannelGenerator], folds: FoldMap, trained_on: Images
) -> pd.DataFrame:
    """Scores as `comp.imputation.held_out_scores.image_scores` gives them, each image a group of its own.

    Args:
        ids, images: as `read_folder` gives them.
        trained_on: the images of the fold map's rows, all of which but the hold-out the baselines are fitted on.
    """
    moments = pixel_moments(trained_on, all_channels(trained_on), np.flatnonzero(folds.fold != HOLDOUT))
    scores = image_scores(images, np.arange(len(ids)), MeanGenerator(list(generators.values())), moments)
    names = np.array(ids)[scores["row"]]
    return scores.assign(id=names, group=names)
