"""The study of the choice between candidates measures what `evaluate` measures."""

from pathlib import Path

import numpy as np
import pytest

from comp.metrics.bootstrap import Scored
from comp.stacking.evaluation import evaluate
from comp.stacking.recipe import Recipe
from tests.studies import min_gain as study
from tests.studies.synthetic_oof import draw_world

CELL = ("light", "good")


def test_nested_scores_of_candidates_are_those_of_the_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "FRESH", 1000)
    monkeypatch.setattr(study, "LABELLED", 400)
    rules = ["exact", "bagged"]
    world = study.measured((0, CELL), ["mean", "best_single"], rules, tmp_path)
    recipe = Recipe(
        blenders=({"name": "mean"}, {"name": "best_single"}),
        thresholds=tuple(study.RULES[rule] for rule in rules),
        bootstraps=study.BOOTSTRAPS,
    )
    evaluation = evaluate(draw_world(0, *CELL, count=400).labelled(400), recipe)
    assert world.names == [(one.blender, one.rule.split()[0]) for one in evaluation.candidates]
    assert [one.value for one in world.scored(0)] == [one.nested.value for one in evaluation.candidates]
    for number in range(4):
        assert world.full_pipeline([number] * 5) == pytest.approx(evaluation.candidates[number].nested.value)
    read_again = study.measured((0, CELL), ["best_single"], ["bagged"], tmp_path)
    assert read_again.fresh.tolist() == [world.fresh[3]]


def scored(value: float, *draws: float) -> Scored:
    return Scored(value, np.array(draws))


def test_rules_of_choice() -> None:
    simple = scored(0.50, 0.50, 0.50)
    better = scored(0.53, 0.55, 0.51)  # gain 0.03, error 0.02
    best = scored(0.535, 0.555, 0.505)  # 0.005 more, error 0.005; 0.035 more than the first, error 0.025
    assert [study.sequential([simple, better, best], m) for m in (0.0, 0.9, 1.1, 2.0)] == [2, 2, 1, 0]
    assert [study.choose_stack([simple, better, best], m) for m in (0.0, 0.9, 1.1, 2.0)] == [2, 2, 1, 0]
    in_two_stages = study.two_stages(study.choose_stack)
    assert in_two_stages([simple, better, best, best], 2, 0.0) == 2
    assert in_two_stages([simple, best, better, better], 2, 2.0) == 0
