"""How well neighbours predict held-out images: their logits, and a table of mean average precision with other models."""

import numpy as np
from numpy.typing import NDArray

from comp.base.text_table import aligned
from comp.competition.experiments.embedding_experiment import VoteSettings
from comp.competition.labels import label_priors
from comp.metrics.average_precision import AveragePrecisionBootstrap
from comp.metrics.bootstrap import Scored
from comp.neighbours.nearest import Nearest
from comp.neighbours.votes import vote
from comp.predictions.task import Task

RARE = 20  # classes with fewer images are rare in this table
DRAWS = 200  # of the bootstrap


def held_out_logits(task: Task, rows: NDArray[np.int64], found: Nearest, settings: VoteSettings) -> NDArray[np.floating]:
    """(n, C) logits for held-out rows by the votes of their neighbours. The prior is the class shares in the other folds."""
    logits = np.empty((len(rows), len(task.classes)))
    for fold in range(task.folds.count):
        own = task.folds.fold[rows] == fold
        prior = label_priors(task.labels[task.folds.trained_on(fold)])
        logits[own] = vote(Nearest(found.places[own], found.similarity[own]), task.labels, prior, settings)
    return logits


def score_table(task: Task, rows: NDArray[np.int64], predicted: dict[str, NDArray[np.floating]]) -> str:
    """Mean average precision of each model on rows of known and of new groups, and the gain of the first model over each other one.

    Args:
        rows: (n,) held-out rows.
        predicted: model -> (n, C) logits.
    """
    known, labels = task.folds.known()[rows], task.labels
    groups = np.unique(np.array(task.folds.group)[rows], return_inverse=True)[1]
    rare = np.flatnonzero(labels.sum(axis=0) < RARE)
    subsets = {f"known ({known.sum()})": known, f"new ({(~known).sum()})": ~known, f"all ({len(rows)})": np.ones(len(rows), bool)}
    columns = {"all classes": np.arange(labels.shape[1]), f"{len(rare)} classes with fewer than {RARE} images": rare}
    lines = [["mean average precision", *subsets]]
    for title, some in columns.items():
        found: dict[str, list[Scored | None]] = {model: [] for model in predicted}
        for subset in subsets.values():
            if not labels[rows[subset]][:, some].any():
                for scores in found.values():
                    scores.append(None)
                continue
            bootstrap = AveragePrecisionBootstrap(labels[rows[subset]][:, some], groups[subset], DRAWS, seed=0)
            for model, logits in predicted.items():
                found[model].append(bootstrap.score(logits[subset][:, some]))
        lines.append([title, *[""] * len(subsets)])
        first, *others = found
        lines += [[f"  {model}", *map(_cell, scores)] for model, scores in found.items()]
        lines += [[f"  {first} minus {other}", *map(_gain, found[first], found[other])] for other in others]
    notes = [
        "each column: the mean over the classes with images in that column; +-: standard error over groups",
        "known: another fold has images of the same antibody (group)",
    ]
    return "\n".join([*aligned(lines), *notes])


def _cell(scored: Scored | None) -> str:
    return f"{scored.estimate:.4f}" if scored else "-"


def _gain(one: Scored | None, other: Scored | None) -> str:
    return f"{one.gain_over(other):+.4f}" if one and other else "-"
