"""Trees: their inputs, when the mean is kept, and that they do not depend on the order of rows."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from comp.base import registry
from comp.base.errors import ConfigError
from comp.metrics.logits import sigmoid
from comp.stacking.prediction_set import PredictionSet
from tests.unit.stacking.blenders.drawn import drawn, prediction_set


def blended(spec: dict, predictions: PredictionSet) -> np.ndarray:
    blender = registry.build("blenders", spec)
    return blender.predict(blender.fit(predictions), predictions.unlabelled())


def test_lightgbm_keeps_the_mean_of_probabilities_below_the_positives_asked_for() -> None:
    predictions = drawn()
    counts = predictions.known_labels.sum(axis=0)
    positives = int(counts[1]) + 1
    spec = {"name": "lightgbm", "positives": positives, "trees": 5}
    state = registry.build("blenders", spec).fit(predictions)
    assert [bool(trees) for trees in state] == [min(count, 300 - count) >= positives for count in counts] == [False, False, True, True]
    assert (blended(spec, predictions)[:, :2] == blended({"name": "mean"}, predictions)[:, :2]).all()


def test_lightgbm_gives_log_odds_of_what_the_models_know() -> None:
    predictions, fresh = drawn(count=3000, positives=(0.3,)), drawn(1, count=3000, positives=(0.3,))
    blender = registry.build("blenders", {"name": "lightgbm"})
    logits = blender.predict(blender.fit(predictions), fresh.unlabelled())
    assert sigmoid(logits).mean() == pytest.approx(0.3, abs=0.03)
    assert roc_auc_score(fresh.known_labels, logits[:, 0]) > max(roc_auc_score(fresh.known_labels, each[:, 0]) for each in fresh.logits)


def test_lightgbm_sees_features_and_other_classes_where_told() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random((2000, 2)) < 0.4
    known = np.where(rng.random((2000, 1)) < 0.2, np.nan, labels[:, :1] + 0.3 * rng.normal(size=(2000, 1))).astype(np.float32)
    blind = prediction_set(rng.normal(size=(2, 2000, 2)), labels)
    telling = replace(blind, features=known)
    crossed = prediction_set(
        np.stack([labels[:, ::-1] * 2.0 + rng.normal(size=(2000, 2))]), labels
    )  # each class' logit knows the other's label

    def aurocs(predictions: PredictionSet, **options: str) -> list[float]:
        logits = blended({"name": "lightgbm", "trees": 10, **options}, predictions)
        return [roc_auc_score(is_positive, values) for is_positive, values in zip(labels.T, logits.T, strict=True)]

    assert aurocs(blind)[0] < 0.75 < 0.85 < aurocs(telling)[0]
    assert max(aurocs(crossed)) < 0.75 < 0.85 < min(aurocs(crossed, logits="all"))


def test_lightgbm_with_features_does_not_depend_on_the_order_of_rows() -> None:
    predictions = replace(drawn(), features=np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32))
    mixed = np.random.default_rng(1).permutation(300)
    blender = registry.build("blenders", {"name": "lightgbm", "trees": 5, "positives": 20})
    assert blender.fit(predictions) == blender.fit(predictions.take(mixed))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "lightgbm", "logits": "some"}, "logits = 'some' does not fit"),
        ({"name": "lightgbm", "positives": 0}, "positives = 0 does not fit"),
    ],
)
def test_wrong_options_are_refused(spec: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.build("blenders", spec)
