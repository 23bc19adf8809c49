"""Near-duplicates among a competition's images: their lists as files, and the audit of a fold map against them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from comp.base.errors import DataError
from comp.base.files import write_text
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.competition.image_cache import prepare_cache
from comp.competition.tables import read_test_ids
from comp.folds.fold_map import FoldMap
from comp.images.duplicates import check_known, find_duplicates, read_pairs

SHOWN = 20  # pairs that are named
DUPLICATE_SIZE = 128  # pixels of the images that are compared


def list_train_duplicates(competition: Competition, paths: Paths) -> pd.DataFrame:
    """Find the pairs of near-duplicates among the train images, write their list and say how many there are."""
    pairs = _list_duplicates(competition, paths, "train", paths.duplicates())
    say(f"near-duplicates: {len(pairs)} pairs, which will share folds, listed in {paths.duplicates()}")
    return pairs


def list_test_duplicates(competition: Competition, paths: Paths) -> None:
    """The same among the test images, if the competition wants it. Unreadable test images are no error: folds do not need them."""
    if not (competition.folds.duplicates and competition.images):
        return
    try:
        pairs = _list_duplicates(competition, paths, "test", paths.test_duplicates())
    except DataError as error:
        say(f"near-duplicates among test images: not looked for, {error}")
        return
    say(f"near-duplicates among test images: {len(pairs)} pairs, listed in {paths.test_duplicates()}")


def ensure_test_duplicates(competition: Competition, paths: Paths) -> None:
    """The same, unless there is a usable list already."""
    if competition.folds.duplicates and _known_pairs(paths.test_duplicates(), read_test_ids(competition, paths)) is None:
        list_test_duplicates(competition, paths)


def audit(competition: Competition, paths: Paths, folds: FoldMap) -> list[str]:
    """Which near-duplicates the fold map splits, as lines. Makes the list of near-duplicates if there is no usable one."""
    pairs = _known_pairs(paths.duplicates(), folds.ids)
    if pairs is None:
        pairs = list_train_duplicates(competition, paths)
    split = folds.split_pairs(pairs)
    if not split:
        return [f"audit: none of the {len(pairs)} pairs of near-duplicates is split between folds"]
    shown = split[:SHOWN] + ([f"and {len(split) - SHOWN} more"] if len(split) > SHOWN else [])
    return [f"audit: {len(split)} of {len(pairs)} pairs of near-duplicates are split between folds, and scores will be too high:", *shown]


def _known_pairs(file: Path, ids: Sequence[str]) -> pd.DataFrame | None:
    """The list in `file`, if it is there; None if it is damaged or names ids that are not in `ids`: it is moved aside, with a line."""
    if not file.exists():
        return None
    try:
        pairs = read_pairs(file, "")
        check_known(pairs, set(ids))
    except DataError as error:
        aside = file.with_name(f"{file.name}.damaged")  # it may have been made by hand
        file.replace(aside)
        say(f"{file} is made again and the old one is now {aside}: {error.what}")
        return None
    return pairs


def _list_duplicates(competition: Competition, paths: Paths, split: str, file: Path) -> pd.DataFrame:
    """All pairs of near-duplicates of a split ("train" or "test"), written to `file`."""
    cache = prepare_cache(competition, paths, split, DUPLICATE_SIZE)
    pairs = find_duplicates(cache.images, cache.ids)
    write_text(file, pairs.to_csv(index=False))
    return pairs
