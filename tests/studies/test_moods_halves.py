"""On real predictions in groups of very unequal size, the interval for a test set holds the score on the rows of the other groups."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from comp.competition.competition import FoldPlan
from comp.competition.labels import LabelSpace
from comp.folds.assignment import assign_folds
from comp.metrics.logits import logit
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.evaluation import evaluate
from comp.stacking.expectation import expect, has_few_groups, random_parts, score_of_halves
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe

MOODS = Path(os.environ.get("HPA_SHARED", "nowhere")) / "moods"
CLASSES = 56
RECIPE = Recipe(
    blenders=({"name": "mean"}, {"name": "greedy", "steps": 4, "metric": "log_loss"}), thresholds=({"name": "exact"},), bootstraps=200
)


@dataclass(frozen=True)
class Size:
    """How many times the artists are halved; each half is evaluated and predicts the score of the other one."""

    splits: int
    least: float
    most: float


SMALL = Size(splits=2, least=0.75, most=1.0)
WHOLE = Size(splits=20, least=0.90, most=0.98)


@pytest.fixture(scope="module")
def moods() -> PredictionSet:
    """All labelled tracks, their groups the artists; in no fold."""
    if not MOODS.is_dir():
        pytest.skip("HPA_SHARED is not set: no real predictions in unequal groups")
    table = pd.read_csv(MOODS / "train.csv", dtype=str, keep_default_na=False)
    artists = pd.read_csv(MOODS / "artists.csv").set_index("Id").artist[table.Id]
    space = LabelSpace.numbered([str(number) for number in range(CLASSES)])
    files = {path.parent.name: np.load(path) for path in sorted((MOODS / "predictions").glob("*/val.npy"))}
    logits = np.array([values if name.endswith("-scores") else logit(values.astype(float)) for name, values in files.items()], np.float32)
    labels = space.multi_hot(tuple(table.Target), tuple(table.Id), "train.csv")
    return PredictionSet(logits, tuple(files), np.full(len(table), -1, np.int8), pd.factorize(artists)[0], labels)


def with_folds(rows: PredictionSet, seed: int) -> PredictionSet:
    ids = [f"{number:05d}" for number in range(len(rows))]
    folds = assign_folds(ids, rows.known_labels, FoldPlan(seed=seed), groups=[str(group) for group in rows.groups])
    return replace(rows, folds=folds.fold)


@pytest.mark.parametrize("size", [pytest.param(SMALL, id="small"), pytest.param(WHOLE, id="whole", marks=pytest.mark.study)])
def test_the_interval_holds_the_score_on_other_artists(moods: PredictionSet, size: Size) -> None:
    held, held_by_mean, gaps = [], [], []
    for seed in range(size.splits):
        part = random_parts(moods.groups, 2, np.random.default_rng(seed))
        for number in range(2):
            own, others = with_folds(moods.take(part == number), seed), moods.take(part != number)
            assert has_few_groups(own.groups)
            evaluation = evaluate(own, RECIPE)
            score = expect(evaluation, own, len(others), RECIPE, score_of_halves(own, RECIPE)).score
            truth = macro_f1(others.known_labels, evaluation.stack.decide(evaluation.stack.blended(others))[0])
            (low, high), (mean_low, mean_high) = score.interval, evaluation.nested.interval
            held.append(low <= truth <= high)
            held_by_mean.append(mean_low <= truth <= mean_high)
            gaps.append(score.value - truth)
    line = f"{np.mean(held):.3f} of {len(held)} scores held ({np.mean(held_by_mean):.3f} by the interval of the nested score), "
    line += f"expected - score {np.mean(gaps):+.4f} +- {np.std(gaps, ddof=1) / len(gaps) ** 0.5:.4f}"
    print(line)
    assert size.least <= np.mean(held) <= size.most, line
    assert np.mean(held_by_mean) < np.mean(held), line
