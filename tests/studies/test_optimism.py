"""Over several practice competitions, the nested score is what the stack scores on fresh rows of the same distribution.

The tables are those of the practice competition, including label noise, faint wells and antibodies. Synthetic logits replace the
networks. Their errors are heavy-tailed and partly shared by the models and by the images of one antibody.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from comp.competition.competition import FoldPlan
from comp.competition.labels import LabelSpace
from comp.folds.assignment import assign_folds
from comp.metrics.macro_f1 import macro_f1
from comp.practice.tables import PracticeSpec, draw_tables
from comp.stacking.evaluation import evaluate
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe

SPACE = LabelSpace.numbered([str(number) for number in range(28)])
SKILL = {"large": 1.0, "medium": 0.85, "small": 0.7, "poor": 0.25}
RECIPE = Recipe(
    blenders=({"name": "mean"}, {"name": "best_single"}, {"name": "greedy", "steps": 6}),
    thresholds=({"name": "exact"}, {"name": "bagged"}),
    bootstraps=200,
)


@dataclass(frozen=True)
class Size:
    """How many competitions are measured, with how many networks each, and how far the mean nested score may be from the truth."""

    competitions: int
    networks: int
    limit: float


# At the small size the nested score differs from the truth by 0.006 (normal tails) and 0.014 (heavy tails). The limit of 0.02 catches
# candidates that are fitted on the rows they are scored on (0.046 and 0.059), and folds that split all antibodies, so that held-out
# rows have known antibodies more often than fresh rows (0.032 and 0.039).
SMALL = Size(competitions=4, networks=1, limit=0.02)
WHOLE = Size(competitions=10, networks=3, limit=0.01)


def draw(seed: int, tails: str, networks: int) -> list[tuple[PredictionSet, PredictionSet]]:
    """Predictions of a competition's train rows in folds, and of 4,000 fresh rows without label shift; one pair per network."""
    spec = PracticeSpec(train=1500, test=1, unshifted=4000, seed=seed)
    table = draw_tables(spec)
    table = table[table.usage.isin(["train", "unshifted"])].reset_index(drop=True)
    train = (table.usage == "train").to_numpy()
    true = SPACE.multi_hot([" ".join(map(str, labels)) for labels in table.labels], tuple(table.id), "true")
    published = SPACE.multi_hot(tuple(table.target), tuple(table.id), "published")
    originals = table.duplicate_of.where(table.duplicate_of != "", table.id)
    folds = assign_folds(
        tuple(table.id[train]),
        published[train],
        FoldPlan(split_groups=0.69, seed=seed),  # then held-out rows have a known antibody as often as fresh rows (0.60)
        groups=tuple(table.antibody[train]),
        components=tuple(originals[train]),
    )
    known = np.isin(table.antibody, table.antibody[train])
    known[train] = folds.known()
    antibodies = np.unique(table.antibody, return_inverse=True)[1]
    fold = np.full(len(table), -1, np.int8)
    fold[train] = folds.fold
    pairs = []
    for number in range(networks):
        logits = draw_logits(true, known, table.faint.to_numpy(), antibodies, tails, np.random.default_rng([seed, number]))
        predictions = PredictionSet(logits, tuple(SKILL), fold, antibodies, published)
        pairs.append((predictions.take(train), predictions.take(~train)))
    return pairs


def draw_logits(
    labels: np.ndarray, known: np.ndarray, faint: np.ndarray, antibodies: np.ndarray, tails: str, rng: np.random.Generator
) -> np.ndarray:
    """Logits (4, N, C): a signal by class and model, stronger for known antibodies and weaker in faint wells, and heavy-tailed errors."""

    def of_antibodies(scale: float) -> np.ndarray:
        shape = (antibodies.max() + 1, labels.shape[1])
        return scale * (rng.standard_t(4, shape) if tails == "heavy" else rng.normal(size=shape))[antibodies]

    def of_rows(scale: float) -> np.ndarray:
        return scale * rng.standard_t(4, labels.shape)

    frequency = labels.mean(axis=0)
    prior = 0.8 * np.log(frequency / (1 - frequency)) - 0.5
    signal = labels * rng.normal(3.2, 0.8, labels.shape[1]) * ((1 + 0.25 * known) * np.where(faint, 0.4, 1.0))[:, None]
    shared = prior + of_antibodies(0.7) + of_rows(0.5)
    logits = [skill * signal + shared + of_antibodies(0.5) + of_rows(0.6) for skill in SKILL.values()]
    return np.array(logits, np.float32)


@pytest.mark.parametrize("tails", ["normal", "heavy"])
@pytest.mark.parametrize("size", [pytest.param(SMALL, id="small"), pytest.param(WHOLE, id="whole", marks=pytest.mark.study)])
def test_nested_score_is_the_score_on_fresh_rows(size: Size, tails: str) -> None:
    gaps, claims, errors, inside = np.zeros((4, size.competitions, size.networks))
    for seed in range(size.competitions):
        for number, (train, fresh) in enumerate(draw(seed, tails, size.networks)):
            evaluation = evaluate(train, RECIPE)
            truth = macro_f1(fresh.known_labels, evaluation.stack.decide(evaluation.stack.blended(fresh))[0])
            low, high = evaluation.nested.interval
            gaps[seed, number] = evaluation.nested.value - truth
            claims[seed, number] = evaluation.in_sample - truth
            errors[seed, number] = evaluation.nested.error
            inside[seed, number] = low <= truth <= high
    spread = gaps.mean(axis=1).std(ddof=1) / size.competitions**0.5
    line = f"nested - fresh: {gaps.mean():+.4f} +- {spread:.4f}; in-sample - fresh: {claims.mean():+.4f}; covered: {inside.mean():.2f}"
    print(line)
    assert abs(gaps.mean()) <= size.limit, line
    assert claims.mean() > 0.02, line
    assert inside.mean() >= 0.8, line  # of intervals of a nominal 95 %
    assert errors.mean() < 2 * gaps.std(), line  # the intervals are not just wide
