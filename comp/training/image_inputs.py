"""The images that an experiment's network sees: whole ones, or the crops of their cells."""

import importlib

from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.experiments.cell_experiment import CellExperiment
from comp.competition.experiments.experiment import NetworkExperiment
from comp.competition.image_cache import prepare_cache
from comp.images.cache import Cache
from comp.images.crops import CropCache


def prepare_images(
    competition: Competition, paths: Paths, split: str, experiment: NetworkExperiment, verify: bool = False
) -> Cache | CropCache:
    """The complete cache of a split ("train" or "test"), made if it is missing; row i is image i of the table.

    Args:
        verify: check the pixels of every row too; damaged rows are made again.

    Raises:
        ConfigError: cells are asked for, and the competition's channels do not show nuclei.
        DataError: image files are missing or unreadable.
    """
    if not isinstance(experiment, CellExperiment):
        return prepare_cache(competition, paths, split, experiment.size, verify)
    cells = importlib.import_module("comp.cells.competition_cells")  # it loads PyTorch
    found: CropCache = cells.prepare_crops(competition, paths, split, experiment.plan, verify)
    return found
