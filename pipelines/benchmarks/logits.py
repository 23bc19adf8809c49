"""Logits of drawn models, alike in skill, whose errors are partly shared."""

import numpy as np

from comp.folds import assign
from comp.rows import Rows
from pipelines.benchmarks.inputs import ROWS, label_table

FOLDS = 5
SHARED = 0.7  # share of the error variance that all models have in common


def drawn_rows(models: int, rows: int = ROWS) -> Rows:
    """Labelled rows in five folds, each a group of its own; at most `ROWS`."""
    labels = label_table()[:rows]  # its rows are shuffled, but a shorter table would hold the most frequent label sets alone
    prior = np.log(labels.mean(axis=0) + 1e-5)
    rng = np.random.default_rng(1)
    shared = np.sqrt(SHARED) * rng.standard_normal(labels.shape)
    logits = np.empty((models, *labels.shape), np.float32)
    for number in range(models):
        own = np.sqrt(1 - SHARED) * rng.standard_normal(labels.shape)
        logits[number] = 1.5 * (shared + own) + (3.5 - 0.1 * number) * labels + prior
    folds = assign([f"{row:08d}" for row in range(rows)], labels, count=FOLDS).fold
    return Rows(logits, tuple(f"model-{number}" for number in range(models)), folds, np.arange(rows), labels)
