"""CMA-ES against a grid of weights."""

import sys

import numpy as np
import pytest

from comp.base import registry
from comp.metrics.logits import sigmoid
from tests.unit.stacking.blenders.drawn import best_macro_f1, drawn


def test_reaches_the_best_weights_of_a_grid() -> None:
    pytest.importorskip("cma")
    predictions = drawn(0, count=80, models=2)
    probs, labels = sigmoid(predictions.logits.astype(np.float64)), predictions.known_labels
    best = max(best_macro_f1(share * probs[0] + (1 - share) * probs[1], labels) for share in np.linspace(0, 1, 101))
    blender = registry.build("blenders", {"name": "cmaes", "evaluations": 300})
    state = blender.fit(predictions)
    assert sum(state.values()) == pytest.approx(1)
    assert best_macro_f1(sigmoid(blender.predict(state, predictions)), labels) >= best - 1e-9
    assert blender.fit(predictions) == state


def test_a_single_model_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cma", None)
    predictions = drawn(0, count=80, models=2)
    blender = registry.build("blenders", {"name": "cmaes"})
    assert blender.fit(predictions.only(predictions.models[:1])) == {predictions.models[0]: 1.0}
    with pytest.raises(ModuleNotFoundError):
        blender.fit(predictions)
