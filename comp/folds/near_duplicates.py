"""Near-duplicates among a competition's images: their lists as files, and the audit of a fold map against them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from comp.base.errors import DataError
from comp.base.files import hash_of, read_text, write_json, write_text
from comp.base.paths import Paths
from comp.base.progress import say
from comp.competition.competition import Competition
from comp.competition.extra_rows import split_of
from comp.competition.image_cache import prepare_cache
from comp.competition.tables import read_test_ids
from comp.folds.fold_map import FoldMap
from comp.images.duplicates import check_known, find_duplicates, find_duplicates_between, read_pairs

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
    """The same, unless there is a usable list of the present images already."""
    file = paths.test_duplicates()
    if not competition.folds.duplicates:
        return
    if _is_of_other_images(competition, paths, "test", file) or _known_pairs(file, read_test_ids(competition, paths)) is None:
        list_test_duplicates(competition, paths)


def renew_duplicates(competition: Competition, paths: Paths, folds: FoldMap) -> None:
    """Make the lists again that were made of images which have changed since, and say which near-duplicates the fold map splits now.

    A list that was made or edited by hand stays.
    """
    if not (competition.folds.duplicates and competition.images):
        return
    if _is_of_other_images(competition, paths, "test", paths.test_duplicates()):
        list_test_duplicates(competition, paths)
    if _is_of_other_images(competition, paths, "train", paths.duplicates()):
        for line in audit(competition, paths, folds):
            say(line)


def ensure_extra_duplicates(competition: Competition, paths: Paths, name: str) -> None:
    """List which extra rows of a set are near-duplicates of train images, unless the list of the present images is there.

    None is looked for if the competition does not want it.
    """
    made_from = None
    if competition.folds.duplicates:
        caches = [prepare_cache(competition, paths, split, DUPLICATE_SIZE) for split in (split_of(name), "train")]
        made_from = hash_of([cache.fingerprint for cache in caches])
    path = paths.extra_duplicates(name)
    if _extra_duplicates(path, {}).get("made_from", "") == made_from:
        return
    pairs = []
    if made_from:
        extra, train = caches
        found = find_duplicates_between(extra.images, extra.ids, train.images, train.ids)
        pairs = found[["id_a", "id_b"]].to_numpy().tolist()
        say(f"extra rows {name}: {len(pairs)} pairs of an extra row and a train image are near-duplicates, listed in {path}")
    write_json(path, {"made_from": made_from, "pairs": pairs})


def read_extra_duplicates(paths: Paths, name: str) -> list[tuple[str, str]]:
    """The pairs (id of an extra row, id of a train image) that `ensure_extra_duplicates` listed.

    Raises:
        DataError: there is no list, or it is damaged.
    """
    path = paths.extra_duplicates(name)
    found = _extra_duplicates(path, None)
    if not isinstance(found, dict):
        raise DataError(f"{path} is missing or damaged", "type the command again: training makes it")
    return [(first, second) for first, second in found["pairs"]]


def _extra_duplicates(path: Path, otherwise: Any) -> Any:
    """The content of a list of near-duplicates of extra rows; `otherwise` if there is none, or it is damaged."""
    try:
        found = json.loads(read_text(path))
        whole = all(len(pair) == 2 and all(isinstance(each, str) for each in pair) for pair in found["pairs"])
        return found if whole and "made_from" in found else otherwise
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return otherwise


def audit(competition: Competition, paths: Paths, folds: FoldMap) -> list[str]:
    """Which near-duplicates the fold map splits, as lines. Makes the list of near-duplicates if there is no usable one."""
    stale = _is_of_other_images(competition, paths, "train", paths.duplicates())
    pairs = None if stale else _known_pairs(paths.duplicates(), folds.ids)
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
    text = pairs.to_csv(index=False)
    write_text(file, text)
    write_json(_record(file), {"made_from": cache.fingerprint, "list": hash_of(text)})
    return pairs


def _record(file: Path) -> Path:
    """What says of which images a list was made."""
    return file.with_suffix(".json")


def _is_of_other_images(competition: Competition, paths: Paths, split: str, file: Path) -> bool:
    """Whether a list was made here, was not edited since, and the images have changed.

    Images that are not here, or whose cache was removed, count as the same: to read all of them again would take long.
    """
    try:
        record, text = json.loads(read_text(_record(file))), read_text(file)
        made_from, made_here = record["made_from"], record["list"] == hash_of(text)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False
    if not (made_here and paths.cache(split, DUPLICATE_SIZE).exists()):
        return False
    try:
        return bool(made_from != prepare_cache(competition, paths, split, DUPLICATE_SIZE).fingerprint)
    except DataError:
        return False
