"""Trees: what they see, when they stand back, and that they do not depend on the order of rows."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from comp import parts
from comp.errors import ConfigError
from comp.metrics import sigmoid
from comp.rows import Rows
from tests.unit.blenders.drawn import drawn, seen_by


def blended(spec: dict, rows: Rows) -> np.ndarray:
    blender = parts.build("blenders", spec)
    return blender.predict(blender.fit(rows), rows.unlabelled())


def test_lightgbm_keeps_the_mean_of_probabilities_below_the_positives_asked_for() -> None:
    rows = drawn()
    counts = rows.known_labels.sum(axis=0)
    positives = int(counts[1]) + 1
    spec = {"name": "lightgbm", "positives": positives, "trees": 5}
    state = parts.build("blenders", spec).fit(rows)
    assert [bool(trees) for trees in state] == [min(count, 300 - count) >= positives for count in counts] == [False, False, True, True]
    assert (blended(spec, rows)[:, :2] == blended({"name": "mean"}, rows)[:, :2]).all()


def test_lightgbm_gives_log_odds_of_what_the_models_know() -> None:
    rows, fresh = drawn(count=3000, positives=(0.3,)), drawn(1, count=3000, positives=(0.3,))
    blender = parts.build("blenders", {"name": "lightgbm"})
    logits = blender.predict(blender.fit(rows), fresh.unlabelled())
    assert sigmoid(logits).mean() == pytest.approx(0.3, abs=0.03)
    assert roc_auc_score(fresh.known_labels, logits[:, 0]) > max(roc_auc_score(fresh.known_labels, each[:, 0]) for each in fresh.logits)


def test_lightgbm_sees_features_and_other_classes_where_told() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((2000, 2)) < 0.4
    known = np.where(rng.random((2000, 1)) < 0.2, np.nan, labels[:, :1] + 0.3 * rng.normal(size=(2000, 1))).astype(np.float32)
    blind = seen_by(rng.normal(size=(2, 2000, 2)), labels)
    telling = replace(blind, features=known)
    crossed = seen_by(np.stack([labels[:, ::-1] * 2.0 + rng.normal(size=(2000, 2))]), labels)  # each class' logit knows the other's label

    def aurocs(rows: Rows, **options: str) -> list[float]:
        logits = blended({"name": "lightgbm", "trees": 10, **options}, rows)
        return [roc_auc_score(has, values) for has, values in zip(labels.T, logits.T, strict=True)]

    assert aurocs(blind)[0] < 0.75 < 0.85 < aurocs(telling)[0]
    assert max(aurocs(crossed)) < 0.75 < 0.85 < min(aurocs(crossed, logits="all"))


def test_lightgbm_with_features_does_not_depend_on_the_order_of_rows() -> None:
    rows = replace(drawn(), features=np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32))
    mixed = np.random.default_rng(1).permutation(300)
    blender = parts.build("blenders", {"name": "lightgbm", "trees": 5, "positives": 20})
    assert blender.fit(rows) == blender.fit(rows.take(mixed))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "lightgbm", "logits": "some"}, "logits = 'some' does not fit"),
        ({"name": "lightgbm", "positives": 0}, "positives = 0 does not fit"),
    ],
)
def test_wrong_options_are_refused(spec: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parts.build("blenders", spec)
