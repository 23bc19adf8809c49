"""Scores of the article's systems: at threshold 0.5 and at tuned thresholds, out of fold and on the hold-out."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.base.files import hash_file, read_text, write_json
from comp.base.progress import say
from comp.folds.fold_map import HOLDOUT
from comp.metrics.bootstrap import Estimate, GroupBootstrap
from comp.metrics.macro_f1 import best_constant
from comp.predictions.prediction_file import Predictions, mean_of_folds, read_predictions
from comp.predictions.task import Task
from comp.stacking.article_record import read_record
from comp.stacking.averaged_folds import matched
from comp.stacking.evaluation import split_again
from comp.stacking.prediction_set import PredictionSet

SPLITS = 5  # of the images of a single fold, so that thresholds are tuned on other images than those they decide about
RULE = registry.build("thresholds", {"name": "bagged"})
DRAWS = 1000  # of the bootstrap


@dataclass(frozen=True)
class Scores:
    """The scores of one system, macro F1 over its labels, and what it was trained with.

    Attributes:
        classes: how many labels it predicts.
        size: pixels of an image.
        initial_weights: where the initial weights of the network came from.
        constant: the best score of giving all images of the folds the same labels.
        at_half, tuned: of out-of-fold predictions, at threshold 0.5 and at tuned thresholds.
        holdout_at_half, holdout_tuned: the same on the hold-out; None if there is none.
        images, holdout_images: how many images the scores are of.
        train_images: how many images each fold was trained on, copies not counted; the mean over the folds.
        seconds: for training and predicting all folds.
        files: content hash of each prediction file read, by name.
    """

    classes: int
    size: int
    lr: float
    epochs: int
    initial_weights: str
    constant: float
    at_half: Estimate
    tuned: Estimate
    holdout_at_half: Estimate | None
    holdout_tuned: Estimate | None
    images: int
    holdout_images: int
    train_images: int
    seconds: float
    files: dict[str, str]


def score(task: Task, model: str, folds: Iterable[int]) -> Scores:
    """The scores of a model that is complete in these folds.

    Raises:
        PredictionError: a file is missing or damaged.
    """
    paths, folds = task.paths, list(folds)
    files = [paths.fold_predictions(model, fold) for fold in folds]
    by_fold = [read_predictions(file) for file in files]
    predictions = joined(task, by_fold)
    decisions = tuned_across(predictions if len(folds) > 1 else split_again(predictions, SPLITS, seed=0))
    at_half, tuned = (bootstrap_of(predictions).score(each).estimate for each in (predictions.logits[0] > 0, decisions))
    holdout_images = int((task.folds.fold == HOLDOUT).sum())
    holdout_at_half, holdout_tuned = None, None
    if holdout_images:
        holdout_files = [paths.holdout_predictions(model, fold) for fold in folds]
        holdout_at_half, holdout_tuned = score_holdout(task, predictions, [read_predictions(file) for file in holdout_files])
        files += holdout_files
    records = [read_record(paths, model, fold) for fold in folds]
    made = records[0].experiment
    return Scores(
        classes=predictions.logits.shape[2],
        size=made.size,
        lr=made.train.lr,
        epochs=made.train.epochs,
        initial_weights=by_fold[0].provenance.initial_weights or "",
        constant=best_constant(predictions.known_labels),
        at_half=at_half,
        tuned=tuned,
        holdout_at_half=holdout_at_half,
        holdout_tuned=holdout_tuned,
        images=len(predictions),
        holdout_images=holdout_images,
        train_images=round(float(np.mean([record.train_images for record in records]))),
        seconds=sum(record.seconds for record in records),
        files={file.name: hash_file(file) for file in files},
    )


def tuned_across(predictions: PredictionSet) -> NDArray[np.bool_]:
    """(N, C) decisions about each fold, at thresholds fitted to the other folds. Unlike in a submission, rows may stay without a label."""
    decisions = np.empty(predictions.logits.shape[1:], bool)
    for fold in np.unique(predictions.folds):
        own = predictions.folds == fold
        decisions[own] = predictions.logits[0, own] >= RULE.fit(predictions.take(~own))
    return decisions


def score_holdout(task: Task, labelled: PredictionSet, by_fold: Sequence[Predictions]) -> tuple[Estimate, Estimate]:
    """Macro F1 on the hold-out of the mean over the folds' networks, at 0.5 and at tuned thresholds.

    The thresholds are fitted to out-of-fold predictions, then shifted to fit means over folds (see `comp.stacking.averaged_folds`).

    Args:
        labelled: out-of-fold predictions of the images in folds.
        by_fold: predictions of the hold-out by each fold's network.
    """
    holdout = joined(task, [mean_of_folds(by_fold, by_fold[0].ids)])
    singles = [one.aligned(by_fold[0].ids) for one in by_fold]
    thresholds = matched(RULE.fit(labelled), singles, holdout.logits[0])
    bootstrap = bootstrap_of(holdout)
    return bootstrap.score(holdout.logits[0] > 0).estimate, bootstrap.score(holdout.logits[0] >= thresholds).estimate


def bootstrap_of(predictions: PredictionSet) -> GroupBootstrap:
    return GroupBootstrap(predictions.known_labels, predictions.groups, DRAWS, seed=0)


def joined(task: Task, files: Sequence[Predictions]) -> PredictionSet:
    """The images of several prediction files of one model, with their labels of the classes that it predicts."""
    place = {image_id: row for row, image_id in enumerate(task.folds.ids)}
    rows = [place[image_id] for file in files for image_id in file.ids]
    made = files[0].provenance
    columns = [task.classes.names.index(name) for name in made.classes]
    groups = np.unique(np.array(task.folds.group)[rows], return_inverse=True)[1]
    logits = np.concatenate([file.logits for file in files])[None]
    return PredictionSet(logits, (made.model,), np.concatenate([file.fold for file in files]), groups, task.labels[rows][:, columns])


def write_scores(path: Path, scores: Mapping[str, Scores]) -> None:
    """Write the scores as JSON, by model. Warn first if the file holds hold-out scores of other predictions.

    Whoever picks the better of several hold-out scores tunes on the hold-out.
    """
    try:
        before = {model: one["files"] for model, one in json.loads(read_text(path)).items()} if path.exists() else {}
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        say(f"note: {path} cannot be read and will be replaced")
        before = {}
    changed = [model for model, now in scores.items() if model in before and now.holdout_images and before[model] != now.files]
    if changed:
        say(
            f"note: the hold-out was scored before with other predictions of {', '.join(changed)}; picking the better ones would tune on it"
        )
    write_json(path, {model: asdict(one) for model, one in scores.items()})
