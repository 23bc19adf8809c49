"""A contest of stackers on the same outer folds: the decisions of each about held-out rows, scored alike."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from comp.base.missing_packages import explained
from comp.base.progress import track
from comp.metrics.bootstrap import Estimate, GroupBootstrap, Scored
from comp.stacking.prediction_set import PredictionSet
from tests.benchmarks.peers import Margins, Peer

Bools = NDArray[np.bool_]
HEADS = ("", "macro F1", "our gain over it", "we are", "seconds")
NOTES = """macro F1: pooled over the held-out folds, +- standard error over groups; our gain: paired on the same resamples of groups.
within one s.e.: the gain is at most its standard error; ahead, behind: it is larger. seconds: fitting and deciding, on one core
(our stacks: on as many as WORKERS says)."""


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


@dataclass(frozen=True)
class Result:
    """What one entrant reached.

    Attributes:
        score: macro F1; None if it could not take part.
        gain: how much higher the first entrant's score is, paired; None likewise.
    """

    name: str
    score: Estimate | None
    gain: Estimate | None
    seconds: float
    note: str


def timed(name: str, decide: Callable[[], Bools]) -> Entrant:
    started = perf_counter()
    decisions = decide()
    return Entrant(name, decisions, perf_counter() - started)


def by_peer(name: str, peer: Peer, labelled: PredictionSet) -> Entrant:
    """The peer's decisions. A peer that fails, for whatever reason, could not take part."""
    try:
        return timed(name, lambda: decided(margins_across(peer, labelled, name), labelled.needs_labels))
    except Exception as error:
        told = explained(error) if isinstance(error, ModuleNotFoundError) else None
        return Entrant(name, note=" ".join((str(told or error) or type(error).__name__).split()))


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


def results(entrants: Iterable[Entrant], bootstrap: GroupBootstrap) -> list[Result]:
    """The scores of all entrants, and the gain of the first one, ours, over each."""
    found: list[Result] = []
    ours: Scored | None = None
    for one in entrants:
        scored = None if one.decisions is None else bootstrap.score(one.decisions)
        ours = ours or scored
        gain = ours.gain_over(scored) if ours and scored else None
        found.append(Result(one.name, None if scored is None else scored.estimate, gain, one.seconds, one.note))
    return found


def verdict(gain: Estimate) -> str:
    """Our paired gain in words."""
    if abs(gain.value) <= gain.error:
        return "within one s.e."
    return "ahead" if gain.value > 0 else "behind"


def table(found: Sequence[Result]) -> str:
    """One line per entrant; the first one, ours, is compared with all others."""
    lines, notes = [HEADS], []
    for number, one in enumerate(found):
        if one.score is None or one.gain is None:
            lines.append((one.name, "not measured", "", "", ""))
            notes.append(f"{one.name}: {one.note}")
            continue
        lines.append((one.name, f"{one.score:.4f}", *against(one.gain, is_ours=number == 0), f"{one.seconds:.1f}"))
    return "\n".join([*columns(lines), NOTES, *notes])


def against(gain: Estimate, *, is_ours: bool) -> tuple[str, str]:
    """Our gain and the verdict; nothing in our own line."""
    return ("", "") if is_ours else (f"{gain:+.4f}", verdict(gain))


def columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width, names and verdicts to the left, numbers to the right."""
    left = {0, lines[0].index("we are")}
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
