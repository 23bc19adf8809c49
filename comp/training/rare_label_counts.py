"""Label counts of a fold's training images before and after copies of rare labels."""

from dataclasses import dataclass

import numpy as np

from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.experiments.experiment import NetworkExperiment, RareLabels
from comp.competition.tables import read_train
from comp.folds.competition_folds import ensure_folds
from comp.folds.near_duplicates import ensure_extra_duplicates, read_extra_duplicates
from comp.images.label_counts import LabelCounts
from comp.training.fold_inputs import columns_of, extra_rows_of
from comp.training.trainer import rare_copies


@dataclass(frozen=True, eq=False)
class FoldCounts:
    """Label counts, and how many training images and copies a fold has."""

    labels: LabelCounts
    images: int
    copies: int


def count_labels(competition: Competition, paths: Paths, experiment: NetworkExperiment, rare: RareLabels, fold: int) -> FoldCounts:
    """The counts of the classes that the experiment predicts, its extra rows included; `rare` are its settings."""
    ids, labels = read_train(competition, paths)
    folds = ensure_folds(competition, paths).in_order(ids)
    columns = columns_of(competition, experiment, labels)
    labels = labels[folds.trained_on(fold)]
    if experiment.extra:
        ensure_extra_duplicates(competition, paths, experiment.extra)
        near = read_extra_duplicates(paths, experiment.extra)
        extra = extra_rows_of(competition, paths, experiment.extra, folds, fold, near)
        labels = np.concatenate([labels, extra.table.labels[extra.rows]])
    labels = labels[:, columns]
    added = rare_copies(rare, labels, (experiment.seed, fold))
    names = tuple(competition.classes[column] for column in columns)
    return FoldCounts(LabelCounts(names, labels.sum(axis=0), labels[added].sum(axis=0), rare.below), len(labels), len(added))
