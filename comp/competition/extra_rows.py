"""Extra rows: images from elsewhere that networks are trained on, and that are never predicted or scored.

A set of extra rows is a folder `data/<competition>.extra/<name>/`: a table `extra.csv`, and a folder `images` whose files are named as the
competition's train images are, with any image ending.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.files import hash_of, read_text
from comp.base.paths import Paths
from comp.competition.competition import Competition
from comp.competition.file_finder import ANY_ENDING, FileFinder, files_of
from comp.competition.id_column import read_table
from comp.competition.ids import check_ids, shorten

IMAGES, TABLE, MANIFEST = "images", "extra.csv", "manifest.json"  # the last says what a synthetic set was made from
SOURCES, GROUP, ONLY_FOLD = "sources", "group", "only_fold"  # columns that need not be there
BETWEEN_SOURCES = "|"
ANY_FOLD = -1


@dataclass(frozen=True, eq=False)
class ExtraRows:
    """The M rows of a set.

    Attributes:
        name: of the set.
        labels: (M, C) for the classes of the competition.
        sources: the train images that each row was made from; none if it comes from elsewhere.
        group: of each row, such as its antibody; "" if it has none of its own.
        only_fold: the one fold whose networks may be trained on the row, because networks of that fold took part in making it; -1: any.
    """

    name: str
    ids: tuple[str, ...]
    labels: NDArray[np.bool_]
    sources: tuple[tuple[str, ...], ...]
    group: tuple[str, ...]
    only_fold: tuple[int, ...]

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits. They change with any value of the table, not with the name of the set or the order of its rows."""
        columns = [np.flatnonzero(row).tolist() for row in self.labels]
        return hash_of(sorted(zip(self.ids, columns, map(sorted, self.sources), self.group, self.only_fold, strict=True)))

    def check_ids(self, train_ids: Collection[str], table: Path) -> None:
        """Check the ids against those of the train table; `table` is named in errors.

        Raises:
            DataError: an extra row has the id of a train image, or a source is none.
        """
        known = set(train_ids)
        for image_id, sources in zip(self.ids, self.sources, strict=True):
            if image_id in known:
                raise DataError(f"{table}: id {shorten(image_id)} is the id of a train image", "give extra rows ids of their own")
            if lost := next((source for source in sources if source not in known), None):
                what = f"{table}: the source {shorten(lost)} of id {shorten(image_id)} is no train image"
                raise DataError(what, f"write ids of the train table, with {BETWEEN_SOURCES} between them; or leave `{SOURCES}` empty")

    def check_folds(self, count: int, table: Path) -> None:
        """Raise DataError if a row is for a fold that is none of the `count` ones; `table` is named."""
        for image_id, fold in zip(self.ids, self.only_fold, strict=True):
            if fold >= count:
                what = f"{table}: {ONLY_FOLD} {fold} of id {shorten(image_id)} is none of the {count} folds"
                raise DataError(what, f"write a number from 0 to {count - 1}")


def split_of(name: str) -> str:
    """The name that the image cache has for a set of extra rows."""
    return f"extra-{name}"


def set_of(split: str) -> str | None:
    """The name of the set of extra rows that a split of the image cache holds; None if it holds train or test images."""
    return split.removeprefix("extra-") if split.startswith("extra-") else None


def read_extra(competition: Competition, paths: Paths, name: str) -> ExtraRows:
    """The rows of a set, in the order of its table.

    Raises:
        DataError: there is no such set, or a column, an id or a label is wrong.
    """
    path = paths.extra(name) / TABLE
    columns = competition.columns
    others = sorted(file.parent.name for file in paths.extra(name).parent.glob(f"*/{TABLE}"))
    known = f"choose one of: {', '.join(others)}; or " if others else ""
    table = read_table(path, [columns.id], f"{known}put a table and images there, or make some with: make synthesize")
    target = next((column for column in (columns.target, columns.predicted) if column in table.columns), None)
    if target is None:
        raise DataError(f"{path} has no column {columns.target!r} or {columns.predicted!r}", "write the labels of each row in one of them")
    ids = tuple(table[columns.id])
    check_ids(ids, path)
    if not ids:
        raise DataError(f"{path} has no rows", "add some, or leave out `extra` in the model's YAML")
    _check_columns(table.columns, {columns.id, columns.target, columns.predicted}, path)
    given = {column: list(table[column]) if column in table.columns else [""] * len(ids) for column in (SOURCES, GROUP, ONLY_FOLD)}
    return ExtraRows(
        name,
        ids,
        competition.labels.multi_hot(table[target], ids, str(path)),
        tuple(tuple(source.strip() for source in text.split(BETWEEN_SOURCES) if source.strip()) for text in given[SOURCES]),
        tuple(group.strip() for group in given[GROUP]),
        tuple(_fold(text, image_id, path) for text, image_id in zip(given[ONLY_FOLD], ids, strict=True)),
    )


def check_made_for(paths: Paths, name: str, folds: str, data: str) -> None:
    """Check that a set which networks of the folds took part in making was made for the present ones.

    Args:
        folds, data: fingerprints of the present fold map and train table.

    Raises:
        DataError: it was made for another fold map or train table, so some of its rows may show what is held out now.
    """
    path = paths.extra(name) / MANIFEST
    try:
        made = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return  # it was made by hand
    if not isinstance(made, dict) or "folds" not in made:
        return
    for what, was, now in (("fold map", made["folds"], folds), ("train table", made.get("data"), data)):
        if was != now:
            then = f"remove it, then make it again: make synthesize COMP={paths.competition}; or leave `extra` out"
            raise DataError(f"{path.parent} was made for another {what} than the present one", then)


def extra_image_files(competition: Competition, paths: Paths, extra: ExtraRows) -> Mapping[str, Sequence[Path]]:
    """The files of each row, as those of the competition's images.

    Raises:
        DataError: several files match.
    """
    assert competition.images is not None
    return files_of(extra.ids, FileFinder(paths.extra(extra.name) / IMAGES), extra_pattern(competition), competition.images.channels)


def extra_pattern(competition: Competition) -> str:
    """The pattern of the files of extra rows: that of the train images, with any image ending."""
    assert competition.images is not None
    pattern = Path(competition.images.file)
    return competition.images.file.removesuffix(pattern.suffix) + ANY_ENDING


def _check_columns(columns: Iterable[str], others: Collection[str], path: Path) -> None:
    """Raise DataError if a column is nearly named as one that need not be there: its rows would be trained on where they must not."""
    optional = (SOURCES, GROUP, ONLY_FOLD)
    for column in columns:
        near = get_close_matches(column.strip().lower(), optional, n=1, cutoff=0.8)
        if near and column not in (*optional, *others):
            raise DataError(f"{path} has a column {shorten(column)!r}, which nothing reads", f"call it {near[0]!r}, or remove it")


def _fold(text: str, image_id: str, path: Path) -> int:
    if not text.strip():
        return ANY_FOLD
    if not text.strip().isdecimal():
        raise DataError(f"{path}: {ONLY_FOLD} {shorten(text)!r} of id {shorten(image_id)} is no fold", "write its number, or nothing")
    return int(text)
