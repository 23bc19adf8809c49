"""One table over the contests of several competitions: mean score, mean rank and mean gain of every entrant."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from comp.metrics.bootstrap import Estimate
from tests.benchmarks.contest import Result, against, columns

HEADS = ("", "mean macro F1", "mean rank", "our gain over it", "we are")
NOTES = """mean macro F1, mean rank, our gain: means over the competitions. The error of the mean gain: the root of the sum of the squared
errors of the gains, over the number of competitions. Rank 1 is the highest score; equal scores share their mean rank. The columns of the
competitions are scores; seconds are those of all competitions."""


def ranks(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ranks (E,) of scores (E,), 1 for the highest; equal scores get the mean of their ranks."""
    higher, equal = (scores > scores[:, None]).sum(axis=1), (scores == scores[:, None]).sum(axis=1)
    return higher + (equal + 1) / 2


def mean_gain(gains: Sequence[Estimate]) -> Estimate:
    """The mean of gains on independent rows."""
    return Estimate(float(np.mean([gain.value for gain in gains])), float(np.linalg.norm([gain.error for gain in gains])) / len(gains))


def table_of_all(found: Mapping[str, Sequence[Result]]) -> str:
    """One line per entrant, ours first. An entrant that was not measured everywhere has no mean, and the others are ranked without it.

    Args:
        found: the results of each competition, of the same entrants in the same order.
    """
    entrants = {of_sets[0].name: of_sets for of_sets in zip(*found.values(), strict=True)}
    scores = {name: [one.score.value for one in of_sets if one.score] for name, of_sets in entrants.items()}
    complete = {name: values for name, values in scores.items() if len(values) == len(found)}
    by_set = np.array([*complete.values()]).T  # (competitions, entrants)
    rank = dict(zip(complete, np.mean([ranks(values) for values in by_set], axis=0), strict=True))
    lines = [(*HEADS, *found, "seconds")]
    for number, (name, of_sets) in enumerate(entrants.items()):
        means = ("", "", "", "")
        if name in complete:
            gain = mean_gain([one.gain for one in of_sets if one.gain])
            means = (f"{np.mean(complete[name]):.4f}", f"{rank[name]:.1f}", *against(gain, is_ours=number == 0))
        listed = [f"{one.score.value:.4f}" if one.score else "not measured" for one in of_sets]
        lines.append((name, *means, *listed, f"{sum(one.seconds for one in of_sets):.1f}"))
    return "\n".join([*columns(lines), NOTES])
