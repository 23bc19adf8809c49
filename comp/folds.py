"""The fold map of a competition: id -> fold and group, made once, read by everything, named by its fingerprint."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.errors import FoldError
from comp.files import atomic_write, hash_of
from comp.stratify import deal

HOLDOUT = -1
MOST_FOLDS = 100


@dataclass(frozen=True, eq=False)
class Folds:
    """Which fold holds out each image.

    Attributes:
        ids: the ids of `train.csv`.
        fold: (N,) int8, 0..K-1, or -1 for the hold-out, on which nothing is trained or tuned.
        group: the name of what the image belongs to: its antibody, else its set of near-duplicates, else its own id.

    Raises:
        FoldError: lengths differ, an id comes twice, the folds are not 0..K-1 (K >= 2) and -1.
    """

    ids: tuple[str, ...]
    fold: NDArray[np.int8]
    group: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.fold) == len(self.group):
            lengths = f"{len(self.ids)} ids, {len(self.fold)} folds, {len(self.group)} groups"
            raise FoldError(lengths, "give every id one fold and one group")
        _refuse_repeated(self.ids)
        present = [int(fold) for fold in np.unique(self.fold) if fold != HOLDOUT]
        if len(present) < 2 or present != list(range(len(present))):
            raise FoldError(f"the folds are {present}", "number them 0, 1, … without a gap, at least two (-1 is the hold-out)")

    @property
    def count(self) -> int:
        """How many folds there are, the hold-out not counted."""
        return int(self.fold.max()) + 1

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any id, fold or group, and not with the order of the rows."""
        return hash_of(sorted(zip(self.ids, self.fold.tolist(), self.group, strict=True)))

    def trained_on(self, fold: int) -> NDArray[np.int64]:
        """The rows that the model of a fold is trained on: those of the other folds; of the hold-out's, those of all folds."""
        return np.flatnonzero((self.fold != fold) & (self.fold != HOLDOUT))

    def known(self) -> NDArray[np.bool_]:
        """(N,) whether a model that predicts the row unseen was trained on its group: some other fold has rows of it."""
        group = np.unique(self.group, return_inverse=True)[1]
        trained = self.fold != HOLDOUT
        in_fold = np.zeros((group.max() + 1, self.count), bool)
        in_fold[group[trained], self.fold[trained]] = True
        # A row's own fold is no other one; the hold-out's rows have none.
        return (in_fold.sum(1)[group] - trained) > 0

    def check_ids(self, ids: Sequence[str]) -> None:
        """Refuse a map that is not of exactly these ids, in whatever order.

        Raises:
            FoldError: an id is missing or too many; the message names one.
        """
        for what, odd in (("lacks", set(ids) - set(self.ids)), ("has", set(self.ids) - set(ids))):
            if odd:
                other = "which train.csv has" if what == "lacks" else "which train.csv has not"
                raise FoldError(f"the fold map {what} {len(odd)} ids {other}, {min(odd)} among them", "run `make folds` again")

    def in_order(self, ids: Sequence[str]) -> "Folds":
        """The same map with its rows in the order of `ids`, which must be exactly its own (see `check_ids`)."""
        self.check_ids(ids)
        place = {name: row for row, name in enumerate(self.ids)}
        rows = [place[name] for name in ids]
        return Folds(tuple(ids), self.fold[rows], tuple(self.group[row] for row in rows))

    def split_pairs(self, pairs: pd.DataFrame) -> list[str]:
        """Near-duplicates (columns id_a, id_b) of which one was trained on where the other is held out: "a (fold 0) and b (fold 2)"."""
        fold = dict(zip(self.ids, self.fold.tolist(), strict=True))
        each = [(first, second) for first, second in zip(pairs["id_a"], pairs["id_b"], strict=True) if first in fold and second in fold]
        return [f"{a} (fold {fold[a]}) and {b} (fold {fold[b]})" for a, b in each if fold[a] != fold[b]]

    def write(self, path: Path) -> None:
        table = pd.DataFrame({"id": self.ids, "fold": self.fold, "group": self.group})
        with atomic_write(path) as file:
            table.to_csv(file, index=False, lineterminator="\n")

    @classmethod
    def read(cls, path: Path) -> "Folds":
        """Read a CSV with columns id, fold and group.

        Raises:
            FoldError: no file, no table, a column missing, or anything the class refuses.
        """
        again = "run `make folds`, or correct it"
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        except FileNotFoundError:
            raise FoldError(f"there is no {path}", "run `make folds`") from None
        except (OSError, ValueError) as error:  # pandas' own errors and UnicodeDecodeError are ValueErrors
            raise FoldError(f"{path} is not a CSV table ({str(error).strip()})", again) from None
        if missing := [column for column in ("id", "fold", "group") if column not in table.columns]:
            raise FoldError(f"{path} has no column {missing[0]!r}", again)
        fold = pd.to_numeric(table["fold"], errors="coerce")
        if len(bad := table[~fold.isin(range(HOLDOUT, MOST_FOLDS))]):
            raise FoldError(f"{path}: fold {bad['fold'].iloc[0]!r} of id {bad['id'].iloc[0]} is not a fold", again)
        try:
            return cls(tuple(table["id"]), fold.to_numpy(np.int8), tuple(table["group"]))
        except FoldError as error:
            raise FoldError(f"{path}: {error.what}", again) from None


