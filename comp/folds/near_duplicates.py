"""Near-duplicates among a competition's images: their lists as files, and the audit of a fold map against them."""

from pathlib import Path

import pandas as pd

from comp.base.errors import DataError
from comp.base.files import write_text
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.competition.image_cache import prepare_cache
from comp.folds.fold_map import FoldMap
from comp.images.duplicates import find_duplicates, read_pairs

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


def audit(competition: Competition, paths: Paths, folds: FoldMap) -> list[str]:
    """Which near-duplicates the fold map splits, as lines. Makes the list of near-duplicates if there is none."""
    if not paths.duplicates().exists():
        list_train_duplicates(competition, paths)
    pairs = read_pairs(paths.duplicates(), f"remove it, then: make folds COMP={competition.name}")
    split = folds.split_pairs(pairs)
    if not split:
        return [f"audit: none of the {len(pairs)} pairs of near-duplicates is split between folds"]
    shown = split[:SHOWN] + ([f"and {len(split) - SHOWN} more"] if len(split) > SHOWN else [])
    return [f"audit: {len(split)} of {len(pairs)} pairs of near-duplicates are split between folds, and scores will be too high:", *shown]


def _list_duplicates(competition: Competition, paths: Paths, split: str, file: Path) -> pd.DataFrame:
    """All pairs of near-duplicates of a split ("train" or "test"), written to `file`."""
    cache = prepare_cache(competition, paths, split, DUPLICATE_SIZE)
    pairs = find_duplicates(cache.images, cache.ids)
    write_text(file, pairs.to_csv(index=False))
    return pairs
