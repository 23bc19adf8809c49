"""The logistic blend against a general solver, and how it keeps to its base."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_expit

from comp import parts
from comp.errors import ConfigError
from comp.rows import Rows
from tests.unit.blenders.drawn import best_macro_f1, drawn, seen_by


def blended(spec: dict, rows: Rows) -> np.ndarray:
    blender = parts.build("blenders", spec)
    return blender.predict(blender.fit(rows), rows.unlabelled())


@pytest.mark.parametrize("strength", [0.1, 10.0])
def test_logistic_is_the_optimum_that_a_general_solver_finds(strength: float) -> None:
    rows = drawn(count=200, models=2)
    rows = replace(rows, logits=rows.logits * np.float32(4))
    spec = {"name": "logistic", "base": {"name": "mean"}, "strength": strength, "clip": 5.0}
    found = parts.build("blenders", spec).fit(rows)["slopes"]
    mean = parts.build("blenders", {"name": "mean"})
    base = mean.predict(mean.fit(rows), rows)
    for column, slopes in enumerate(found):
        design = np.column_stack([*np.clip(rows.logits[:, :, column].astype(np.float64), -5, 5), np.ones(200)])
        signs = np.where(rows.known_labels[:, column], 1, -1)

        def loss(free: np.ndarray, design: np.ndarray = design, signs: np.ndarray = signs, column: int = column) -> float:
            logits = base[:, column] + design @ free
            return -log_expit(signs * logits).sum() + (strength * free[:-1] @ free[:-1] + 0.01 * free[-1] ** 2) / 2

        solved = minimize(loss, np.zeros(3), tol=1e-12)
        assert [slopes["a"], slopes["b"], slopes[""]] == pytest.approx(solved.x, abs=1e-4)


def test_logistic_stays_nearer_to_its_base_the_fewer_positives_there_are() -> None:
    rows = drawn(count=4000, positives=(0.002, 0.02, 0.2), seed=1)
    slopes = parts.build("blenders", {"name": "logistic"}).fit(rows)["slopes"]
    sizes = [np.linalg.norm([each[model] for model in rows.models]) for each in slopes]
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("base", ["mean", "convex", "best_single"])
def test_logistic_that_is_held_fast_only_shifts_its_base(base: str) -> None:
    rows = drawn()
    shift = blended({"name": "logistic", "base": {"name": base}, "strength": 1e12}, rows) - blended({"name": base}, rows)
    assert np.ptp(shift, axis=0) == pytest.approx(np.zeros(4), abs=1e-6)


def test_logistic_keeps_its_base_where_a_class_has_one_outcome_alone() -> None:
    rows = drawn()
    labels = rows.known_labels.copy()
    labels[:, 0], labels[:, 1] = False, True
    rows = replace(rows, labels=labels)
    assert parts.build("blenders", {"name": "logistic"}).fit(rows)["slopes"][:2] == [{}, {}]
    assert (blended({"name": "logistic"}, rows)[:, :2] == blended({"name": "convex"}, rows)[:, :2]).all()


def test_logistic_outweighs_a_model_that_is_sure_and_wrong() -> None:
    rows = drawn(count=1000, models=3)
    liar = np.where(np.random.default_rng(0).random((1, 1000, 4)) < 0.5, -16, 16)
    rows = seen_by(np.concatenate([rows.logits[:2], liar]), rows.known_labels)
    held_to_mean = blended({"name": "logistic", "base": {"name": "mean"}}, rows)
    assert best_macro_f1(held_to_mean, rows.known_labels) > best_macro_f1(blended({"name": "mean"}, rows), rows.known_labels)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "logistic", "strength": 0}, "strength = 0 does not fit"),
        ({"name": "logistic", "clip": -8}, "clip = -8 does not fit"),
        ({"name": "logistic", "base": "mean"}, "base = 'mean' does not fit"),
        ({"name": "logistic", "base": {"name": "gredy"}}, "there is no 'gredy'"),
    ],
)
def test_wrong_options_are_refused(spec: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parts.build("blenders", spec)
