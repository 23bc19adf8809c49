"""Scores by usage: over all classes, a class without a hit counting 0."""

from pathlib import Path

import numpy as np
import pytest

from comp.metrics.bootstrap import Estimate
from comp.submission.scoring import UsageScore, score_sentence, scores_by_usage

LABELS = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0]], bool)
DECISIONS = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]], bool)
USAGE = np.array(["private", "private", "public", "public"])


def test_classes_that_do_not_occur_in_a_usage_count_0() -> None:
    found = scores_by_usage(LABELS, DECISIONS, USAGE)
    assert list(found) == ["private", "public"]
    assert found["private"].macro_f1.value == pytest.approx(2 / 3)
    assert found["public"].macro_f1.value == pytest.approx((2 / 3 + 0 + 0) / 3)
    assert found["public"].constant == pytest.approx(1 / 3)
    assert [score.images for score in found.values()] == [2, 2]


@pytest.mark.parametrize(
    ("usages", "sentence"),
    [
        (["all"], "a.csv scores 0.5000 macro F1 on 7 labelled images"),
        (["private", "public", "unshifted"], "a.csv scores 0.5000 macro F1 on the private test images (public 0.5000, unshifted 0.5000)"),
        (["public"], "a.csv scores 0.5000 macro F1 on the public test images"),
    ],
)
def test_one_sentence_says_the_score(usages: list[str], sentence: str) -> None:
    assert score_sentence(Path("a.csv"), {usage: UsageScore(7, Estimate(0.5, 0.1), 0.2) for usage in usages}) == sentence
