"""Over ten drawn competitions, the nested score is what the stack then scores on fresh rows drawn alike.

The tables are those of the practice competition, label noise, faint wells and antibodies included; networks are replaced
by drawn logits whose errors are heavy-tailed and partly shared by models and by images of one antibody.
"""

import numpy as np
import pytest

from comp.folds import assign
from comp.labels import LabelSpace
from comp.metrics import macro_f1
from comp.practice.tables import PracticeSpec, draw_tables
from comp.proof import prove
from comp.rows import Rows
from comp.stacking import Recipe

SPACE = LabelSpace.numbered([str(number) for number in range(28)])
SKILL = {"large": 1.0, "medium": 0.85, "small": 0.7, "poor": 0.25}
RECIPE = Recipe(
    blenders=({"name": "mean"}, {"name": "best_single"}, {"name": "greedy", "steps": 6}),
    thresholds=({"name": "exact"}, {"name": "bagged"}),
    bootstraps=200,
)


def draw(seed: int, tails: str) -> list[tuple[Rows, Rows]]:
    """Rows of a competition's train part with folds, and 4,000 fresh ones drawn without shift; thrice, with other networks."""
    spec = PracticeSpec(train=1500, test=1, unshifted=4000, seed=seed)
    table = draw_tables(spec)
    table = table[table.part.isin(["train", "unshifted"])].reset_index(drop=True)
    train = (table.part == "train").to_numpy()
    drawn = SPACE.multi_hot([" ".join(map(str, labels)) for labels in table.labels], table.id, "drawn")
    published = SPACE.multi_hot(table.target, table.id, "published")
    twins = table.duplicate_of.where(table.duplicate_of != "", table.id)
    folds = assign(
        tuple(table.id[train]),
        published[train],
        groups=tuple(table.antibody[train]),
        components=tuple(twins[train]),
        overlap=0.69,  # so that held-out rows meet known antibodies as often as fresh ones do (0.60)
        seed=seed,
    )
    known = np.isin(table.antibody, table.antibody[train])
    known[train] = folds.known()
    antibodies = np.unique(table.antibody, return_inverse=True)[1]
    fold = np.full(len(table), -1, np.int8)
    fold[train] = folds.fold
    both = []
    for number in range(3):
        logits = draw_logits(drawn, known, table.faint.to_numpy(), antibodies, tails, np.random.default_rng([seed, number]))
        rows = Rows(logits, tuple(SKILL), fold, antibodies, published)
        both.append((rows.take(train), rows.take(~train)))
    return both


def draw_logits(
    labels: np.ndarray, known: np.ndarray, faint: np.ndarray, antibodies: np.ndarray, tails: str, rng: np.random.Generator
) -> np.ndarray:
    """(4, N, C): signal by class and model, stronger for known antibodies, weaker in faint wells; heavy-tailed errors of rows."""

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
def test_nested_score_is_the_score_on_fresh_rows_over_ten_competitions(tails: str) -> None:
    gaps, claims, errors, inside = np.zeros((4, 10, 3))  # competitions, networks
    for seed in range(10):
        for number, (train, fresh) in enumerate(draw(seed, tails)):
            proof = prove(train, RECIPE)
            truth = macro_f1(fresh.known_labels, proof.stack.decide(proof.stack.blended(fresh))[0])
            low, high = proof.nested.interval
            gaps[seed, number] = proof.nested.value - truth
            claims[seed, number] = proof.in_sample - truth
            errors[seed, number] = proof.nested.error
            inside[seed, number] = low <= truth <= high
    spread = gaps.mean(axis=1).std(ddof=1) / 10**0.5
    said = f"nested - fresh: {gaps.mean():+.4f} +- {spread:.4f}; in-sample - fresh: {claims.mean():+.4f}; covered: {inside.mean():.2f}"
    print(said)
    assert abs(gaps.mean()) <= 0.01, said
    assert claims.mean() > 0.02, said
    assert inside.mean() >= 0.8, said  # of intervals of a nominal 95 %
    assert errors.mean() < 2 * gaps.std(), said  # which are not bought by width
