"""Whether a fold map still has the groups that the competition's YAML names."""

from collections import defaultdict

from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.tables import read_groups
from comp.folds.fold_map import FoldMap


def other_groups(competition: Competition, paths: Paths, folds: FoldMap) -> str | None:
    """A line if the map was made with other groups than the YAML names now, and splits some of those over folds; else None.

    Raises:
        DataError: as `read_groups`.
    """
    groups = read_groups(competition, paths, folds.ids)
    if groups is None or all(now in ("", was) for now, was in zip(groups, folds.group, strict=True)):
        return None
    folds_of = defaultdict(set)
    for group, fold in zip(groups, folds.fold.tolist(), strict=True):
        if group:
            folds_of[group].add(fold)
    split = sum(len(each) > 1 for each in folds_of.values())
    if not split:
        return None
    what = f"note: {paths.folds()} was made with other groups than `groups` of the competition's YAML names now"
    leak = f"{split} of {len(folds_of)} of these lie in several folds, so scores may be too high"
    return f"{what}: {leak}; to split again, remove it and the predictions made with it, then: make folds COMP={competition.name}"
