"""What the article's systems score here: at its threshold and at tuned ones, in the folds and on the hold-out."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comp import parts
from comp.files import hash_file
from comp.fold_means import matched
from comp.folds import HOLDOUT
from comp.members import Task
from comp.predictions import Predictions, mean_of_folds, read_predictions
from comp.proof import dealt_anew
from comp.resampling import Estimate, GroupBootstrap
from comp.rows import Rows
from pipelines.score import best_constant

PARTS = 5  # in which the rows of a single fold are dealt, so that thresholds can be tuned on others
RULE = parts.build("thresholds", {"name": "bagged"})
DRAWS = 1000


@dataclass(frozen=True)
class Scores:
    """One system's.

    Attributes:
        classes: how many labels it is scored over.
        weights: where the first weights came from.
        constant: macro F1 of the best answer that is the same for all images, in folds.
        half, tuned: macro F1 of out-of-fold predictions.
        held_half, held_tuned: of the hold-out; None where there is none.
        rows, held_rows: how many images that is.
        train_images: how many images each fold was trained on, copies not counted; the mean over the folds.
        seconds: of training and predicting all folds.
        files: content hash of each prediction file read, by name.
    """

    classes: int
    size: int
    lr: float
    epochs: int
    weights: str
    constant: float
    half: Estimate
    tuned: Estimate
    held_half: Estimate | None
    held_tuned: Estimate | None
    rows: int
    held_rows: int
    train_images: int
    seconds: float
    files: dict[str, str]


def score(task: Task, model: str, folds: Iterable[int]) -> Scores:
    """Scores of a model that is complete in these folds.

    Raises:
        PredictionError: a file is missing or damaged.
    """
    paths, folds = task.paths, list(folds)
    files = [paths.fold_predictions(model, fold) for fold in folds]
    predicted = [read_predictions(file) for file in files]
    rows, weights = joined(task, predicted), predicted[0].provenance.weights or ""
    tuned = tuned_across(rows if len(folds) > 1 else dealt_anew(rows, PARTS, seed=0))
    half, at_tuned = (bootstrap_of(rows).score(each).estimate for each in (rows.logits[0] > 0, tuned))
    held = [paths.holdout_predictions(model, fold) for fold in folds]
    held_rows = int((task.folds.fold == HOLDOUT).sum())
    held_half, held_tuned = None, None
    if held_rows:
        held_half, held_tuned = score_holdout(task, rows, [read_predictions(file) for file in held])
        files += held
    records = [json.loads(paths.run_record(model, fold).read_text()) for fold in folds]
    made = records[0]["experiment"]
    return Scores(
        rows.logits.shape[2], made["size"], made["train"]["lr"], made["train"]["epochs"], weights, best_constant(rows.known_labels),
        half, at_tuned, held_half, held_tuned, len(rows), held_rows,
        round(float(np.mean([record["train_images"] for record in records]))), sum(record["seconds"] for record in records),
        {file.name: hash_file(file) for file in files},
    )  # fmt: skip


def tuned_across(rows: Rows) -> NDArray[np.bool_]:
    """Decisions (N, C), those about each fold at thresholds fitted to the others; unlike in a submission, rows may stay empty."""
    decisions = np.empty(rows.logits.shape[1:], bool)
    for fold in np.unique(rows.folds):
        own = rows.folds == fold
        decisions[own] = rows.logits[0, own] >= RULE.fit(rows.take(~own))
    return decisions


def score_holdout(task: Task, rows: Rows, each: Sequence[Predictions]) -> tuple[Estimate, Estimate]:
    """Macro F1 of the mean over the folds' networks, at 0.5 and at thresholds fitted to all `rows` in folds, moved for means."""
    held = joined(task, [mean_of_folds(each, each[0].ids)])
    singles = [one.aligned(each[0].ids) for one in each]
    thresholds = matched(RULE.fit(rows), singles, held.logits[0])
    bootstrap = bootstrap_of(held)
    return bootstrap.score(held.logits[0] > 0).estimate, bootstrap.score(held.logits[0] >= thresholds).estimate


def bootstrap_of(rows: Rows) -> GroupBootstrap:
    return GroupBootstrap(rows.known_labels, rows.groups, DRAWS, seed=0)


def joined(task: Task, each: Sequence[Predictions]) -> Rows:
    """The images of several prediction files with their labels, those of the classes that the model knows."""
    place = {image_id: row for row, image_id in enumerate(task.folds.ids)}
    rows = [place[image_id] for one in each for image_id in one.ids]
    made = each[0].provenance
    columns = [task.classes.names.index(name) for name in made.classes]
    groups = np.unique(np.array(task.folds.group)[rows], return_inverse=True)[1]
    logits = np.concatenate([one.logits for one in each])[None]
    return Rows(logits, (made.model,), np.concatenate([one.fold for one in each]), groups, task.labels[rows][:, columns])
