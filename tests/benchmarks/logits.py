"""Synthetic logits of models of similar skill, with partly shared errors."""

import numpy as np

from comp.competition.competition import FoldPlan
from comp.folds.assignment import assign_folds
from comp.stacking.prediction_set import PredictionSet
from tests.benchmarks.inputs import ROWS, label_table

FOLDS = 5
SHARED = 0.7  # share of the error variance that is common to all models


def synthetic_predictions(models: int, rows: int = ROWS) -> PredictionSet:
    """At most `ROWS` labelled rows in five folds; each row is a group of its own."""
    labels = label_table()[:rows]  # a table made shorter would hold only the most frequent label sets; these rows are shuffled
    prior = np.log(labels.mean(axis=0) + 1e-5)
    rng = np.random.default_rng(1)
    shared = np.sqrt(SHARED) * rng.standard_normal(labels.shape)
    logits = np.empty((models, *labels.shape), np.float32)
    for number in range(models):
        own = np.sqrt(1 - SHARED) * rng.standard_normal(labels.shape)
        logits[number] = 1.5 * (shared + own) + (3.5 - 0.1 * number) * labels + prior
    folds = assign_folds([f"{row:08d}" for row in range(rows)], labels, FoldPlan(count=FOLDS)).fold
    return PredictionSet(logits, tuple(f"model-{number}" for number in range(models)), folds, np.arange(rows), labels)
