"""Inspecting the images of an unknown folder in Kaggle's layout: how their files are named, and what they hold."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from comp.base.errors import DataError
from comp.competition.table_inspection import FoundTables
from comp.images.read import EXTENSIONS, distinct, read_file

SAMPLED = 24  # ids that the naming is learnt from, and images that are opened
USUAL_ORDER = ("red", "green", "blue", "yellow", "grey", "alpha")


@dataclass(frozen=True)
class FoundImages:
    """Naming and storage. `formats`, `bits` and `sizes` (width, height) count the sampled files; `missing`: the ids without all files."""

    train_folder: str
    test_folder: str
    pattern: str
    channels: tuple[str, ...]
    formats: Counter[str]
    bits: Counter[int]
    sizes: Counter[tuple[int, int]]
    missing: dict[str, list[str]]


def find_images(folder: Path, tables: FoundTables) -> FoundImages | None:
    """How the images are named and stored, or None if there are no images of the train ids.

    Raises:
        DataError: the names follow no known pattern, or an image is damaged.
    """
    train_folder, files = _folder_with(folder, "train", tables.train_ids)
    if train_folder is None:
        return None
    test_folder, test_files = _folder_with(folder, "test", tables.test_ids)
    pattern, channels = _pattern(folder / train_folder, files, tables.train_ids)
    names = channels or ("",)
    missing = {
        split: [image_id for image_id in ids if any(pattern.format(id=image_id, channel=channel) not in there for channel in names)]
        for split, ids, there in (("train", tables.train_ids, files), ("test", tables.test_ids, test_files))
    }
    complete = [(folder / train_folder, image_id) for image_id in _spread(_without(tables.train_ids, missing["train"]))]
    if test_folder is not None:
        complete += [(folder / test_folder, image_id) for image_id in _spread(_without(tables.test_ids, missing["test"]))]
    if not complete:
        raise DataError(f"{folder / train_folder} has no id with all its files", f"the files are expected as {pattern}")
    formats: Counter[str] = Counter()
    bits: Counter[int] = Counter()
    sizes: Counter[tuple[int, int]] = Counter()
    counts: Counter[int] = Counter()
    for where, image_id in complete:
        for channel in names:
            path = where / pattern.format(id=image_id, channel=channel)
            stored = read_file(path)
            formats[path.suffix[1:].upper()] += 1
            bits[stored[0].dtype.itemsize * 8] += 1
            counts[len(distinct(stored))] += 1
        sizes[(stored[0].shape[1], stored[0].shape[0])] += 1
    if not channels:
        channels = _channel_names(max(counts))
    return FoundImages(train_folder, test_folder or "test", pattern, channels, formats, bits, sizes, missing)


def _folder_with(folder: Path, split: str, ids: Sequence[str]) -> tuple[str | None, set[str]]:
    """The folder, at most two levels down, with files of the most ids: its path relative to `folder`, and its file names."""
    best: tuple[int, str | None, set[str]] = (0, None, set())
    sample = [_whole_id(image_id) for image_id in _spread(ids)]
    for where in _folders(folder, split):
        names = _names(where, set(ids))
        text = "\n".join(names)
        count = sum(image_id.search(text) is not None for image_id in sample)
        if count > best[0]:
            best = (count, str(where.relative_to(folder)), names)
        if 2 * count > len(sample):
            break
    return best[1:]


def _folders(folder: Path, split: str) -> list[Path]:
    """The folders at most two levels down, those named after the split first: they win over others with as many ids (masks, thumbnails)."""
    below = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    deeper = [path for one in below for path in sorted(one.iterdir())[:200] if path.is_dir()]
    return sorted([*below, *deeper, folder], key=lambda path: (split not in path.name, len(path.parts)))


def _whole_id(image_id: str) -> re.Pattern[str]:
    """Matches the id, but not inside a longer one."""
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(image_id)}(?![A-Za-z0-9])")


def _names(folder: Path, ids: set[str]) -> set[str]:
    """Names of the image files in a folder, and in its folders that are named after an id."""
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(EXTENSIONS):
                names.add(entry.name)
            elif entry.name in ids and entry.is_dir():
                names |= {f"{entry.name}/{name}" for name in os.listdir(entry.path) if name.lower().endswith(EXTENSIONS)}
    return names


def _pattern(folder: Path, files: set[str], ids: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The pattern of the file names with {id}; if an id has several files also with {channel}, and then the channels."""
    forms: Counter[str] = Counter()
    text = "\n".join(files)
    sample = [image_id for image_id in _spread(ids) if _whole_id(image_id).search(text)]
    for image_id in sample:
        forms.update(_whole_id(image_id).sub("{id}", name) for name in files if image_id in name)
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
    """Names for the channels of files that hold all channels."""
    known = {1: ("grey",), 3: ("red", "green", "blue"), 4: ("red", "green", "blue", "alpha")}
    return known.get(count, tuple(f"channel{number}" for number in range(1, count + 1)))


def _without(ids: Sequence[str], left_out: Sequence[str]) -> list[str]:
    unwanted = set(left_out)
    return [image_id for image_id in ids if image_id not in unwanted]


def _spread(ids: Sequence[str]) -> list[str]:
    """At most `SAMPLED` of the ids, evenly spaced."""
    return [ids[row] for row in np.unique(np.linspace(0, len(ids) - 1, min(SAMPLED, len(ids)), dtype=int))] if len(ids) else []