def assign(
    ids: Sequence[str],
    labels: NDArray[np.bool_],
    *,
    count: int = 5,
    groups: Sequence[str] | None = None,
    components: Sequence[Hashable] | None = None,
    overlap: float = 0.0,
    holdout: float = 0.0,
    seed: int = 0,
) -> Folds:
    """Deal images to folds so that every fold has its share of every class, and look-alikes stay together.

    The same ids get the same folds in whatever order they come; the rows of the result are in the order of `ids`.

    Args:
        labels: (N, C) multi-hot; classes without an image are ignored.
        count: the number of folds.
        groups: what makes images look alike (the antibody, the plate), "" where unknown.
        components: sets of near-duplicates, equal for those that belong together; they share a fold always, and join the
            groups they touch.
        overlap: share of the groups that may straddle folds, of those with images that are not all near-duplicates.
        holdout: share of the images, in whole groups, that no fold gets.

    Raises:
        FoldError: lengths that differ, ids that repeat, shares outside [0, 1], or for smaller groups than folds.
    """
    _check_request(ids, labels, count, groups, components, overlap, holdout)
    order = np.argsort(np.asarray(ids, str), kind="stable")
    rng = np.random.default_rng(seed)
    carried = np.c_[np.asarray(labels, bool)[order], np.ones(len(ids), bool)].astype(np.int64)
    names = np.asarray(ids, str)[order]
    piece = np.arange(len(ids)) if components is None else pd.factorize(np.asarray(components, object)[order])[0]
    named = names[np.unique(piece, return_index=True)[1]][piece]  # the first id of each set of near-duplicates
    if groups is not None:
        given = pd.Series(list(groups), dtype=object).fillna("").astype(str).to_numpy(str)[order]
        named = np.where(given == "", named, given)
    unit = _joined(pd.factorize(named)[0], piece)

    bins = np.zeros(len(ids), np.int8)
    if holdout:
        bins = deal(_sums(carried, unit), np.array([holdout, 1 - holdout]), rng)[unit] - np.int8(1)
        if not (bins == HOLDOUT).any():
            raise FoldError(f"no group is small enough for a hold-out of {holdout:.3g} of {len(ids)} images", "ask for a larger share")
    rest = bins != HOLDOUT
    unit = np.unique(_split_some(unit[rest], piece[rest], overlap, rng), return_inverse=True)[1]
    if (available := unit.max(initial=-1) + 1) < count:
        then = f"ask for at most {max(available, 2)} folds{', or for a smaller hold-out' if holdout else ', or for smaller groups'}"
        raise FoldError(f"{available} groups cannot fill {count} folds", then)
    bins[rest] = deal(_sums(carried[rest], unit), np.full(count, 1 / count), rng)[unit]

    back = np.argsort(order)
    return Folds(tuple(map(str, ids)), bins[back], tuple(named[back].tolist()))


