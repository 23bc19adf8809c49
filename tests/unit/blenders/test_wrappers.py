"""Blenders that are made of others: each does what its blenders do by themselves."""

from dataclasses import replace

import numpy as np
import pytest

from comp import parts
from comp.blenders.mean import Mean
from comp.calibration import Platt
from comp.errors import ConfigError
from comp.metrics import sigmoid
from tests.unit.blenders.drawn import drawn


def test_committee_is_the_mean_of_its_blenders_logits() -> None:
    rows = drawn()
    specs = [{"name": "greedy", "steps": 4}, {"name": "convex"}, {"name": "logistic"}]
    members = [parts.build("blenders", spec) for spec in specs]
    committee = parts.build("blenders", {"name": "committee", "of": specs})
    wanted = np.mean([member.predict(member.fit(rows), rows) for member in members], axis=0)
    assert np.allclose(committee.predict(committee.fit(rows), rows), wanted, rtol=1e-12)


@pytest.mark.parametrize("inner", [{"name": "greedy", "steps": 4}, {"name": "logistic"}, {"name": "vote"}])
def test_per_class_fits_frequent_classes_by_themselves(inner: dict) -> None:
    rows = drawn()
    counts = rows.known_labels.sum(axis=0)
    frequent = counts >= counts[2]
    assert frequent.tolist() == [False, False, True, True]
    blender, wrapped = (
        parts.build("blenders", spec) for spec in (inner, {"name": "per_class", "blender": inner, "positives": int(counts[2])})
    )
    shared, found = blender.predict(blender.fit(rows), rows), wrapped.predict(wrapped.fit(rows), rows)
    assert (found[:, ~frequent] == shared[:, ~frequent]).all()
    for column in np.flatnonzero(frequent):
        alone = rows.of_classes([int(column)])
        assert (found[:, column] == blender.predict(blender.fit(alone), alone)[:, 0]).all()


def test_calibrated_models_are_blended_by_platts_curves() -> None:
    rows = drawn()
    blender = parts.build("blenders", {"name": "calibrated", "blender": {"name": "mean"}})
    probs = [
        [Platt.fit(scores, has).predict(scores) for scores, has in zip(logits.T, rows.known_labels.T, strict=True)]
        for logits in rows.logits
    ]
    found = sigmoid(blender.predict(blender.fit(rows), rows.unlabelled()))
    np.testing.assert_allclose(found, np.mean(probs, axis=0).T, rtol=1e-5)


def test_a_model_that_is_too_sure_counts_as_if_it_were_not() -> None:
    rows = drawn()
    surer = replace(rows, logits=rows.logits * np.array([5, 1, 1, 1], np.float32)[:, None, None] + np.float32(2))
    spec = {"name": "calibrated", "blender": {"name": "mean"}}
    (one, other), plain = (
        [blender.predict(blender.fit(each), each) for each in (rows, surer)] for blender in (parts.build("blenders", spec), Mean())
    )
    np.testing.assert_allclose(one, other, atol=1e-3)
    assert np.abs(plain[0] - plain[1]).max() > 1


def test_a_committee_of_wrapped_blenders() -> None:
    rows = drawn()
    spec = {"name": "committee", "of": [{"name": "per_class", "blender": {"name": "convex"}, "positives": 50}, {"name": "mean"}]}
    blender = parts.build("blenders", spec)
    assert np.isfinite(blender.predict(blender.fit(rows), rows)).all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "committee", "of": []}, r"blenders\.committee: nobody is in it"),
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
        parts.build("blenders", spec)
