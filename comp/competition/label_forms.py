"""The ways in which a table writes labels: as strings, as a column a class, as a row a label. All become ids with label strings."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from comp.base.errors import DataError
from comp.competition.ids import shorten

Form = Literal["labels", "one_hot", "long", "long_one_hot"]
FORMS: dict[str, str] = {
    "labels": "one string an id",
    "one_hot": "a column of 0 and 1 for each class",
    "long": "a row for each label",
    "long_one_hot": "a row id_class with 0 or 1 for each class",
}
YES, NO = ("1", "1.0", "True", "true"), ("0", "0.0", "False", "false")


def one_hot_strings(table: pd.DataFrame, id_column: str, tokens: Sequence[str], separator: str, source: Path) -> list[str]:
    """The label string of each row of a table with a column of 0 and 1 for each token.

    Raises:
        DataError: a column is missing, or a value is neither 0 nor 1.
    """
    labels: list[list[str]] = [[] for _ in range(len(table))]
    for token in tokens:
        if token not in table.columns:
            raise DataError(f"{source} has no column {shorten(token)!r}", "correct `classes` or `tokens` in the competition's YAML")
        for row, is_one in enumerate(_ones(list(table[token]), list(table[id_column]), f"{source}: column {shorten(token)}")):
            if is_one:
                labels[row].append(token)
    return [separator.join(found) for found in labels]


def long_strings(ids: Sequence[str], labels: Sequence[str], separator: str, source: Path) -> dict[str, str]:
    """The label string of each id of a table with a row for each label. An empty label is none.

    Raises:
        DataError: an id has the same label twice.
    """
    found: dict[str, list[str]] = {}
    for image_id, label in zip(ids, labels, strict=True):
        own = found.setdefault(image_id, [])
        if label.strip() in own:
            raise DataError(f"{source}: id {shorten(image_id)} appears twice with the label {shorten(label)!r}", "remove one of its rows")
        if label.strip():
            own.append(label.strip())
    return {image_id: separator.join(own) for image_id, own in found.items()}


def long_one_hot_strings(joined: Sequence[str], values: Sequence[str], separator: str, source: Path) -> dict[str, str]:
    """The label string of each id of a table with rows such as `a1_any,1`.

    Raises:
        DataError: a row is there twice, has no `_`, or a value is neither 0 nor 1; or an id lacks a class that another one has.
    """
    found: dict[str, dict[str, bool]] = {}
    for name, is_one in zip(joined, _ones(values, joined, str(source)), strict=True):
        image_id, mark, token = name.rpartition("_")
        if not mark or token in found.setdefault(image_id, {}):
            what = "appears twice" if mark else "is not an id and a class joined by _"
            raise DataError(f"{source}: {shorten(name)} {what}", "correct or remove the row")
        found[image_id][token] = is_one
    tokens = {token for own in found.values() for token in own}
    for image_id, own in found.items():
        if lacking := tokens - set(own):
            raise DataError(f"{source}: id {shorten(image_id)} has no row for class {shorten(min(lacking))}", "add it with 0 or 1")
    return {image_id: separator.join(token for token, is_one in own.items() if is_one) for image_id, own in found.items()}


def joined_ids(names: Sequence[str], tokens: Sequence[str]) -> tuple[str, ...]:
    """The ids of names such as `a1_any`, each once; the names themselves if they do not all end with a token."""
    known = set(tokens)
    split = [name.rpartition("_") for name in names]
    if names and all(mark and token in known for _, mark, token in split):
        return tuple(dict.fromkeys(image_id for image_id, _, _ in split))
    return tuple(names)


def are_ones(values: Iterable[str]) -> bool:
    """Whether every value is 0 or 1."""
    return {value.strip() for value in values} <= {*YES, *NO}


def _ones(values: Sequence[str], names: Sequence[str], source: str) -> list[bool]:
    stripped = [value.strip() for value in values]
    if not are_ones(set(stripped)):
        row = next(row for row, value in enumerate(stripped) if not are_ones([value]))
        raise DataError(f"{source}: id {shorten(names[row])} has {shorten(stripped[row])!r}, neither 0 nor 1", "correct it")
    return [value in YES for value in stripped]