def balance_table(folds: Folds, labels: NDArray[np.bool_], names: Sequence[str]) -> str:
    """What every fold has of every class, and how far the worst is from an even share; for a terminal or a log.

    Args:
        labels: (N, C), rows in the order of `folds.ids`.
    """
    bins = [*range(folds.count), *([HOLDOUT] if (folds.fold == HOLDOUT).any() else [])]
    group = np.unique(folds.group, return_inverse=True)[1]
    members = pd.DataFrame({"group": group, "fold": folds.fold})
    rows = []
    for name, column in [*zip(names, labels.T, strict=True), ("all images", np.ones(len(group), bool))]:
        counts = np.array([(column & (folds.fold == fold)).sum() for fold in bins])
        dealt = counts[: folds.count]
        rows.append((name, column.sum(), len(np.unique(group[column])), *counts, f"{abs(dealt - dealt.mean()).max():.1f}"))
    held = [members.loc[members.fold == fold, "group"].nunique() for fold in bins]
    rows.append(("all groups", members["group"].nunique(), "", *held, ""))
    heads = ["class", "images", "groups", *("hold-out" if fold == HOLDOUT else f"fold {fold}" for fold in bins), "off by"]
    table = [heads, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in table]
    straddling = int((members[members.fold != HOLDOUT].groupby("group")["fold"].nunique() > 1).sum())
    known = folds.known()[folds.fold != HOLDOUT].mean()
    notes = [f"{straddling} groups straddle folds; {known:.1%} of the images in folds are of a group known from another fold."]
    if missing := [row[0] for row in rows[:-2] if row[1] and 0 in row[3 : 3 + folds.count]]:
        notes.append(f"Some fold has none of: {', '.join(missing)}.")
    return "\n".join([*lines, *notes])


def _check_request(
    ids: Sequence[str],
    labels: NDArray[np.bool_],
    count: int,
    groups: Sequence[str] | None,
    components: Sequence[Hashable] | None,
    overlap: float,
    holdout: float,
) -> None:
    for what, values in (("rows of labels", labels), ("groups", groups), ("components", components)):
        if values is not None and len(values) != len(ids):
            raise FoldError(f"{len(ids)} ids, but {len(values)} {what}", "give every id one")
    _refuse_repeated(ids)
    if not 2 <= count <= MOST_FOLDS:
        raise FoldError(f"{count} folds are asked for", f"ask for 2 to {MOST_FOLDS}")
    if not 0 <= overlap <= 1:
        raise FoldError(f"overlap is {overlap}", "give the share of the groups that may straddle folds, 0 to 1")
    if not 0 <= holdout < 1:
        raise FoldError(f"holdout is {holdout}", "give the share of the images that no fold gets, 0 or more and less than 1")


def _refuse_repeated(ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        repeated = pd.Series(list(ids))
        raise FoldError(f"id {repeated[repeated.duplicated()].iloc[0]} comes twice", "keep one of them")


def _joined(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) numbers, equal for rows that a chain of equal values in either of the two arrays connects."""
    from scipy.sparse import coo_array  # here, because reading a map should not wait for it
    from scipy.sparse.csgraph import connected_components

    shape = (first.max() + 1, second.max() + 1)
    nodes = sum(shape)
    links = coo_array((np.ones(len(first), bool), (first, second + shape[0])), shape=(nodes, nodes))
    return connected_components(links, directed=False)[1][first].astype(np.int64)


def _split_some(unit: NDArray[np.int64], piece: NDArray[np.int64], overlap: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """(N,) units after the share `overlap` of those with several pieces has been taken apart into them."""
    pieces_of = pd.DataFrame({"unit": unit, "piece": piece}).groupby("unit")["piece"].nunique()
    several = pieces_of.index[pieces_of > 1].to_numpy()
    straddling = rng.choice(several, round(overlap * len(several)), replace=False)
    return np.where(np.isin(unit, straddling), piece + unit.max(initial=0) + 1, unit)


def _sums(carried: NDArray[np.int64], unit: NDArray[np.int64]) -> NDArray[np.int64]:
    """(U, D) what the rows of each unit carry together."""
    order = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(unit[order]) > 0])
    return np.add.reduceat(carried[order], starts)
