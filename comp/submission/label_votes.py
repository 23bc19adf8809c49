"""Votes over decisions: a label is predicted if enough voters predict it. Nothing here is fitted to labels."""

import numpy as np
from numpy.typing import NDArray

from comp.metrics.macro_f1 import f1_from_counts

Bools = NDArray[np.bool_]


def majority(decisions: Bools, at_least: int, *, needs_labels: bool) -> tuple[Bools, Bools]:
    """The decisions (N, C) of a vote, and the rows (N,) where no label had enough votes.

    Args:
        decisions: (F, N, C) of F voters.
        at_least: how many votes a label needs.
        needs_labels: whether such a row gets its most voted label, the first class among equals; else it stays empty.
    """
    votes = decisions.sum(axis=0)
    won: Bools = votes >= at_least
    empty = np.asarray(~won.any(axis=1))
    if needs_labels:
        won[empty, votes[empty].argmax(axis=1)] = True
    return won, empty


def agreement(decisions: Bools) -> NDArray[np.float64]:
    """Macro F1 (F, F) between each pair of voters, over the classes that either of the two predicts.

    F1 is symmetric: it does not matter which voter is taken as the truth. A pair that predicts no class agrees fully, 1.

    Args:
        decisions: (F, N, C) of F voters.
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


def agreement_table(names: list[str], found: NDArray[np.float64]) -> str:
    """Macro F1 of each voter (line) with each earlier one (column, by number)."""
    width = max(map(len, names))
    lines = [
        "agreement: macro F1 of each pair, over the classes that either predicts",
        " " * (width + 5) + "".join(f"{f'[{number}]':>8}" for number in range(1, len(names))),
    ]
    for number, name in enumerate(names):
        cells = "".join(f"{value:>8.4f}" for value in found[number, :number])
        lines.append(f"{f'[{number + 1}]':<5}{name:<{width}}{cells}".rstrip())
    return "\n".join(lines)
