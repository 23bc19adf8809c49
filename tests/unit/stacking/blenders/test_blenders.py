"""The contract of every blender; a new file in comp/stacking/blenders is tested without further ado."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from comp.base import registry
from comp.base.errors import ConfigError
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.stack import Blender
from tests.unit.stacking.blenders.drawn import best_macro_f1, drawn, prediction_set

NAMES = registry.names("blenders")
OF_ITS_OWN = {"rank_mean", "vote", "logistic", "lightgbm", "calibrated"}  # change the logits of a single model
LEVELS = [-120.0, -16.0, -2.5, -0.5, 0.0, 0.5, 2.5, 16.0, 120.0]  # stored exact 0 and 1, beyond them, and many ties


def spec(name: str, predictions: PredictionSet) -> dict[str, Any]:
    """What a YAML would say: options that must be given, and sizes that suit these rows."""
    options: dict[str, dict[str, Any]] = {
        "weights": {"weights": {model: number + 1 for number, model in enumerate(predictions.models)}},
        "per_class": {"blender": {"name": "greedy", "steps": 5}, "positives": 20},
        "calibrated": {"blender": {"name": "greedy", "steps": 5}},
        "dropout": {"blender": {"name": "greedy", "steps": 5}},
        "committee": {"of": [{"name": "greedy", "steps": 5}, {"name": "convex"}]},
        "lightgbm": {"trees": 10, "positives": 20},
        "greedy": {"steps": 8},
    }
    return {"name": name, **options.get(name, {})}


def built(name: str, predictions: PredictionSet) -> Blender:
    return registry.build("blenders", spec(name, predictions))


def blended(name: str, predictions: PredictionSet) -> np.ndarray:
    blender = built(name, predictions)
    return blender.predict(blender.fit(predictions), predictions.unlabelled())


@pytest.mark.parametrize("name", NAMES)
class TestEveryBlender:
    def test_order_of_rows_and_models_does_not_matter(self, name: str) -> None:
        predictions = drawn()
        rng = np.random.default_rng(5)
        blender = built(name, predictions)
        mixed, models = rng.permutation(len(predictions)), rng.permutation(4)
        other = replace(predictions, logits=predictions.logits[models], models=tuple(predictions.models[m] for m in models)).take(mixed)
        assert blender.fit(predictions) == blender.fit(other)
        assert (blender.predict(blender.fit(predictions), predictions)[mixed] == blender.predict(blender.fit(other), other)).all()

    def test_each_row_is_predicted_by_itself(self, name: str) -> None:
        predictions = drawn()
        blender = built(name, predictions)
        state = blender.fit(predictions)
        whole = blender.predict(state, predictions.unlabelled())
        assert whole.shape == (300, 4)
        assert whole.dtype == np.float64
        assert (np.vstack([blender.predict(state, predictions.take(np.array([row]))) for row in range(20)]) == whole[:20]).all()

    def test_a_state_goes_through_json(self, name: str) -> None:
        predictions = drawn()
        labels = predictions.known_labels & [False, True, True, True]  # a class that is never predicted has no number to be written
        predictions = replace(predictions, labels=labels)
        blender = built(name, predictions)
        state = blender.fit(predictions)
        read = json.loads(json.dumps(state, allow_nan=False))
        assert read == state
        assert (blender.predict(read, predictions) == blender.predict(state, predictions)).all()

    def test_fitting_and_predicting_leave_the_rows_alone(self, name: str) -> None:
        predictions = drawn()
        before = predictions.logits.copy()
        blended(name, predictions)
        assert (predictions.logits == before).all()

    @pytest.mark.parametrize("present", [0, 1, 299, 300])
    def test_a_class_of_none_one_all_but_one_or_all(self, name: str, present: int) -> None:
        predictions = drawn()
        labels = predictions.known_labels.copy()
        labels[:, 0] = np.arange(300) < present
        predicted = blended(name, replace(predictions, labels=labels))
        assert np.isfinite(predicted).all()
        assert best_macro_f1(predicted[:, 1:], labels[:, 1:]) > 0.6

    def test_labels_that_nobody_has(self, name: str) -> None:
        predictions = drawn()
        assert np.isfinite(blended(name, replace(predictions, labels=np.zeros((300, 4), bool)))).all()

    @pytest.mark.parametrize("size", [16.0, 40.0, 1000.0])
    def test_networks_that_are_sure_of_everything(self, name: str, size: float) -> None:
        predictions = drawn()
        predicted = blended(name, replace(predictions, logits=np.sign(predictions.logits) * np.float32(size)))
        assert np.isfinite(predicted).all()
        assert best_macro_f1(predicted, predictions.known_labels) > 0.45

    def test_a_model_given_twice_is_no_worse(self, name: str) -> None:
        predictions = drawn(models=3)
        twice = prediction_set(np.concatenate([predictions.logits, predictions.logits[:1]]), predictions.known_labels)
        one, two = (best_macro_f1(blended(name, each), predictions.known_labels) for each in (predictions, twice))
        assert two > one - 0.02

    def test_a_constant_model_is_no_worse_than_a_random_one(self, name: str) -> None:
        predictions = drawn(models=3)
        constant = prediction_set(np.concatenate([predictions.logits, np.full_like(predictions.logits[:1], 0.3)]), predictions.known_labels)
        predicted = blended(name, constant)
        assert np.isfinite(predicted).all()
        assert (
            best_macro_f1(predicted, predictions.known_labels) > best_macro_f1(blended(name, predictions), predictions.known_labels) - 0.04
        )

    @pytest.mark.parametrize("name_of_model", ["a", "densenet121@512 px"])
    def test_a_single_model_passes_through(self, name: str, name_of_model: str) -> None:
        predictions = replace(drawn(models=1), models=(name_of_model,))
        if name in OF_ITS_OWN:
            assert np.isfinite(blended(name, predictions)).all()
        else:
            assert (blended(name, predictions).astype(np.float32) == predictions.logits[0]).all()

    def test_an_option_that_there_is_not_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigError, match=rf"blenders\.{name}: unknown option 'gama'"):
            registry.build("blenders", {**spec(name, drawn()), "gama": 1})

    @settings(max_examples=15, deadline=None, derandomize=True, database=None)
    @given(data=st.data())
    def test_any_table(self, name: str, data: st.DataObject) -> None:
        """Any logits and labels: the blend is finite and does not depend on the order of the rows."""
        models, count, classes = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 25)), data.draw(st.integers(1, 3))
        logits = data.draw(arrays.arrays(np.float32, (models, count, classes), elements=st.sampled_from(LEVELS)))
        predictions = prediction_set(logits, data.draw(arrays.arrays(bool, (count, classes))))
        mixed = np.random.default_rng(0).permutation(count)
        blender = built(name, predictions)
        state = blender.fit(predictions)
        predicted = blender.predict(state, predictions.unlabelled())
        assert predicted.shape == (count, classes)
        assert np.isfinite(predicted).all()
        assert blender.fit(predictions.take(mixed)) == state
        assert (blender.predict(state, predictions.take(mixed)) == predicted[mixed]).all()
