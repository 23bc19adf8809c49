"""The report of a finished stack: what its summary, its table of details and its sidecar are written from."""

from dataclasses import dataclass

from comp.folds.fold_map import HOLDOUT
from comp.metrics.bootstrap import Estimate
from comp.stacking.evaluation import CandidateEvaluation, Evaluation
from comp.stacking.expectation import Expectation
from comp.stacking.final_stack import FinalStack, HoldoutScore
from comp.stacking.inputs import Inputs
from comp.stacking.model_ablation import ModelAblation, ablate
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe


@dataclass(frozen=True, eq=False)
class StackReport:
    """A finished stack.

    Attributes:
        name: the name of its YAML in `configs/stacks/`.
        ablation: None if it was not measured.
        holdout: None without a hold-out.
        leaking: models that probably saw the labels of their held-out rows.
    """

    name: str
    recipe: Recipe
    inputs: Inputs
    evaluation: Evaluation
    ablation: ModelAblation | None
    final: FinalStack
    holdout: HoldoutScore | None
    expectation: Expectation
    leaking: tuple[str, ...]

    @property
    def chosen(self) -> CandidateEvaluation:
        return self.evaluation.candidates[self.evaluation.chosen]

    @property
    def is_single(self) -> bool:
        """Whether the chosen candidate is a single model among several."""
        return self.chosen.blender == "best_single" and any(one.blender != "best_single" for one in self.evaluation.candidates)

    @property
    def rows(self) -> int:
        """How many labelled rows are in folds."""
        return int((self.inputs.task.folds.fold != HOLDOUT).sum())

    @property
    def test_rows(self) -> int:
        return len(self.inputs.task.test_ids)

    @property
    def missing_classes(self) -> int:
        """How many classes of the competition the models do not predict."""
        return len(self.inputs.task.competition.classes) - len(self.inputs.task.classes)

    @property
    def subset_note(self) -> str:
        """What to expect of a submission that holds labels of a class subset; "" if it holds all."""
        classes = len(self.inputs.task.classes)
        if not self.missing_classes:
            return ""
        whole = classes + self.missing_classes
        expected = self.evaluation.nested.value * classes / whole
        return (
            f"labels of {classes} of {whole} classes only: over all {whole}, "
            f"of which the other {self.missing_classes} count 0, expect {expected:.4f}"
        )

    @property
    def best_single(self) -> tuple[Estimate, str] | None:
        """The score and name of the best single model; None for a stack of one model, or if it was not measured."""
        if len(self.inputs.models) == 1:
            return None
        if own := [one for one in self.evaluation.candidates if one.blender == "best_single"]:
            best = max(own, key=lambda one: one.nested.value)
            return best.nested, next(iter(best.weights[0]))
        if self.ablation:
            alone = max(self.ablation.models, key=lambda one: one.alone.value)
            return alone.alone, alone.model
        return None


def ablation_of(labelled: PredictionSet, inputs: Inputs, evaluation: Evaluation, recipe: Recipe, workers: int) -> ModelAblation | None:
    """What each model contributes, with the chosen threshold rule; None if not asked for, for a single model, or with stacks as models."""
    if not recipe.ablation or inputs.substacks or len(inputs.models) == 1:
        return None
    rule = recipe.thresholds[evaluation.chosen // len(recipe.blenders)]
    return ablate(labelled.only(inputs.models), recipe, recipe.ablation, rule, workers)
