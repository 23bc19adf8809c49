"""The entrants of the contest: our stack and its peers."""

from comp.base.errors import CompError
from comp.stacking.evaluation import evaluate
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.recipe import Recipe
from tests.benchmarks.contest import Bools, Entrant, by_peer, timed
from tests.benchmarks.peers.autogluon_process import AutoGluon
from tests.benchmarks.peers.boosting import lightgbm_peer
from tests.benchmarks.peers.logistic import scikit_learn_peer
from tests.benchmarks.peers.simple import blend_and_threshold

AUTOGLUON = "AutoGluon, selection and threshold a class"


def entrants(labelled: PredictionSet, recipe: Recipe, name: str) -> list[Entrant]:
    """The decisions of all entrants about held-out folds, ours first."""

    def ours() -> Bools:
        return evaluate(labelled, recipe.model_copy(update={"repeats": 1})).decisions[0]  # the first repeat uses the fold map's folds

    found = [
        timed(f"our full pipeline, {name}", ours),
        *(by_peer(f"{blender}, exact thresholds", blend_and_threshold(blender), labelled) for blender in ("best_single", "mean", "greedy")),
        by_peer("scikit-learn, tuned thresholds", scikit_learn_peer, labelled),
        by_peer("LightGBM on the class' own logits", lightgbm_peer(all_classes=False), labelled),
        by_peer("LightGBM on all logits", lightgbm_peer(all_classes=True), labelled),
    ]
    try:
        with AutoGluon() as autogluon:
            found.append(by_peer(AUTOGLUON, autogluon.margins, labelled))
    except CompError as error:
        found.append(Entrant(AUTOGLUON, note=str(error)))
    return found
