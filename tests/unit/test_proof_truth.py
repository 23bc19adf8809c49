"""The stack keeps its word: on drawn sets whose truth is known, what the proof says and what it chooses hold on 200,000 fresh rows."""

from dataclasses import dataclass

import numpy as np
import pytest

from comp.proof import prove
from comp.stacking import Recipe
from tests.drawn_oof import CELLS, PART, draw_world, fresh_scores

SEEDS = 24  # six of each kind of world
REFERENCE = {"name": "mean"}
RULES = ({"name": "bagged", "bags": 25}, {"name": "exact"})
RECIPE = Recipe(blenders=(REFERENCE, {"name": "best_single"}, {"name": "greedy", "steps": 8}), thresholds=RULES, bootstraps=200)


@dataclass(frozen=True)
class Truth:
    """What one world said, in macro F1.

    Attributes:
        said: the nested score of the procedure.
        claimed: in-sample.
        chosen: the chosen stack on fresh rows.
        as_few: the same, as the mean over parts of as many rows as are labelled (see `FreshScores.in_parts`).
        best: the best candidate, in hindsight, on the same.
        reference: what would have been chosen of the plain mean alone, on the same.
    """

    said: float
    claimed: float
    chosen: float
    as_few: float
    best: float
    reference: float
    promoted: bool


def truth_of(seed: int) -> Truth:
    world = draw_world(seed, *CELLS[seed % len(CELLS)], good=3)
    rows = world.labelled(PART)
    proof = prove(rows, RECIPE)
    of_reference = prove(rows, RECIPE.model_copy(update={"blenders": (REFERENCE,)}))
    stacks = RECIPE.candidates().fit(rows)
    fresh = fresh_scores(stacks, world)
    return Truth(
        proof.nested.value,
        proof.in_sample,
        fresh.pooled[proof.chosen],
        fresh.in_parts[proof.chosen],
        fresh.pooled.max(),
        fresh.pooled[of_reference.chosen],  # the reference's candidates are the recipe's first
        proof.candidates[proof.chosen].blender != REFERENCE["name"],
    )


@pytest.fixture(scope="module")
def truths() -> list[Truth]:
    return [truth_of(seed) for seed in range(SEEDS)]


def summary(what: str, values: list[float]) -> str:
    said = f"{what}: {np.mean(values):+.4f} +- {np.std(values, ddof=1) / len(values) ** 0.5:.4f} over {len(values)} worlds"
    print(said)
    return said


def test_nested_score_is_the_score_on_fresh_rows(truths: list[Truth]) -> None:
    gaps = [one.said - one.chosen for one in truths]
    as_few = [one.said - one.as_few for one in truths]
    claims = [one.claimed - one.as_few for one in truths]
    said = "; ".join(
        [
            summary("nested - fresh", gaps),
            summary("nested - fresh in parts as large as the labelled rows", as_few),
            summary("in-sample - the same", claims),
        ]
    )
    assert abs(np.mean(gaps)) <= 0.005, said
    assert abs(np.mean(as_few)) <= 0.005, said
    assert np.mean(claims) > 0.01, said


def test_the_chosen_candidate_is_nearly_the_best_in_hindsight(truths: list[Truth]) -> None:
    regrets = [one.best - one.chosen for one in truths]
    said = summary("best in hindsight - chosen", regrets)
    assert np.mean(regrets) <= 0.005, said


def test_a_blender_that_is_worse_than_the_mean_is_seldom_promoted(truths: list[Truth]) -> None:
    promoted = [one for one in truths if one.promoted]
    falsely = [one for one in promoted if one.chosen < one.reference]
    summary("chosen - mean", [one.chosen - one.reference for one in truths])
    said = f"promoted over the mean in {len(promoted)} of {len(truths)} worlds, {len(falsely)} times falsely"
    print(said)
    assert promoted, said
    assert len(falsely) <= len(truths) / 10, said
