"""The fold map: the fold and the group of each train id, its checks, its CSV and its fingerprint."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.base.errors import DataError, FoldError
from comp.base.files import atomic_write, hash_of
from comp.competition.csv_file import read_csv
from comp.competition.ids import shorten

HOLDOUT = -1
FEWEST_FOLDS = 3  # nested cross-validation: one to score on, one to choose on, one to fit on
MOST_FOLDS = 100


@dataclass(frozen=True, eq=False)
class FoldMap:
    """Which fold holds out each image.

    Attributes:
        ids: the ids of `train.csv`.
        fold: (N,) int8, 0..K-1, or -1 for the hold-out, on which nothing is trained or tuned.
        group: what the image belongs to: its antibody, else its set of near-duplicates (named after the first id), else its own id.

    Raises:
        FoldError: lengths differ, an id comes twice, or the folds are not 0..K-1 (K >= 2) and -1.
    """

    ids: tuple[str, ...]
    fold: NDArray[np.int8]
    group: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.fold) == len(self.group):
            lengths = f"{len(self.ids)} ids, {len(self.fold)} folds, {len(self.group)} groups"
            raise FoldError(lengths, "give every id one fold and one group")
        check_unique(self.ids)
        present = [int(fold) for fold in np.unique(self.fold) if fold != HOLDOUT]
        if len(present) < 2 or present != list(range(len(present))):
            raise FoldError(f"the folds are {present}", "number them 0, 1, … without a gap, at least two (-1 is the hold-out)")

    @property
    def count(self) -> int:
        """How many folds there are, the hold-out not counted."""
        return int(self.fold.max()) + 1

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits. They change with any id, fold or group, but not with the order of the rows."""
        return hash_of(sorted(zip(self.ids, self.fold.tolist(), self.group, strict=True)))

    def trained_on(self, fold: int) -> NDArray[np.int64]:
        """Row numbers that the model of a fold is trained on: those of all other folds, never the hold-out. For -1: those of all folds."""
        return np.flatnonzero((self.fold != fold) & (self.fold != HOLDOUT))

    def known(self) -> NDArray[np.bool_]:
        """(N,) whether another fold has rows of the row's group: the model that predicts the held-out row was trained on its group."""
        group = np.unique(self.group, return_inverse=True)[1]
        trained = self.fold != HOLDOUT
        in_fold = np.zeros((group.max() + 1, self.count), bool)
        in_fold[group[trained], self.fold[trained]] = True
        # Subtract the row's own fold; rows of the hold-out have none.
        return (in_fold.sum(1)[group] - trained) > 0

    def check_ids(self, ids: Sequence[str]) -> None:
        """Check that the map has exactly these ids, in any order.

        Raises:
            FoldError: an id is missing or too many; the message names one.
        """
        for what, unexpected in (("lacks", set(ids) - set(self.ids)), ("has", set(self.ids) - set(ids))):
            if unexpected:
                other = "that train.csv has" if what == "lacks" else "that train.csv does not have"
                raise FoldError(f"the fold map {what} {len(unexpected)} ids {other}, e.g. {min(unexpected)}", "run `make folds` again")

    def in_order(self, ids: Sequence[str]) -> "FoldMap":
        """The same map with its rows in the order of `ids`, which must be exactly its own (see `check_ids`)."""
        self.check_ids(ids)
        place = {name: row for row, name in enumerate(self.ids)}
        rows = [place[name] for name in ids]
        return FoldMap(tuple(ids), self.fold[rows], tuple(self.group[row] for row in rows))

    def split_pairs(self, pairs: pd.DataFrame) -> list[str]:
        """Near-duplicates (columns id_a, id_b) that lie in different folds, each as "a (fold 0) and b (fold 2)"."""
        fold = dict(zip(self.ids, self.fold.tolist(), strict=True))
        within = [(a, b) for a, b in zip(pairs["id_a"], pairs["id_b"], strict=True) if a in fold and b in fold]
        return [f"{a} (fold {fold[a]}) and {b} (fold {fold[b]})" for a, b in within if fold[a] != fold[b]]

    def write(self, path: Path) -> None:
        """Write the map as a CSV with columns id, fold and group."""
        table = pd.DataFrame({"id": self.ids, "fold": self.fold, "group": self.group})
        with atomic_write(path) as file:
            table.to_csv(file, index=False, lineterminator="\n")

    @classmethod
    def read(cls, path: Path) -> "FoldMap":
        """Read a CSV with columns id, fold and group.

        Raises:
            FoldError: the file or a column is missing, it is no CSV, or its content is no fold map, e.g. cut off.
        """
        again = "run `make folds`, or correct it"
        if not path.exists():
            raise FoldError(f"there is no {path}", "run `make folds`")
        try:
            table = read_csv(path)
        except DataError as error:
            raise FoldError(f"{path} is not a CSV table ({error.what.removeprefix(str(path)).strip(': ')})", again) from None
        if missing := [column for column in ("id", "fold", "group") if column not in table.columns]:
            raise FoldError(f"{path} has no column {missing[0]!r}", again)
        fold = pd.to_numeric(table["fold"], errors="coerce")
        if len(bad := table[~fold.isin(range(HOLDOUT, MOST_FOLDS))]):
            raise FoldError(f"{path}: fold {shorten(bad['fold'].iloc[0])!r} of id {shorten(bad['id'].iloc[0])} is not a fold", again)
        if len(bad := table[table["group"] == ""]):
            raise FoldError(f"{path}: id {bad['id'].iloc[0]} has no group", "give it one, its own id if it is alone; or run `make folds`")
        try:
            return cls(tuple(table["id"]), fold.to_numpy(np.int8), tuple(table["group"]))
        except FoldError as error:
            raise FoldError(f"{path}: {error.what}", again) from None


def check_enough_folds(count: int, source: str, then: str) -> None:
    """Raise FoldError if nested cross-validation cannot score a stack on so few folds. `source` says whose they are."""
    if count < FEWEST_FOLDS:
        raise FoldError(f"{source} has {count} folds, and nested cross-validation needs {FEWEST_FOLDS}", then)


def check_unique(ids: Sequence[str]) -> None:
    """Raise FoldError if an id comes twice."""
    if len(set(ids)) < len(ids):
        repeated = pd.Series(list(ids))
        raise FoldError(f"id {repeated[repeated.duplicated()].iloc[0]} comes twice", "keep one of them")
