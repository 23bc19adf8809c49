"""The study of the choice between candidates measures what `evaluate` measures."""

from pathlib import Path

import pytest

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


def test_an_outcome_is_that_of_the_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "FRESH", 1000)
    monkeypatch.setattr(study, "LABELLED", 400)
    blenders, rules = ("mean", "convex", "best_single"), ["exact", "ratio"]
    world = study.measured((1, CELL), blenders, rules, tmp_path)
    recipe = Recipe(
        blenders=tuple(study.BLENDERS[name] for name in blenders),
        thresholds=tuple(study.RULES[rule] for rule in rules),
        bootstraps=study.BOOTSTRAPS,
        min_gain_se=0.5,
    )
    evaluation = evaluate(draw_world(1, *CELL, count=400).labelled(400), recipe)
    found = study.outcome(world, study.choose, 0.5)
    fresh = world.fresh[evaluation.chosen]
    assert found.regret == pytest.approx(world.fresh.max() - fresh)
    assert found.optimism == pytest.approx(evaluation.nested.value - fresh)
    assert found.winners_curse == pytest.approx(evaluation.candidates[evaluation.chosen].nested.value - world.in_samples[evaluation.chosen])
