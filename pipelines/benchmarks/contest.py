"""A contest of stackers on the same outer folds: everybody's decisions about rows not fitted on, scored together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from comp.progress import track
from comp.resampling import Estimate, GroupBootstrap
from comp.rows import Rows
from pipelines.benchmarks.peers import Margins, Peer

Bools = NDArray[np.bool_]
HEADS = ("", "macro F1", "our gain over it", "we are", "seconds")
NOTES = """macro F1: pooled over the held-out folds, +- standard error over groups; our gain: paired on the same resamples of groups.
within one s.e.: the gain is no larger than its standard error; ahead, behind: it is. seconds: fitting and deciding, on one core."""


@dataclass(frozen=True, eq=False)
class Entrant:
    """One who takes part.

    Attributes:
        decisions: (N, C) about held-out rows; None of one who could not take part.
        seconds: fitting and deciding in all folds.
        note: why it could not.
    """

    name: str
    decisions: Bools | None = None
    seconds: float = 0.0
    note: str = ""


def timed(name: str, decide: Callable[[], Bools]) -> Entrant:
    started = perf_counter()
    decisions = decide()
    return Entrant(name, decisions, perf_counter() - started)


def by_peer(name: str, peer: Peer, rows: Rows) -> Entrant:
    return timed(name, lambda: decided(margins_across(peer, rows, name)))


def margins_across(peer: Peer, rows: Rows, label: str) -> Margins:
    """The peer's margins (N, C), each row's by a fit without its fold; it never sees the labels of what it decides about."""
    margins = np.empty(rows.known_labels.shape)
    for fold in track(np.unique(rows.folds).tolist(), label, unit="fold"):
        held = rows.folds == fold
        margins[held] = peer(rows.take(~held), rows.take(held).unlabelled())
    return margins


def decided(margins: Margins) -> Bools:
    """Decisions (N, C); a row without a label gets the class of the highest margin, the first among equals."""
    decisions = margins >= 0
    empty = ~decisions.any(axis=1)
    decisions[empty, margins[empty].argmax(axis=1)] = True
    return decisions


def verdict(gain: Estimate) -> str:
    """What a paired gain of ours says in one word or three."""
    if abs(gain.value) <= gain.error:
        return "within one s.e."
    return "ahead" if gain.value > 0 else "behind"


def table(entrants: Sequence[Entrant], bootstrap: GroupBootstrap) -> str:
    """A line an entrant, the first (ours) held against all others."""
    lines, notes = [HEADS], []
    assert entrants[0].decisions is not None
    ours = bootstrap.score(entrants[0].decisions)
    for one in entrants:
        if one.decisions is None:
            lines.append((one.name, "not measured", "", "", ""))
            notes.append(f"{one.name}: {one.note}")
            continue
        scored = bootstrap.score(one.decisions)
        gain = ours.over(scored)
        against = ("", "") if one is entrants[0] else (f"{gain:+.4f}", verdict(gain))
        lines.append((one.name, f"{scored.estimate:.4f}", *against, f"{one.seconds:.1f}"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    drawn = [
        f"{line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]:<{widths[3]}}  {line[4]:>{widths[4]}}".rstrip()
        for line in lines
    ]
    return "\n".join([*drawn, NOTES, *notes])
