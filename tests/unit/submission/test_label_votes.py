"""Votes and agreement against a count by hand and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from comp.submission.label_votes import agreement, majority


@pytest.mark.parametrize(("voters", "at_least"), [(2, 1), (3, 2), (4, 2), (5, 1), (5, 5)])
def test_a_label_needs_so_many_votes_and_an_empty_row_gets_its_most_voted_one(voters, at_least):
    decisions = np.random.default_rng(voters).random((voters, 60, 4)) < 0.35
    decisions[:, :, 0] |= ~decisions.any(axis=2)
    before = decisions.copy()
    voted, empty = majority(decisions, at_least, needs_labels=True)
    np.testing.assert_array_equal(decisions, before)
    emptied = 0
    for row in range(60):
        votes = [sum(int(voter[row, column]) for voter in decisions) for column in range(4)]
        winners = {column for column in range(4) if votes[column] >= at_least}
        assert empty[row] == (not winners)
        emptied += not winners
        assert set(np.flatnonzero(voted[row]).tolist()) == (winners or {votes.index(max(votes))})
    assert emptied > 0 or at_least == 1


def test_ties_of_an_empty_row_go_to_the_first_class():
    decisions = np.zeros((3, 1, 4), bool)
    for voter, column in enumerate((3, 1, 2)):
        decisions[voter, 0, column] = True
    voted, empty = majority(decisions, 2, needs_labels=True)
    assert voted.tolist() == [[False, True, False, False]]
    assert empty.tolist() == [True]


def test_where_no_label_is_needed_a_row_without_enough_votes_stays_empty():
    decisions = np.random.default_rng(0).random((3, 60, 4)) < 0.3
    voted, empty = majority(decisions, 2, needs_labels=False)
    np.testing.assert_array_equal(voted, sum(decisions.astype(int)) >= 2)
    np.testing.assert_array_equal(empty, [not any(row) for row in voted.tolist()])
    assert empty.any()


def test_agreement_is_the_macro_f1_of_scikit_learn_over_the_classes_that_either_predicts():
    decisions = np.random.default_rng(0).random((3, 50, 5)) < [0.5, 0.3, 0.1, 0.02, 0.0]
    found = agreement(decisions)
    for one in range(3):
        for other in range(3):
            used = (decisions[one] | decisions[other]).any(axis=0)
            wanted = f1_score(decisions[one][:, used], decisions[other][:, used], average="macro", zero_division=0)
            assert found[one, other] == pytest.approx(wanted)
    assert agreement(np.zeros((2, 3, 4), bool)).tolist() == [[1, 1], [1, 1]]
