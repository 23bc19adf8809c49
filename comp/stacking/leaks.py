"""Models whose out-of-fold predictions saw the labels: they are sure and right out of fold, and far less sure on test images.

The F1 to expect of a model follows from its calibrated probabilities alone, without labels, so it can be compared between labelled and
test rows. Calibration is fitted on the out-of-fold rows. On 58 real models (five problems, no known leak) the gap was between -0.014 and
0.027. Where 19 of them had memorised 30 % or all of the labelled rows, or their logits were moved towards the labels by one standard
deviation, all had more than 0.05; with 10 % memorised 79 %, with half a standard deviation 68 % (`tests/studies/test_label_leaks.py`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from comp.metrics.calibration import Platt
from comp.metrics.expected_f1 import expected_f1
from comp.predictions.members import Member

LIMIT = 0.05  # expected F1
FEWEST_POSITIVES = 10  # of a class that is compared
FEWEST_ROWS = 200  # test rows; with 40, one of seven sound models was above the limit, with 300 none


def leaking(
    members: Sequence[Member], labels: NDArray[np.bool_], in_folds: NDArray[np.bool_], shifted: NDArray[np.bool_]
) -> tuple[str, ...]:
    """The models that probably saw the labels of rows they predicted as held out; none if test rows are too few to tell.

    Args:
        labels: (N, C) of the train rows.
        in_folds: (N,) the train rows with out-of-fold predictions.
        shifted: (C,) classes that are left out, because their share differs in the test set: expected F1 falls with the share.
    """
    if members[0].test.shape[0] < FEWEST_ROWS:
        return ()
    here, kept = np.flatnonzero(in_folds), np.flatnonzero(~shifted)
    own = np.ix_(here, kept)
    return tuple(each.name for each in members if confidence_gap(each.train[own], each.test_by_fold[:, :, kept], labels[own]) > LIMIT)


def confidence_gap(held_out: NDArray[np.float32], test: NDArray[np.float32], labels: NDArray[np.bool_]) -> float:
    """By how much the expected F1 on held-out rows is higher than on test rows, the mean over the classes with enough positives; else 0.

    Args:
        held_out: (N, C) logits.
        test: (K, T, C) logits of single networks where there are several: averages are less sure.
        labels: (N, C) of the held-out rows.
    """
    gaps = []
    for column in np.flatnonzero(labels.sum(axis=0) >= FEWEST_POSITIVES):
        platt = Platt.fit(held_out[:, column], labels[:, column])
        on_test = [expected_f1(platt.predict(network[:, column])) for network in test]
        gaps.append(expected_f1(platt.predict(held_out[:, column])) - np.mean(on_test))
    return float(np.mean(gaps)) if gaps else 0.0


def leak_line(models: str) -> str:
    """A warning about these models."""
    return f"far surer on held-out rows than on test images, as if trained on the held-out rows' labels (a leak?): {models}"
