"""The score and the choice of a stack hold on many fresh rows, measured on synthetic predictions whose truth is known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from comp.stacking.evaluation import evaluate
from comp.stacking.expectation import expect
from comp.stacking.recipe import load_recipe
from tests.studies.synthetic_oof import CELLS, FRESH, SAMPLE, draw_world, fresh_scores

RECIPE = load_recipe(Path(__file__).parents[2] / "configs" / "stacks" / "default.yaml").model_copy(update={"bootstraps": 200})
REFERENCE = {"name": "mean"}


@dataclass(frozen=True)
class Size:
    """How many worlds are measured, on how many fresh rows, how far the mean score may be from the truth, and the choice from the best."""

    worlds: int
    fresh: int
    limit: float
    regret: float


# The small size takes one world of each kind. The nested score then differs from the truth by -0.011 on samples and by -0.016 on all
# fresh rows, on which macro F1 is higher (see `FreshScores`). The limit of 0.02 catches candidates that are fitted on the rows they are
# scored on: these differ by 0.04, and the choice between them loses 0.008, more than the second test allows.
SMALL = Size(worlds=4, fresh=20_000, limit=0.02, regret=0.005)
WHOLE = Size(worlds=24, fresh=FRESH, limit=0.005, regret=0.003)  # six worlds of each kind


@dataclass(frozen=True)
class Truth:
    """The scores on one world, macro F1.

    Attributes:
        nested: the nested score of the full pipeline.
        expected: what is expected on as many rows as the fresh ones, see `comp.stacking.expectation`.
        in_sample: of the chosen stack.
        chosen: of the chosen stack on fresh rows.
        chosen_in_samples: the same as a mean over samples as large as the labelled rows (see `FreshScores.in_samples`).
        best: of the best candidate in hindsight on fresh rows.
        reference: on fresh rows, of the candidate chosen from those of the plain mean.
        chose_other: the chosen blender is not the plain mean.
    """

    nested: float
    expected: float
    in_sample: float
    chosen: float
    chosen_in_samples: float
    best: float
    reference: float
    chose_other: bool


@dataclass(frozen=True)
class Truths:
    worlds: list[Truth]
    size: Size


def truth_of(seed: int, fresh_rows: int) -> Truth:
    world = draw_world(seed, *CELLS[seed % len(CELLS)], good=3)
    labelled = world.labelled(SAMPLE)
    evaluation = evaluate(labelled, RECIPE)
    of_reference = evaluate(labelled, RECIPE.model_copy(update={"blenders": (REFERENCE,)}))
    reference = of_reference.candidates[of_reference.chosen]
    candidates = RECIPE.candidates()
    fresh = fresh_scores(candidates.fit(labelled), world, fresh_rows)
    return Truth(
        evaluation.nested.value,
        expect(evaluation, labelled, fresh_rows, RECIPE, None).score.value,
        evaluation.in_sample,
        fresh.pooled[evaluation.chosen],
        fresh.in_samples[evaluation.chosen],
        fresh.pooled.max(),
        fresh.pooled[candidates.names.index((reference.blender, reference.rule))],
        evaluation.candidates[evaluation.chosen].blender != REFERENCE["name"],
    )


@pytest.fixture(scope="module", params=[pytest.param(SMALL, id="small"), pytest.param(WHOLE, id="whole", marks=pytest.mark.study)])
def truths(request: pytest.FixtureRequest) -> Truths:
    size = request.param
    return Truths([truth_of(seed, size.fresh) for seed in range(size.worlds)], size)


def summary(what: str, values: list[float]) -> str:
    line = f"{what}: {np.mean(values):+.4f} +- {np.std(values, ddof=1) / len(values) ** 0.5:.4f} over {len(values)} worlds"
    print(line)
    return line


def test_the_expected_score_is_the_score_on_fresh_rows(truths: Truths) -> None:
    gaps = [one.expected - one.chosen for one in truths.worlds]
    gaps_in_samples = [one.nested - one.chosen_in_samples for one in truths.worlds]
    claims = [one.in_sample - one.chosen_in_samples for one in truths.worlds]
    lines = "; ".join(
        [
            summary("nested - fresh", [one.nested - one.chosen for one in truths.worlds]),
            summary("expected on so many rows - fresh", gaps),
            summary("nested - fresh in samples as large as the labelled rows", gaps_in_samples),
            summary("in-sample - the same", claims),
        ]
    )
    assert abs(np.mean(gaps)) <= truths.size.limit, lines
    assert abs(np.mean(gaps_in_samples)) <= truths.size.limit, lines
    assert np.mean(claims) > 0.01, lines


def test_the_chosen_candidate_is_nearly_the_best_in_hindsight(truths: Truths) -> None:
    regrets = [one.best - one.chosen for one in truths.worlds]
    line = summary("best in hindsight - chosen", regrets)
    assert np.mean(regrets) <= truths.size.regret, line


def test_a_blender_worse_than_the_mean_is_seldom_chosen(truths: Truths) -> None:
    others = [one for one in truths.worlds if one.chose_other]
    wrong = [one for one in others if one.chosen < one.reference]
    summary("chosen - mean", [one.chosen - one.reference for one in truths.worlds])
    line = f"another blender than the mean was chosen in {len(others)} of {len(truths.worlds)} worlds, {len(wrong)} times wrongly"
    print(line)
    assert others, line
    assert len(wrong) <= len(truths.worlds) / 10, line
