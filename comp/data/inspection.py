"""What a folder in Kaggle's layout holds: tables, labels, groups, and how its images are named and stored."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from comp.data.images import EXTENSIONS, distinct, read_file
from comp.errors import DataError

SAMPLED = 24  # images that are opened, and ids that the naming is learnt from
USUAL_ORDER = ("red", "green", "blue", "yellow", "grey", "alpha")
GROUP_COLUMNS = ("antibody", "patient", "group", "plate", "well", "slide")
LABEL_COLUMNS = ("target", "targets", "label", "labels", "class", "classes", "predicted")
TRAIN_TABLES = ("train.csv", "train_labels.csv", "training.csv")


@dataclass(frozen=True)
class FoundTables:
    """Names of the tables and their columns, the train table, and the ids of the sample submission."""

    train_file: str
    test_file: str
    id_column: str
    target_column: str
    predicted_column: str
    train: pd.DataFrame
    test_ids: tuple[str, ...]

    @property
    def train_ids(self) -> tuple[str, ...]:
        return tuple(self.train[self.id_column])

    @property
    def label_strings(self) -> tuple[str, ...]:
        return tuple(self.train[self.target_column])


@dataclass(frozen=True)
class FoundImages:
    """Naming and storage; `formats`, `bits` and `sizes` count what the sampled files hold, `missing` are the ids that lack a file."""

    train_folder: str
    test_folder: str
    pattern: str
    channels: tuple[str, ...]
    formats: Counter[str]
    bits: Counter[int]
    sizes: Counter[tuple[int, int]]
    missing: dict[str, list[str]]


@dataclass(frozen=True)
class FoundGroups:
    """A column that gives every train id its group."""

    file: str
    id_column: str
    column: str
    count: int


def find_tables(folder: Path) -> FoundTables:
    """The train table and the sample submission.

    Raises:
        DataError: one is missing, an id stands twice, or the labels are not one string a row.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "correct DATA")
    names = sorted(path.name for path in folder.glob("*.csv"))
    train_file = next((name for name in TRAIN_TABLES if name in names), None)
    if train_file is None:
        raise DataError(f"{folder} has no train.csv", f"its tables are {', '.join(names) or 'none'}; name the one with the labels so")
    test_file = next((name for name in names if re.sub("[^a-z]", "", name.lower()).startswith("samplesubmission")), None)
    if test_file is None:
        raise DataError(f"{folder} has no sample_submission.csv", "add it: it says which test ids a submission holds, and its columns")
    train, sample = _read(folder / train_file), _read(folder / test_file)
    if len(sample.columns) != 2:
        raise DataError(f"{folder / test_file} has {len(sample.columns)} columns", "an id and one string of labels are expected")
    id_column, predicted = (str(name) for name in sample.columns)
    if id_column not in train.columns:
        raise DataError(f"{folder / train_file} has no column {id_column!r} as {test_file} has", "give both the same name for the ids")
    for name, table in ((train_file, train), (test_file, sample)):
        if (repeated := table[id_column][table[id_column].duplicated()]).size:
            raise DataError(f"{folder / name}: id {repeated.iloc[0]} appears twice", "remove one of its rows")
    target = _target(folder / train_file, [str(name) for name in train.columns if name != id_column], predicted)
    return FoundTables(train_file, test_file, id_column, target, predicted, train, tuple(sample[id_column]))


def find_tokens(tables: FoundTables) -> tuple[str, ...]:
    """The tokens of the label strings: numbers in their order, words in the alphabet's.

    Raises:
        DataError: labels that are not separated by spaces.
    """
    for image_id, string in zip(tables.train_ids, tables.label_strings, strict=True):
        if mark := re.search(r"[|;,]", string):
            raise DataError(f"{tables.train_file}: id {image_id} has labels with {mark[0]!r} between them", "separate them by spaces")
    tokens = {token for string in tables.label_strings for token in string.split()}
    if not tokens:
        raise DataError(f"{tables.train_file} has no label in its column {tables.target_column!r}", "check the file")
    return tuple(sorted(tokens, key=lambda token: (not token.isdecimal(), int(token) if token.isdecimal() else 0, token)))


def find_groups(folder: Path, tables: FoundTables) -> FoundGroups | None:
    """A column in which train ids share values: of the train table if its name says so, else of any other table with all train ids."""
    candidates = []
    for path in sorted(folder.glob("*.csv")):
        if path.name == tables.test_file:
            continue
        own = path.name == tables.train_file
        table = tables.train if own else _read(path)
        found = [str(column) for column in table.columns if set(tables.train_ids) <= set(table[column])]
        if not found:
            continue
        table = table[table[found[0]].isin(tables.train_ids)]
        for column in (str(name) for name in table.columns if name != found[0]):
            rank = next((place for place, name in enumerate(GROUP_COLUMNS) if name in column.lower()), len(GROUP_COLUMNS))
            unlike_labels = column.lower() not in LABEL_COLUMNS and (rank < len(GROUP_COLUMNS) or not own)
            if unlike_labels and 1 < table[column].nunique() < len(table):
                candidates.append((rank, FoundGroups(path.name, found[0], column, table[column].nunique())))
    return min(candidates, key=lambda candidate: candidate[0])[1] if candidates else None


