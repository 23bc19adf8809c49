"""Blenders that wrap others: each equals its inner blenders applied by hand."""

from dataclasses import replace

import numpy as np
import pytest

from comp.base import registry
from comp.base.errors import ConfigError
from comp.metrics.calibration import Platt
from comp.metrics.logits import sigmoid
from comp.stacking.blenders.mean import Mean
from tests.unit.stacking.blenders.drawn import drawn


def test_committee_is_the_mean_of_its_blenders_logits() -> None:
    predictions = drawn()
    specs = [{"name": "greedy", "steps": 4}, {"name": "convex"}, {"name": "logistic"}]
    members = [registry.build("blenders", spec) for spec in specs]
    committee = registry.build("blenders", {"name": "committee", "of": specs})
    wanted = np.mean([member.predict(member.fit(predictions), predictions) for member in members], axis=0)
    assert np.allclose(committee.predict(committee.fit(predictions), predictions), wanted, rtol=1e-12)


@pytest.mark.parametrize("inner", [{"name": "greedy", "steps": 4}, {"name": "logistic"}, {"name": "vote"}])
def test_per_class_fits_frequent_classes_by_themselves(inner: dict) -> None:
    predictions = drawn()
    counts = predictions.known_labels.sum(axis=0)
    frequent = counts >= counts[2]
    assert frequent.tolist() == [False, False, True, True]
    blender, wrapped = (
        registry.build("blenders", spec) for spec in (inner, {"name": "per_class", "blender": inner, "positives": int(counts[2])})
    )
    shared, found = blender.predict(blender.fit(predictions), predictions), wrapped.predict(wrapped.fit(predictions), predictions)
    assert (found[:, ~frequent] == shared[:, ~frequent]).all()
    for column in np.flatnonzero(frequent):
        alone = predictions.of_classes([int(column)])
        assert (found[:, column] == blender.predict(blender.fit(alone), alone)[:, 0]).all()


@pytest.mark.parametrize("inner", [{"name": "greedy", "steps": 4}, {"name": "convex"}, {"name": "vote"}])
def test_dropout_is_the_mean_of_fits_without_some_of_the_models(inner: dict) -> None:
    predictions = drawn()
    blender, wrapped = (registry.build("blenders", spec) for spec in (inner, {"name": "dropout", "blender": inner, "bags": 30, "seed": 1}))
    state = wrapped.fit(predictions)
    assert sum(each["times"] for each in state) == 30
    assert {len(each["kept"]) for each in state} == {3}
    assert {model for each in state for model in each["kept"]} == set(predictions.models)
    fits = []
    for each in state:
        own = predictions.only(each["kept"])
        fits += [blender.predict(blender.fit(own), own)] * each["times"]
    assert np.allclose(sigmoid(wrapped.predict(state, predictions)), np.mean(sigmoid(np.array(fits)), axis=0), atol=1e-6)


def test_dropout_that_keeps_all_models_is_its_blender() -> None:
    predictions = drawn()
    inner = {"name": "greedy", "steps": 4}
    blender, wrapped = (registry.build("blenders", spec) for spec in (inner, {"name": "dropout", "blender": inner, "fraction": 1.0}))
    found = wrapped.predict(wrapped.fit(predictions), predictions)
    assert np.allclose(found, blender.predict(blender.fit(predictions), predictions), atol=1e-5)


def test_calibrated_models_are_blended_by_platts_curves() -> None:
    predictions = drawn()
    blender = registry.build("blenders", {"name": "calibrated", "blender": {"name": "mean"}})
    probs = [
        [Platt.fit(scores, is_positive).predict(scores) for scores, is_positive in zip(logits.T, predictions.known_labels.T, strict=True)]
        for logits in predictions.logits
    ]
    found = sigmoid(blender.predict(blender.fit(predictions), predictions.unlabelled()))
    np.testing.assert_allclose(found, np.mean(probs, axis=0).T, rtol=1e-5)


def test_a_model_that_is_too_sure_counts_as_if_it_were_not() -> None:
    predictions = drawn()
    surer = replace(predictions, logits=predictions.logits * np.array([5, 1, 1, 1], np.float32)[:, None, None] + np.float32(2))
    spec = {"name": "calibrated", "blender": {"name": "mean"}}
    (one, other), plain = (
        [blender.predict(blender.fit(each), each) for each in (predictions, surer)]
        for blender in (registry.build("blenders", spec), Mean())
    )
    np.testing.assert_allclose(one, other, atol=1e-3)
    assert np.abs(plain[0] - plain[1]).max() > 1


def test_a_committee_of_wrapped_blenders() -> None:
    predictions = drawn()
    spec = {"name": "committee", "of": [{"name": "per_class", "blender": {"name": "convex"}, "positives": 50}, {"name": "mean"}]}
    blender = registry.build("blenders", spec)
    assert np.isfinite(blender.predict(blender.fit(predictions), predictions)).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "committee", "of": []}, r"blenders\.committee: the list `of` is empty"),
        ({"name": "committee"}, r"blenders\.committee: option 'of' is missing"),
        ({"name": "committee", "of": "greedy"}, r"blenders\.committee: of = 'greedy' does not fit"),
        ({"name": "committee", "of": [{"name": "gredy"}]}, r"blenders: there is no 'gredy'"),
        ({"name": "committee", "of": [{"name": "greedy", "step": 3}]}, r"blenders\.greedy: unknown option 'step'"),
        ({"name": "per_class"}, r"blenders\.per_class: option 'blender' is missing"),
        ({"name": "per_class", "blender": {"name": "convex"}, "positives": 0}, r"blenders\.per_class: positives = 0 does not fit"),
        ({"name": "per_class", "blender": {}}, r"blenders: there is no None"),
    ],
)
def test_wrong_options_are_refused(spec: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.build("blenders", spec)
