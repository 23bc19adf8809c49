"""A stack: a fitted blender with thresholds. It blends the predictions of models and decides about labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from comp.metrics.calibration import Platt
from comp.metrics.expected_f1 import thresholds_for_rows
from comp.stacking.prediction_set import PredictionSet

UNREACHABLE = 1e9  # replaces infinity where thresholds are compared, so that classes that are never predicted keep their order


class Blender(Protocol):
    def fit(self, predictions: PredictionSet) -> Any: ...
    def predict(self, state: Any, predictions: PredictionSet) -> NDArray[np.floating]: ...


@dataclass(frozen=True)
class Stack:
    """A fitted candidate.

    Attributes:
        spec: what `registry.build` builds the blender from.
        blend: the fitted state of the blender.
        thresholds: (C,) logits of the blend; infinity for a class that is never predicted.
        models: the models it blends, sub-stacks included; empty: all models of a prediction set.
        substacks: the stacks among its models, by name.
        fills: whether a row without a label above its threshold gets its most likely one.
        curves: the calibrators of a rule that sets thresholds for the rows that are decided about; empty: `thresholds` hold for any rows.
    """

    blender: Blender
    spec: Mapping[str, Any]
    blend: Any
    thresholds: NDArray[np.float64]
    models: tuple[str, ...] = ()
    substacks: Mapping[str, "Stack"] = field(default_factory=dict)
    fills: bool = True
    curves: tuple[Platt | None, ...] = ()

    @property
    def weights(self) -> list[dict[str, float]]:
        """The weight of each model if the blend is a weighted mean; one entry per blender of a committee; else empty."""
        states = self.blend if isinstance(self.blend, list) else [self.blend]
        known = all(isinstance(state, dict) and all(isinstance(weight, float) for weight in state.values()) for state in states)
        return [dict(state) for state in states] if known else []

    @property
    def used(self) -> tuple[str, ...]:
        """Those of `models` that the blend depends on: of a weighted mean those with a weight, else all."""
        if not self.weights or any(not set(each) <= set(self.models) or not any(each.values()) for each in self.weights):
            return self.models
        return tuple(model for model in self.models if any(each.get(model) for each in self.weights))

    @property
    def needed(self) -> frozenset[str]:
        """The models, other than stacks, whose predictions the blend depends on."""
        inside = [self.substacks[name].needed if name in self.substacks else {name} for name in self.used]
        return frozenset().union(*inside)

    def blended(self, predictions: PredictionSet) -> PredictionSet:
        """The blend, without labels. `predictions` must include the models of the sub-stacks; models that are not `needed` may lack."""
        unlabelled = predictions.unlabelled()
        if self.substacks:
            used = [name for name in self.used if name in self.substacks]
            unlabelled = unlabelled.with_models({name: self.substacks[name].blended(predictions).logits[0] for name in used})
        if self.models:
            unlabelled = unlabelled.only(self.models)
        return unlabelled.blended(self.blender.predict(self.blend, unlabelled))

    def for_rows(self, blend: PredictionSet) -> "Stack":
        """The stack with thresholds for the rows of this blend."""
        return replace(self, thresholds=thresholds_for_rows(self.curves, blend.logits[0])) if self.curves else self

    def decide(self, blend: PredictionSet) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Decisions (N, C) from a blend, and which rows (N,) had no label above its threshold.

        If the stack `fills`, such a row gets its most likely class: the class whose logit is highest relative to its threshold, the
        first among equals. Else it stays empty.
        """
        decisions = blend.logits[0] >= self.thresholds
        empty = ~decisions.any(axis=1)
        if self.fills:
            limits = np.where(np.isfinite(self.thresholds), self.thresholds, UNREACHABLE)
            decisions[empty, (blend.logits[0, empty] - limits).argmax(axis=1)] = True
        return decisions, empty
