"""A contest of stackers on the same outer folds: the decisions of each about held-out rows, scored alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from comp.base.progress import track
from comp.metrics.bootstrap import Estimate, GroupBootstrap
from comp.stacking.prediction_set import PredictionSet
from tests.benchmarks.peers import Margins, Peer

Bools = NDArray[np.bool_]
HEADS = ("", "macro F1", "our gain over it", "we are", "seconds")
NOTES = """macro F1: pooled over the held-out folds, +- standard error over groups; our gain: paired on the same resamples of groups.
within one s.e.: the gain is at most its standard error; ahead, behind: it is larger. seconds: fitting and deciding, on one core."""


@dataclass(frozen=True, eq=False)
class Entrant:
    """One stacker of the contest.

    Attributes:
        decisions: (N, C) about held-out rows; None if it could not take part.
        seconds: fitting and deciding in all folds.
        note: why it could not take part.
    """

    name: str
    decisions: Bools | None = None
    seconds: float = 0.0
    note: str = ""


def timed(name: str, decide: Callable[[], Bools]) -> Entrant:
    started = perf_counter()
    decisions = decide()
    return Entrant(name, decisions, perf_counter() - started)


def by_peer(name: str, peer: Peer, labelled: PredictionSet) -> Entrant:
    return timed(name, lambda: decided(margins_across(peer, labelled, name), labelled.needs_labels))


def margins_across(peer: Peer, labelled: PredictionSet, label: str) -> Margins:
    """The peer's margins (N, C), each row by a fit without the row's fold. The peer gets the held-out rows without labels."""
    margins = np.empty(labelled.known_labels.shape)
    for fold in track(np.unique(labelled.folds).tolist(), label, unit="fold"):
        held = labelled.folds == fold
        margins[held] = peer(labelled.take(~held), labelled.take(held).unlabelled())
    return margins


def decided(margins: Margins, needs_labels: bool) -> Bools:
    """Decisions (N, C). A row without a label that `needs_labels` gets the class of the highest margin, the first among equals."""
    decisions = margins >= 0
    if needs_labels:
        empty = ~decisions.any(axis=1)
        decisions[empty, margins[empty].argmax(axis=1)] = True
    return decisions


def verdict(gain: Estimate) -> str:
    """Our paired gain in words."""
    if abs(gain.value) <= gain.error:
        return "within one s.e."
    return "ahead" if gain.value > 0 else "behind"


def table(entrants: Sequence[Entrant], bootstrap: GroupBootstrap) -> str:
    """One line per entrant; the first one, ours, is compared with all others."""
    lines, notes = [HEADS], []
    assert entrants[0].decisions is not None
    ours = bootstrap.score(entrants[0].decisions)
    for one in entrants:
        if one.decisions is None:
            lines.append((one.name, "not measured", "", "", ""))
            notes.append(f"{one.name}: {one.note}")
            continue
        scored = bootstrap.score(one.decisions)
        gain = ours.gain_over(scored)
        against = ("", "") if one is entrants[0] else (f"{gain:+.4f}", verdict(gain))
        lines.append((one.name, f"{scored.estimate:.4f}", *against, f"{one.seconds:.1f}"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    formatted = [
        f"{line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]:<{widths[3]}}  {line[4]:>{widths[4]}}".rstrip()
        for line in lines
    ]
    return "\n".join([*formatted, NOTES, *notes])
