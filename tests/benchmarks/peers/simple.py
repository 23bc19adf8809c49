"""The simplest peers: one blender, and the thresholds of highest F1 on the rows it was fitted on."""

from comp.base import registry
from comp.stacking.prediction_set import PredictionSet
from tests.benchmarks.peers import Margins, Peer


def blend_and_threshold(blender: str, **options: str) -> Peer:
    """A peer from a plug-in of `comp.stacking.blenders`, with exact thresholds.

    Args:
        blender: "mean"; "best_single" (the model of highest macro F1 with its own best thresholds); "greedy" (25 steps on macro F1,
            with new thresholds in each step, or on another `metric`); "cmaes" (1000 trials of weights, with new thresholds in each).
    """

    def peer(train: PredictionSet, held: PredictionSet) -> Margins:
        blending, rule = registry.build("blenders", {"name": blender, **options}), registry.build("thresholds", {"name": "exact"})
        state = blending.fit(train)
        thresholds = rule.fit(train.blended(blending.predict(state, train.unlabelled())))
        return blending.predict(state, held) - thresholds

    return peer
