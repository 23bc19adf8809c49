"""Candidates of a stack: a candidate is a blender with a threshold rule. Fitted, it is a `Stack`, which predicts labels."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from comp.metrics.bootstrap import Scored
from comp.metrics.calibration import Platt
from comp.metrics.expected_f1 import thresholds_for_rows
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.stack import Blender, Stack


class ThresholdRule(Protocol):
    def fit(self, predictions: PredictionSet) -> NDArray[np.float64]: ...


@runtime_checkable
class RuleForRows(ThresholdRule, Protocol):
    """A rule whose thresholds are for the rows that are decided about, by calibrators that it fits."""

    def curves(self, predictions: PredictionSet) -> tuple[Platt | None, ...]: ...


SINGLE_MARGIN = 2.0  # a single model needs so many times the gain that a blend needs


@dataclass(frozen=True)
class Candidates:
    """Every blender with every threshold rule, in order of preference: all blenders with the first rule, then with the next.

    Attributes:
        specs: what each blender was built from.
    """

    blenders: dict[str, Blender]
    specs: dict[str, dict[str, Any]]
    rules: dict[str, ThresholdRule]

    @property
    def names(self) -> list[tuple[str, str]]:
        return [(blender, rule) for rule in self.rules for blender in self.blenders]

    @property
    def singles(self) -> frozenset[int]:
        """The numbers of the candidates that are a single model."""
        return frozenset(number for number, (blender, _) in enumerate(self.names) if self.specs[blender]["name"] == "best_single")

    def fit(self, labelled: PredictionSet) -> list[Stack]:
        """Fit all candidates, each blender once; in the order of `names`."""
        stacks = {}
        for name, blender in self.blenders.items():
            spec, state = self.specs[name], blender.fit(labelled)
            blend = labelled.blended(blender.predict(state, labelled.unlabelled()))
            for title, rule in self.rules.items():
                curves = rule.curves(blend) if isinstance(rule, RuleForRows) else ()
                thresholds = thresholds_for_rows(curves, blend.logits[0]) if curves else rule.fit(blend)
                stacks[name, title] = Stack(blender, spec, state, thresholds, fills=labelled.needs_labels, curves=curves)
        return [stacks[name] for name in self.names]

    def decide(self, stacks: list[Stack], predictions: PredictionSet) -> NDArray[np.bool_]:
        """The decisions (candidates, N, C) of the stacks that `fit` returned; each blend is computed once."""
        blends = [stack.blended(predictions) for stack in stacks[: len(self.blenders)]]
        found = zip(stacks, blends * len(self.rules), strict=True)
        return np.stack([stack.for_rows(blend).decide(blend)[0] for stack, blend in found])


def choose(scored: Sequence[Scored], min_gain_se: float, singles: Collection[int] = ()) -> int:
    """The first blend that no other beats by more than `min_gain_se` paired standard errors; a single model only if far ahead of all.

    Among the blends this is the one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984) with paired errors. A single model is
    the riskiest choice, however simple it looks: nested scores favour it where positives are few, and on withheld rows of real problems
    the stacks that chose one were behind the blends. So it must beat every blend by `SINGLE_MARGIN` times as much. docs/statistics.md
    has the measurements.

    Args:
        scored: the candidates in order of preference.
        singles: numbers of those that are a single model.
    """
    blends = [number for number in range(len(scored)) if number not in singles]
    far_ahead = [one for one in sorted(singles) if all(_beats(scored[one], scored[other], SINGLE_MARGIN * min_gain_se) for other in blends)]
    among = far_ahead or blends
    best = max(among, key=lambda number: scored[number].value)
    return next(number for number in among if not _beats(scored[best], scored[number], min_gain_se))


def _beats(one: Scored, other: Scored, standard_errors: float) -> bool:
    gain = one.gain_over(other)
    return gain.value > standard_errors * gain.error
