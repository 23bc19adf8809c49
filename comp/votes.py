"""Votes over decisions: a label is predicted where enough files say so. Nothing here is fitted to labels."""

import numpy as np
from numpy.typing import NDArray

from comp.metrics import f1_from_counts

Bools = NDArray[np.bool_]


def majority(decisions: Bools, at_least: int) -> tuple[Bools, Bools]:
    """Decisions (N, C) of a vote, and which rows (N,) no label won and got their most voted one, the first class among equals.

    Args:
        decisions: (F, N, C) of F voters.
        at_least: how many of them a label needs.
    """
    votes = decisions.sum(axis=0)
    won: Bools = votes >= at_least
    empty = np.asarray(~won.any(axis=1))
    won[empty, votes[empty].argmax(axis=1)] = True
    return won, empty


def agreement(decisions: Bools) -> NDArray[np.float64]:
    """Macro F1 (F, F) of each voter against each other, over the classes that either of the two predicts.

    F1 is the same whichever of two is taken for the truth; with no such class they agree, 1.
    """
    count = len(decisions)
    found = np.ones((count, count))
    for one in range(count):
        for other in range(one):
            both, either = (decisions[one] & decisions[other]).sum(axis=0), (decisions[one] | decisions[other]).sum(axis=0)
            used = either > 0
            if used.any():
                found[one, other] = found[other, one] = f1_from_counts(both[used], (either - both)[used], np.zeros(used.sum())).mean()
    return found
