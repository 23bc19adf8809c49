"""The interval for a test set holds the chosen stack's score on fresh test sets of that size, on synthetic predictions."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from comp.metrics.bootstrap import Estimate
from comp.metrics.macro_f1 import macro_f1
from comp.stacking.evaluation import Evaluation, evaluate
from comp.stacking.expectation import expect, has_few_groups, score_of_halves
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from tests.studies.synthetic_oof import CELLS, SAMPLE, World, draw_world

RECIPE = Recipe(blenders=({"name": "mean"}, {"name": "greedy", "steps": 6}), thresholds=({"name": "exact"},), bootstraps=200)
RATIOS = (0.4, 1.0, 2.0)  # rows of a test set, by the labelled rows


@dataclass(frozen=True)
class Size:
    """How many worlds, how many test sets a world, and how many of the intervals may hold the score."""

    worlds: int
    test_sets: int
    least: float
    most: float


# The interval of the nested score, which is for the mean of many rows, holds the score on test sets of 0.4 times the labelled rows in 76 %.
SMALL = Size(worlds=4, test_sets=10, least=0.85, most=1.0)
WHOLE = Size(worlds=24, test_sets=30, least=0.90, most=0.98)


@dataclass(frozen=True)
class Case:
    """A world, the labelled rows from it, and what the stack fitted on them is worth."""

    world: World
    labelled: PredictionSet
    evaluation: Evaluation
    halves: Estimate | None

    def fresh(self, rows: int, count: int) -> np.ndarray:
        """The stack's scores (count,) on fresh test sets of so many rows."""
        rng = np.random.default_rng([self.world.seed, 3])
        drawn = (self.world.draw(rows, rng) for _ in range(count))
        stack = self.evaluation.stack
        return np.array([macro_f1(each.known_labels, stack.decide(stack.blended(each))[0]) for each in drawn])


@dataclass(frozen=True)
class Cases:
    size: Size
    cases: list[Case]


def case(seed: int, *, unequal: bool) -> Case:
    world = replace(draw_world(seed, *CELLS[seed % len(CELLS)], good=3), unequal=unequal)
    labelled = world.labelled(SAMPLE)
    assert has_few_groups(labelled.groups) == unequal
    return Case(world, labelled, evaluate(labelled, RECIPE), score_of_halves(labelled, RECIPE) if unequal else None)


@pytest.fixture(scope="module", params=[False, True], ids=["many groups", "few groups"])
def unequal(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture(scope="module", params=[pytest.param(SMALL, id="small"), pytest.param(WHOLE, id="whole", marks=pytest.mark.study)])
def cases(request: pytest.FixtureRequest, unequal: bool) -> Cases:
    return Cases(request.param, [case(seed, unequal=unequal) for seed in range(request.param.worlds)])


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_interval_holds_the_score_on_fresh_test_sets(cases: Cases, ratio: float) -> None:
    rows = round(ratio * SAMPLE)
    inside, of_mean, gaps = [], [], []
    for one in cases.cases:
        score = expect(one.evaluation, one.labelled, rows, RECIPE, one.halves).score
        fresh = one.fresh(rows, cases.size.test_sets)
        inside.append(within(score, fresh))
        of_mean.append(within(one.evaluation.nested, fresh))
        gaps.append(score.value - fresh.mean())
    line = f"{ratio} N rows: {np.mean(inside):.3f} of the scores held ({np.mean(of_mean):.3f} by the interval of the nested score), "
    line += f"expected - fresh {np.mean(gaps):+.4f} +- {np.std(gaps, ddof=1) / len(gaps) ** 0.5:.4f}"
    print(line)
    assert cases.size.least <= np.mean(inside) <= cases.size.most, line
    assert np.mean(of_mean) < np.mean(inside), line
    assert abs(np.mean(gaps)) < 0.03, line


def within(score: Estimate, found: np.ndarray) -> float:
    low, high = score.interval
    return float(((found >= low) & (found <= high)).mean())
