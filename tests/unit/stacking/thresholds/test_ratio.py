"""The ratio rule predicts as many rows as it is told, or as have the label."""

import numpy as np
import pytest

from comp.base import registry
from comp.base.errors import ConfigError
from comp.metrics.f1_search import NEVER


def ratio(**options):
    return registry.build("thresholds", {"name": "ratio", **options})


def predicted(predictions, **options):
    return (predictions.logits[0] >= ratio(**options).fit(predictions)).sum(axis=0)


def test_as_many_rows_are_predicted_as_have_the_class(draw):
    predictions = draw()
    assert (predicted(predictions) == predictions.known_labels.sum(axis=0)).all()


def test_the_factor_multiplies_estimates_up_to_all_rows(draw):
    predictions = draw()
    count = predictions.known_labels.sum(axis=0)
    assert (predicted(predictions, factor=2) == np.minimum(2 * count, 400)).all()


def test_given_shares_stand_as_they_are(draw):
    predictions = draw(positives=(0.02, 0.1, 0.0, 0.7))
    found = predicted(predictions, ratios={0: 0.25, 2: 0.01, 3: 1.0}, factor=2)
    assert found.tolist() == [100, 2 * predictions.known_labels[:, 1].sum(), 4, 400]


def test_a_share_of_less_than_a_row_predicts_one(draw):
    assert predicted(draw(), ratios={0: 1e-6})[0] == 1


def test_ties_with_the_last_row_belong_to_it(draw):
    predictions = draw(decimals=0)
    highest = np.sort(predictions.logits[0], axis=0)[::-1]
    count = predictions.known_labels.sum(axis=0)
    for column, said in enumerate(predicted(predictions)):
        assert said == (predictions.logits[0][:, column] >= highest[count[column] - 1, column]).sum()


def test_a_share_for_a_class_that_there_is_not_is_refused(draw):
    with pytest.raises(ConfigError, match="ratios name class 4: number the classes 0 to 3"):
        ratio(ratios={4: 0.1}).fit(draw())


def test_an_absent_class_without_a_given_share_is_never_predicted(draw):
    assert ratio(factor=5).fit(draw(positives=(0.0, 0.5)))[0] == NEVER
