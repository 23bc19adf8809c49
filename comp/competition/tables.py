"""The tables of a competition: train ids with labels, test ids, groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.competition.competition import Columns, Competition
from comp.competition.id_column import ids_of_rows, read_table
from comp.competition.ids import check_ids, shorten
from comp.competition.label_forms import joined_ids, long_one_hot_strings, long_strings, one_hot_strings


@dataclass(frozen=True)
class SubmissionForm:
    """What a submission must hold.

    Attributes:
        ids: of the test images, in the order of the sample submission.
        needs_labels: whether every image needs a label.
    """

    ids: tuple[str, ...]
    needs_labels: bool


def read_train(competition: Competition, paths: Paths) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Ids and labels (N, C) of the train table.

    Raises:
        DataError: the file or a column is missing, an id is unsafe or comes twice, or a label is unknown; the message names it.
            Or no row has a label.
    """
    path = competition.folder(paths) / competition.tables.train
    columns = competition.columns
    needed = [columns.id] if columns.form == "one_hot" else [columns.id, columns.target]
    ids, labels = _labels(read_table(path, needed, _how_to_get(competition), "columns"), columns, competition, path)
    if ids and not labels.any():
        raise DataError(f"no train image of {competition.name} has a label in {path}", "check the column with the labels")
    return ids, labels


def read_known_labels(
    path: Path, competition: Competition, targets: Sequence[str], then: str
) -> tuple[tuple[str, ...], NDArray[np.bool_], pd.DataFrame]:
    """Ids and labels (N, C) of a user's table of labels, and the first row of each id (N rows), for other columns.

    It is written as the train table is, or with one string an id.

    Args:
        targets: columns that may hold the labels where classes have no columns of their own; the first one found is taken.
        then: what to do if the file is missing.

    Raises:
        DataError: the file or a column is missing, an id is unsafe or comes twice, or a label is unknown.
    """
    table = read_table(path, [competition.columns.id], then)
    columns = _as_written(table, competition, targets, path)
    ids, labels = _labels(table, columns, competition, path)
    if columns.form == "long_one_hot":
        table = table.assign(**{columns.id: [name.rpartition("_")[0] for name in table[columns.id]]})
    return ids, labels, table.drop_duplicates(columns.id)


def read_test_ids(competition: Competition, paths: Paths) -> tuple[str, ...]:
    """The ids of the sample submission, in its order."""
    return ids_of_submission(competition, competition.folder(paths) / competition.tables.test, _how_to_get(competition), "columns")


def read_form(competition: Competition, paths: Paths) -> SubmissionForm:
    """What a submission to this competition must hold. Without a train table, every image needs a label.

    Raises:
        DataError: a table is not valid.
    """
    ids, has_train = read_test_ids(competition, paths), (competition.folder(paths) / competition.tables.train).exists()
    return SubmissionForm(ids, not has_train or needs_labels(competition, read_train(competition, paths)[1]))


def needs_labels(competition: Competition, labels: NDArray[np.bool_]) -> bool:
    """Whether every image of a submission needs a label: labels are written as strings, and every train row (N, C) has one.

    Where classes have columns of 0 and 1, and where some train rows have no label, an image without a label is as good as any other.
    """
    return competition.columns.form in ("labels", "long") and bool(labels.any(axis=1).all())


def ids_of_submission(competition: Competition, path: Path, then: str, key: str = "") -> tuple[str, ...]:
    """The ids of a table with the rows of a submission, in its order. `then` and `key` are those of `read_table`.

    Raises:
        DataError: the file or the column is missing, or an id is unsafe or comes twice.
    """
    return ids_of_rows(path, competition.columns.id, competition.columns.form, competition.labels.tokens, then, key)


def read_groups(competition: Competition, paths: Paths, ids: tuple[str, ...]) -> tuple[str, ...] | None:
    """The group of each train id, without spaces around its name, or None if the competition has no groups.

    Raises:
        DataError: an id has no row in the table, or rows with different groups.
    """
    if competition.groups is None:
        return None
    path = competition.folder(paths) / competition.groups.table
    table = read_table(path, [competition.groups.id, competition.groups.column], _how_to_get(competition), "groups")
    if competition.columns.form == "long":
        table = table.drop_duplicates([competition.groups.id, competition.groups.column])
    check_ids(list(table[competition.groups.id]), path)
    group_of = dict(zip(table[competition.groups.id], table[competition.groups.column].str.strip(), strict=True))
    for image_id in ids:
        if image_id not in group_of:
            raise DataError(f"{path}: id {image_id} has no row", "add its group, or remove `groups` from the competition's YAML")
    return tuple(group_of[image_id] for image_id in ids)


def label_strings(table: pd.DataFrame, columns: Columns, tokens: Sequence[str], source: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ids of a table with labels, and the label string of each; `columns` says how they are written.

    Raises:
        DataError: an id comes twice or a value is wrong.
    """
    ids = list(table[columns.id])
    if columns.form == "one_hot":
        return tuple(ids), tuple(one_hot_strings(table, columns.id, tokens, columns.separator, source))
    if columns.form == "labels":
        return tuple(ids), tuple(table[columns.target])
    gather = long_strings if columns.form == "long" else long_one_hot_strings
    strings = gather(ids, list(table[columns.target]), columns.separator, source)
    return tuple(strings), tuple(strings.values())


def _labels(table: pd.DataFrame, columns: Columns, competition: Competition, path: Path) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Ids and labels (N, C) of a table that is written as `columns` says."""
    ids, strings = label_strings(table, columns, competition.labels.tokens, path)
    check_ids(ids, path)
    return ids, competition.labels.multi_hot(strings, ids, str(path))


def _as_written(table: pd.DataFrame, competition: Competition, targets: Sequence[str], path: Path) -> Columns:
    """How a user's table writes labels: as the train table, else one string an id; raises DataError if it lacks their columns."""
    columns, tokens, has = competition.columns, competition.labels.tokens, f"it has {shorten(', '.join(table.columns))}"
    target = next((column for column in targets if column in table), None)
    lacking = [token for token in tokens if token not in table]
    if columns.form == "one_hot" and (target is None or len(lacking) < len(tokens)):
        if lacking:
            raise DataError(f"{path} has no column {shorten(lacking[0])!r}", f"{has}; give each class its column, as in the train table")
        return columns
    if target is None:
        raise DataError(f"{path} has no column {' or '.join(map(repr, dict.fromkeys(targets)))}", f"{has}; rename the one with labels")
    names = tuple(table[columns.id])
    as_train = columns.form == "long" or (columns.form == "long_one_hot" and joined_ids(names, tokens) != names)
    return columns.model_copy(update={"target": target, "form": columns.form if as_train else "labels"})


def _how_to_get(competition: Competition) -> str:
    return f"get the data with: make data COMP={competition.name}"
