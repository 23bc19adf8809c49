"""A synthetic image before it is drawn: everything that determines it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from comp.competition.extra_rows import ANY_FOLD

BATCH = 16  # images that are drawn together


@dataclass(frozen=True)
class SyntheticRow:
    """A row of a set of extra rows, and the random stream of its image.

    Attributes:
        labels: columns of the competition's classes.
        seed: of the random stream.
        sources: the train images that it is made from.
        group: its own; "" if it has none, or those of its sources.
        only_fold: the one fold that may be trained on it, or `ANY_FOLD`.
    """

    id: str
    labels: tuple[int, ...]
    seed: tuple[int, ...]
    sources: tuple[str, ...] = ()
    group: str = ""
    only_fold: int = ANY_FOLD


def in_batches(rows: Iterable[SyntheticRow]) -> Iterator[tuple[SyntheticRow, ...]]:
    """Rows that are drawn together: always the same ones, and all of one fold."""
    for _, of_fold in groupby(rows, lambda row: row.only_fold):
        together = tuple(of_fold)
        for start in range(0, len(together), BATCH):
            yield together[start : start + BATCH]
