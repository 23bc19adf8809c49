"""How evenly the classes are spread over the folds, as a table."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.base.text_table import aligned
from comp.folds.fold_map import HOLDOUT, FoldMap


def balance_table(folds: FoldMap, labels: NDArray[np.bool_], names: Sequence[str]) -> str:
    """Images of every class in every fold, and how far the worst fold is from an even share.

    Args:
        labels: (N, C), rows in the order of `folds.ids`.
    """
    bins = [*range(folds.count), *([HOLDOUT] if (folds.fold == HOLDOUT).any() else [])]
    group = np.unique(folds.group, return_inverse=True)[1]
    members = pd.DataFrame({"group": group, "fold": folds.fold})
    heads = ["class", "images", "groups", *("hold-out" if fold == HOLDOUT else f"fold {fold}" for fold in bins), "off by"]
    lines, lacking = [heads], []
    for name, column in [*zip(names, labels.T, strict=True), ("all images", np.ones(len(group), bool))]:
        counts = np.array([(column & (folds.fold == fold)).sum() for fold in bins])
        in_folds = counts[: folds.count]
        off = f"{abs(in_folds - in_folds.mean()).max():.1f}"
        lines.append([name, *map(str, (column.sum(), len(np.unique(group[column])), *counts)), off])
        if column.any() and not in_folds.all():
            lacking.append(name)
    held_out = [str(members.loc[members.fold == fold, "group"].nunique()) for fold in bins]
    lines.append(["all groups", str(members["group"].nunique()), "", *held_out, ""])
    split = int((members[members.fold != HOLDOUT].groupby("group")["fold"].nunique() > 1).sum())
    known = folds.known()[folds.fold != HOLDOUT].mean()
    notes = [f"{split} groups are split over folds; {known:.1%} of the images in folds are of a group known from another fold."]
    if lacking:
        notes.append(f"Some fold has no image of: {', '.join(lacking)}.")
    return "\n".join([*aligned(lines), *notes])
