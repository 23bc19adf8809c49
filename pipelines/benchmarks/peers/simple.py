"""What everybody can write: one blend and the thresholds of highest F1 on the same rows, fitted in-sample."""

from comp import parts
from comp.rows import Rows
from pipelines.benchmarks.peers import Margins, Peer


def blend_and_cut(blender: str) -> Peer:
    """A peer from a part of `comp.blenders`, with exact thresholds.

    Args:
        blender: "mean"; "best_single" (the model of highest macro F1 at its own best thresholds); "greedy" (25 steps on
            macro F1, thresholds found anew in each).
    """

    def peer(train: Rows, held: Rows) -> Margins:
        blending, rule = parts.build("blenders", {"name": blender}), parts.build("thresholds", {"name": "exact"})
        state = blending.fit(train)
        thresholds = rule.fit(train.blended(blending.predict(state, train.unlabelled())))
        return blending.predict(state, held) - thresholds

    return peer