def find_images(folder: Path, tables: FoundTables) -> FoundImages | None:
    """How the images are named and stored, or None where there are none of the train ids.

    Raises:
        DataError: the names follow no pattern that could be read.
    """
    train_folder, files = _folder_with(folder, "train", tables.train_ids)
    if train_folder is None:
        return None
    test_folder, test_files = _folder_with(folder, "test", tables.test_ids)
    pattern, channels = _pattern(folder / train_folder, files, tables.train_ids)
    names = channels or ("",)
    missing = {
        part: [image_id for image_id in ids if any(pattern.format(id=image_id, channel=channel) not in there for channel in names)]
        for part, ids, there in (("train", tables.train_ids, files), ("test", tables.test_ids, test_files))
    }
    whole = [(folder / train_folder, image_id) for image_id in _spread([i for i in tables.train_ids if i not in set(missing["train"])])]
    if test_folder is not None:
        whole += [(folder / test_folder, image_id) for image_id in _spread([i for i in tables.test_ids if i not in set(missing["test"])])]
    if not whole:
        raise DataError(f"{folder / train_folder} has all files of no id", f"they are expected as {pattern}")
    formats: Counter[str] = Counter()
    bits: Counter[int] = Counter()
    sizes: Counter[tuple[int, int]] = Counter()
    counts: Counter[int] = Counter()
    for where, image_id in whole:
        for channel in names:
            path = where / pattern.format(id=image_id, channel=channel)
            planes = read_file(path)
            formats[path.suffix[1:].upper()] += 1
            bits[planes[0].dtype.itemsize * 8] += 1
            counts[len(distinct(planes))] += 1
        sizes[(planes[0].shape[1], planes[0].shape[0])] += 1
    if not channels:
        channels = _channel_names(max(counts))
    return FoundImages(train_folder, test_folder or "test", pattern, channels, formats, bits, sizes, missing)


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} cannot be read as CSV ({' '.join(str(error).split())})", "check the file") from None


def _target(path: Path, columns: list[str], predicted: str) -> str:
    """The column with the labels."""
    if len(columns) == 1:
        return columns[0]
    named = [column for column in columns if column == predicted or column.lower() in LABEL_COLUMNS]
    if len(named) != 1:
        raise DataError(f"{path} has the columns {', '.join(columns[:6])}", "call the one with the labels, separated by spaces, Target")
    return named[0]


def _folder_with(folder: Path, part: str, ids: Sequence[str]) -> tuple[str | None, set[str]]:
    """The folder at most two levels down with files of most ids, relative to `folder`, and its files' names."""
    best: tuple[int, str | None, set[str]] = (0, None, set())
    sample = [_alone(image_id) for image_id in _spread(ids)]
    for where in _folders(folder, part):
        names = _names(where, set(ids))
        text = "\n".join(names)
        count = sum(image_id.search(text) is not None for image_id in sample)
        if count > best[0]:
            best = (count, str(where.relative_to(folder)), names)
        if 2 * count > len(sample):
            break
    return best[1:]


def _folders(folder: Path, part: str) -> list[Path]:
    """Those named after the part first: they win where several hold as many (masks, thumbnails)."""
    below = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    deeper = [path for one in below for path in sorted(one.iterdir())[:200] if path.is_dir()]
    return sorted([*below, *deeper, folder], key=lambda path: (part not in path.name, len(path.parts)))


def _alone(image_id: str) -> re.Pattern[str]:
    """The id where it is no part of a longer one."""
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(image_id)}(?![A-Za-z0-9])")


def _names(folder: Path, ids: set[str]) -> set[str]:
    """Image files in a folder, and in the folders in it that are named after an id."""
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(EXTENSIONS):
                names.add(entry.name)
            elif entry.name in ids and entry.is_dir():
                names |= {f"{entry.name}/{name}" for name in os.listdir(entry.path) if name.lower().endswith(EXTENSIONS)}
    return names


def _pattern(folder: Path, files: set[str], ids: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The pattern with {id}, and with {channel} where an id has several files; then also the channels."""
    forms: Counter[str] = Counter()
    text = "\n".join(files)
    sample = [image_id for image_id in _spread(ids) if _alone(image_id).search(text)]
    for image_id in sample:
        forms.update(_alone(image_id).sub("{id}", name) for name in files if image_id in name)
    forms = Counter({form: count for form, count in forms.items() if "{id}" in form})
    usual = sorted(form for form, count in forms.items() if 2 * count > len(sample))
    if len(usual) == 1:
        return usual[0], ()
    words = [re.split(r"([^A-Za-z0-9]+)", form) for form in usual]
    differing = [place for place, column in enumerate(zip(*words, strict=False)) if len(set(column)) > 1]
    if not usual or len({len(form) for form in words}) != 1 or len(differing) != 1:
        raise DataError(f"{folder} has files that follow no pattern: {', '.join(usual or sorted(files)[:4])}", "name them id_channel.png")
    place = differing[0]
    channels = sorted((form[place] for form in words), key=lambda name: (_usual_place(name), name))
    return "".join([*words[0][:place], "{channel}", *words[0][place + 1 :]]), tuple(channels)


def _usual_place(channel: str) -> int:
    return USUAL_ORDER.index(channel.lower()) if channel.lower() in USUAL_ORDER else len(USUAL_ORDER)


def _channel_names(count: int) -> tuple[str, ...]:
    """Of a file with all channels."""
    known = {1: ("grey",), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}
    return known.get(count, tuple(f"plane{number}" for number in range(1, count + 1)))


def _spread(ids: Sequence[str]) -> list[str]:
    """Up to `SAMPLED` of the ids, evenly spaced."""
    return [ids[row] for row in np.unique(np.linspace(0, len(ids) - 1, min(SAMPLED, len(ids)), dtype=int))] if len(ids) else []
