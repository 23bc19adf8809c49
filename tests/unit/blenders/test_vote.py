"""The vote against counting."""

from dataclasses import replace

import numpy as np
import pytest

from comp import parts
from comp.rows import Rows
from tests.unit.blenders.drawn import drawn, seen_by


def blended(spec: dict, rows: Rows) -> np.ndarray:
    blender = parts.build("blenders", spec)
    return blender.predict(blender.fit(rows), rows.unlabelled())


def test_vote_is_above_zero_exactly_where_a_majority_says_yes() -> None:
    rows = drawn(models=3)
    blender = parts.build("blenders", {"name": "vote"})
    state = blender.fit(rows)
    votes = np.sum([logits >= np.array(state[model]) for model, logits in zip(rows.models, rows.logits, strict=True)], axis=0)
    logits = blender.predict(state, rows)
    assert ((logits > 0) == (votes >= 2)).all()
    for fewer in range(3):
        assert logits[votes == fewer].max() < logits[votes == fewer + 1].min()


def test_vote_breaks_a_draw_by_the_distances() -> None:
    rows = seen_by(np.array([[[3.0], [0.5], [-1.0]], [[-1.0], [-0.1], [-4.0]]]), None)
    found = parts.build("blenders", {"name": "vote"}).predict({"a": [0.0], "b": [0.0]}, rows)
    mean = (np.tanh(1.5) - np.tanh(0.5)) / 2
    assert found[0, 0] == pytest.approx(np.log((2 + mean / 2) / (2 - mean / 2)))
    assert found[1, 0] > 0 > found[2, 0]


def test_vote_never_says_a_class_that_nobody_saw() -> None:
    rows = drawn(models=3)
    labels = rows.known_labels & [False, True, True, True]
    assert (blended({"name": "vote"}, replace(rows, labels=labels))[:, 0] < 0).all()
