"""The curve against scikit-learn at each of its thresholds."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from comp.metrics.curves import f1_curve


@pytest.mark.parametrize("seed", range(5))
def test_each_point_is_the_f1_at_its_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    is_positive = rng.random(300) < [0.01, 0.1, 0.5, 0.9, 0.0][seed]
    scores = (rng.normal(size=300) + is_positive).round(1 if seed % 2 else 6).astype(np.float32)
    thresholds, f1 = f1_curve(scores, is_positive, points=9)
    assert (np.diff(thresholds) > 0).all()
    assert 3 <= len(thresholds) <= 9
    assert thresholds[0] == scores.min()
    assert thresholds[-1] == scores.max()
    for threshold, value in zip(thresholds, f1, strict=True):
        assert value == pytest.approx(f1_score(is_positive, scores >= threshold, zero_division=0))
