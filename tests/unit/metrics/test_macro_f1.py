import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from comp.metrics.auroc import mean_auroc
from comp.metrics.logits import logit, sigmoid
from comp.metrics.macro_f1 import macro_f1, per_class_f1


@pytest.mark.parametrize("seed", range(5))
def test_f1_is_scikit_learns(seed):
    generator = np.random.default_rng(seed)
    labels, decisions = generator.random((2, 40, 9)) < 0.2
    labels[:, 0] = decisions[:, 1] = False  # a class without an image, one never predicted
    labels[:, 2] = decisions[:, 2] = False  # and one with neither
    np.testing.assert_allclose(per_class_f1(labels, decisions), f1_score(labels, decisions, average=None, zero_division=0))
    assert macro_f1(labels, decisions) == pytest.approx(f1_score(labels, decisions, average="macro", zero_division=0))


def test_the_last_class_alone_does_not_decide():
    labels = np.array([[1, 0], [1, 0]], bool)
    assert macro_f1(labels, labels) == 0.5


def test_logit_inverts_sigmoid_and_clips():
    logits = np.array([-15.0, -1.0, 0.0, 2.5, 15.0])
    np.testing.assert_allclose(logit(sigmoid(logits)), logits, rtol=1e-6)
    np.testing.assert_array_equal(logit(np.array([0.0, 1.0])), [-16, 16])
    assert sigmoid(np.array([-1000.0, 1000.0])).tolist() == [0, 1]


def test_auroc_is_scikit_learns_with_ties_and_leaves_out_what_has_one_outcome():
    generator = np.random.default_rng(0)
    labels, scores = generator.random((60, 4)) < 0.3, generator.integers(0, 6, (60, 4)) / 5
    expected = roc_auc_score(labels, scores, average="macro")
    assert mean_auroc(labels, scores) == pytest.approx(expected)
    one_sided = np.c_[labels, np.zeros((60, 1), bool)], np.c_[scores, scores[:, :1]]
    assert mean_auroc(*one_sided) == pytest.approx(expected)
    assert np.isnan(mean_auroc(labels[:, :0], scores[:, :0]))
