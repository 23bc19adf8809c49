"""Candidates of a stack: a candidate is a blender with a threshold rule. Fitted, it is a `Stack`, which predicts labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comp.metrics.bootstrap import Scored
from comp.stacking.prediction_set import PredictionSet

UNREACHABLE = 1e9  # replaces infinity where thresholds are compared, so that classes that are never predicted keep their order


class Blender(Protocol):
    def fit(self, predictions: PredictionSet) -> Any: ...
    def predict(self, state: Any, predictions: PredictionSet) -> NDArray[np.floating]: ...


class ThresholdRule(Protocol):
    def fit(self, predictions: PredictionSet) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Stack:
    """A fitted candidate.

    Attributes:
        blend: the fitted state of the blender.
        thresholds: (C,) logits of the blend; infinity for a class that is never predicted.
        models: the models it blends, sub-stacks included; empty: all models of a prediction set.
        substacks: the stacks among its models, by name.
    """

    blender: Blender
    blend: Any
    thresholds: NDArray[np.float64]
    models: tuple[str, ...] = ()
    substacks: Mapping[str, "Stack"] = field(default_factory=dict)

    @property
    def weights(self) -> list[dict[str, float]]:
        """The weight of each model if the blend is a weighted mean; one entry per blender of a committee; else empty."""
        states = self.blend if isinstance(self.blend, list) else [self.blend]
        known = all(isinstance(state, dict) and all(isinstance(weight, float) for weight in state.values()) for state in states)
        return [dict(state) for state in states] if known else []

    def blended(self, predictions: PredictionSet) -> PredictionSet:
        """The blend, without labels. `predictions` must include the models of the sub-stacks."""
        unlabelled = predictions.unlabelled()
        if self.substacks:
            unlabelled = unlabelled.with_models({name: stack.blended(predictions).logits[0] for name, stack in self.substacks.items()})
        if self.models:
            unlabelled = unlabelled.only(self.models)
        return unlabelled.blended(self.blender.predict(self.blend, unlabelled))

    def decide(self, blend: PredictionSet) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Decisions (N, C) from a blend, with at least one label per row, and which rows (N,) had no label above its threshold.

        Such a row gets its most likely class: the class whose logit is highest relative to its threshold, the first among equals.
        """
        decisions = blend.logits[0] >= self.thresholds
        empty = ~decisions.any(axis=1)
        limits = np.where(np.isfinite(self.thresholds), self.thresholds, UNREACHABLE)
        decisions[empty, (blend.logits[0, empty] - limits).argmax(axis=1)] = True
        return decisions, empty


@dataclass(frozen=True)
class Candidates:
    """Every blender with every threshold rule, in the order of the recipe."""

    blenders: dict[str, Blender]
    rules: dict[str, ThresholdRule]

    @property
    def names(self) -> list[tuple[str, str]]:
        return [(blender, rule) for blender in self.blenders for rule in self.rules]

    def fit(self, labelled: PredictionSet) -> list[Stack]:
        """Fit all candidates, each blender once; in the order of `names`."""
        stacks = []
        for blender in self.blenders.values():
            state = blender.fit(labelled)
            blend = labelled.blended(blender.predict(state, labelled.unlabelled()))
            stacks += [Stack(blender, state, rule.fit(blend)) for rule in self.rules.values()]
        return stacks

    def decide(self, stacks: list[Stack], predictions: PredictionSet) -> NDArray[np.bool_]:
        """The decisions (candidates, N, C) of the stacks that `fit` returned; each blend is computed once."""
        decided = []
        for first in range(0, len(stacks), len(self.rules)):
            blend = stacks[first].blended(predictions)
            decided += [stack.decide(blend)[0] for stack in stacks[first : first + len(self.rules)]]
        return np.stack(decided)


def choose(scored: list[Scored], min_gain_se: float) -> int:
    """The first candidate that the best one does not beat by more than `min_gain_se` paired standard errors.

    This is the one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984) with paired errors. `tests/studies/min_gain.py`
    measured it on synthetic data with known truth. With 1, a blender worse than the plain mean was chosen in 1 of 24 data sets (the
    default stack's candidates) and in 7 of 80 (20 candidates). With 0, where the best score wins, it was chosen in every third data
    set, and the stacks scored no better.
    """
    best = max(scored, key=lambda one: one.value)
    for number, candidate in enumerate(scored):
        gain = best.gain_over(candidate)
        if gain.value <= min_gain_se * gain.error:
            return number
    raise ValueError("there are no candidates")
