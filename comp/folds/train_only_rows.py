"""Which extra rows a fold may be trained on: none that says anything about its held-out rows."""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comp.base.files import hash_of
from comp.competition.extra_rows import ANY_FOLD, ExtraRows
from comp.folds.fold_map import HOLDOUT, FoldMap

Pairs = Collection[tuple[str, str]]  # (id of an extra row, id of a train image): near-duplicates


@dataclass(frozen=True, eq=False)
class TrainOnlyRows:
    """The extra rows of a fold.

    Attributes:
        table: all rows of the set.
        rows: the rows of `table` that the fold is trained on.
        held_back: why the others are not -> how many.
        identity: of each row of `table`, a group of the fold map or a name of its own.
        near: which rows of `table` are near-duplicates of train images.
    """

    table: ExtraRows
    rows: NDArray[np.int64]
    held_back: dict[str, int]
    identity: tuple[str, ...]
    near: Pairs = ()

    @classmethod
    def of(cls, table: ExtraRows, folds: FoldMap, fold: int, near: Pairs) -> "TrainOnlyRows":
        """The rows of a set that a fold may be trained on.

        A row is held back if one of its sources is held out: in the fold, or in the hold-out. Or if a held-out row is of one of its groups
        (its own one, and those of its sources), or is a near-duplicate of it. Or if networks of another fold took part in making it.
        """
        groups = groups_of(table, folds)
        held_out = np.isin(folds.fold, (fold, HOLDOUT))
        held_ids = {folds.ids[row] for row in np.flatnonzero(held_out)}
        held_groups = {folds.group[row] for row in np.flatnonzero(held_out)}
        looks_like = defaultdict[str, set[str]](set)
        for image_id, train_id in near:
            looks_like[image_id].add(train_id)

        def why(row: int) -> str:
            if table.only_fold[row] not in (ANY_FOLD, fold):
                return "made by networks of another fold"
            if held_ids.intersection(table.sources[row]):
                return "made from held-out images"
            if held_groups.intersection(groups[row]):
                return "of a group of held-out images"
            return "near-duplicates of held-out images" if held_ids & looks_like[table.ids[row]] else ""

        reasons = [why(row) for row in range(len(table.ids))]
        kept = np.array([row for row, reason in enumerate(reasons) if not reason], np.int64)
        identity = (own.pop() if len(own) == 1 else image_id for own, image_id in zip(map(set, groups), table.ids, strict=True))
        return cls(table, kept, dict(Counter(filter(None, reasons))), tuple(identity), near)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits. They change with the table, and with what is known of its near-duplicates."""
        return hash_of([self.table.fingerprint, sorted(self.near)]) if self.near else self.table.fingerprint

    def __str__(self) -> str:
        held_back = "".join(f", {count} held back ({reason})" for reason, count in self.held_back.items())
        return f"{len(self.rows)} of the {len(self.table.ids)} extra rows of {self.table.name}{held_back}"


def groups_of(table: ExtraRows, folds: FoldMap) -> list[set[str]]:
    """The groups of each extra row: its own one, if it has one, and those of its sources."""
    group_of = dict(zip(folds.ids, folds.group, strict=True))
    own = ({group} if group else set() for group in table.group)
    return [given | {group_of[source] for source in sources} for given, sources in zip(own, table.sources, strict=True)]
