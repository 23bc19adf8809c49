"""The fold map of a competition: read if there is one, else made or imported. One process at a time makes it."""

from contextlib import AbstractContextManager
from pathlib import Path

from comp.base.errors import FoldError
from comp.base.locks import lock
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.competition.tables import read_groups, read_train
from comp.folds.assignment import assign_folds
from comp.folds.fold_map import FoldMap, check_enough_folds
from comp.folds.near_duplicates import list_test_duplicates, list_train_duplicates
from comp.images.duplicates import components

MORE_FOLDS = "set more in the competition's YAML, `folds: {count: 5}`"


def ensure_folds(competition: Competition, paths: Paths) -> FoldMap:
    """The competition's fold map. Makes it if it is missing, and says so; waits if another process is making it.

    Raises:
        FoldError: the present map is not of the train table's ids, has too few folds for a stack, or none can be made.
    """
    ids, _ = read_train(competition, paths)
    if not paths.folds().exists():
        with _folds_lock(paths):
            if not paths.folds().exists():  # else another process has made it meanwhile
                return _make(competition, paths, competition.folds.holdout)
    try:
        folds = FoldMap.read(paths.folds())
        folds.check_ids(ids)
    except FoldError as error:
        then = f"remove it and the predictions made with it, then: make folds COMP={competition.name}"
        raise FoldError(f"{paths.folds()} cannot be used: {error.what}", then) from None
    again = f"{MORE_FOLDS}, remove the map and the predictions made with it, then: make folds COMP={competition.name}"
    check_enough_folds(folds.count, str(paths.folds()), again)
    return folds


def make_with_holdout(competition: Competition, paths: Paths, share: float) -> FoldMap:
    """A new fold map whose hold-out is this share of the images, whatever the competition's YAML says.

    Raises:
        FoldError: there is a fold map already, or none can be made.
    """
    with _folds_lock(paths):
        check_no_folds(paths)
        return _make(competition, paths, share)


def import_folds(competition: Competition, paths: Paths, file: Path) -> FoldMap:
    """Make the fold map in `file` (a CSV: id, fold, group) the competition's.

    Raises:
        FoldError: there is a fold map already, `file` is no fold map, its ids are not those of the train table, or it has too few
            folds for a stack.
    """
    ids, _ = read_train(competition, paths)
    folds = FoldMap.read(file)
    folds.check_ids(ids)
    check_enough_folds(folds.count, str(file), "give a map with more of them")
    with _folds_lock(paths):
        check_no_folds(paths)
        folds.write(paths.folds())
    return folds


def check_plan(competition: Competition) -> None:
    """Raise FoldError if the competition's YAML asks for fewer folds than a stack needs: it would say so after all training only."""
    check_enough_folds(competition.folds.count, f"the plan of competition {competition.name}", MORE_FOLDS)


def check_no_folds(paths: Paths) -> None:
    """Raise FoldError if the competition has a fold map."""
    if paths.folds().exists():
        raise FoldError(f"{paths.folds()} exists", "remove it (and predictions made with it) to take another fold map")


def _folds_lock(paths: Paths) -> AbstractContextManager[None]:
    return lock(paths.folds().with_name(".folds.lock"), "the split into folds")


def _make(competition: Competition, paths: Paths, holdout: float) -> FoldMap:
    check_plan(competition)
    ids, labels = read_train(competition, paths)
    plan = competition.folds.model_copy(update={"holdout": holdout})
    but = f", {holdout:.3g} of them kept as hold-out" if holdout else ""
    say(f"making {paths.folds()}: {plan.count} folds of {len(ids)} images{but}")
    duplicates = None
    if plan.duplicates and competition.images:
        duplicates = components(ids, list_train_duplicates(competition, paths))
    list_test_duplicates(competition, paths)
    groups = read_groups(competition, paths, ids)
    folds = assign_folds(ids, labels, plan, groups=groups, components=duplicates)
    folds.write(paths.folds())
    return folds
