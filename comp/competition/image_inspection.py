"""Inspecting the images of an unknown folder: where they are, which are missing, and what some of them hold."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from comp.base.errors import DataError
from comp.competition.file_finder import ANY_ENDING, ANY_FOLDERS, FileFinder, fill
from comp.competition.file_naming import BESIDE, Naming, find_naming, named_after, spread
from comp.images.formats.stored import StoredFile
from comp.images.read import EXTENSIONS, distinct, read_stored

_PLAINLY_IMAGES = 3  # as many image files are no logo
_USED_BITS = (10, 12, 14)  # what cameras store in files of 16 bits


@dataclass(frozen=True)
class Samples:
    """What the opened images hold: counts of their formats, bits, sizes (width, height) and channels; the smallest and largest value.

    `opened` has the id and size of each image.
    """

    formats: Counter[str]
    bits: Counter[int]
    sizes: Counter[tuple[int, int]]
    channels: Counter[int]
    alpha: Counter[bool]
    low: float
    high: float
    floats: bool
    opened: tuple[tuple[str, tuple[int, int]], ...]

    @property
    def usual_size(self) -> tuple[int, int]:
        return self.sizes.most_common(1)[0][0]

    @property
    def used_bits(self) -> int | None:
        """How many bits the values of 16-bit files need, if not all."""
        if self.floats or set(self.bits) != {16}:
            return None
        return next((bits for bits in _USED_BITS if self.high < 2**bits), None)


@dataclass(frozen=True)
class FoundImages:
    """Naming of each split, and what is stored. `missing`: the ids of a split without all files; `example`: the files of one image."""

    train: Naming
    test: Naming
    channels: tuple[str, ...]
    samples: Samples
    missing: dict[str, list[str]]
    example: tuple[Path, ...]


def find_images(folder: Path, train_ids: Sequence[str], test_ids: Sequence[str]) -> FoundImages | None:
    """How the images are named and stored, or None if the folder holds no images.

    Raises:
        DataError: there are images, but not named after the ids, or following no known pattern; or an image is damaged.
    """
    finder = FileFinder(folder)
    train, test = find_naming(finder.names, train_ids, test_ids)
    if train is None:
        _check_no_images(finder, [*spread(train_ids), *spread(test_ids)])
        return None
    if test is None:
        test = replace(train, folder=train.folder.replace("train", "test") if "train" in train.folder else "test", left_out=())
    if _but_for_case(test.pattern) == _but_for_case(train.pattern):
        test = replace(test, pattern=train.pattern)
    found, missing, complete = {}, {}, []
    for split, naming, ids in (("train", train, train_ids), ("test", test, test_ids)):
        found[split], missing[split] = _wide_enough(folder, naming, ids)
        lacking = set(missing[split])
        here = FileFinder(folder / found[split].folder)
        sample = spread([image_id for image_id in ids if image_id not in lacking])
        complete += [(image_id, _files(here, found[split], image_id)) for image_id in sample]
    if not complete:
        raise DataError(f"{folder / train.folder} has no id with all its files", f"the files are expected as {train.pattern}")
    samples = _read(complete)
    channels = train.channels or _channel_names(samples)
    return FoundImages(found["train"], found["test"], channels, samples, missing, tuple(complete[0][1]))


def _but_for_case(pattern: str) -> str:
    """The pattern with its ending in lower case: files are found in any case."""
    stem, ending = os.path.splitext(pattern)
    return stem + ending.lower()


def _check_no_images(finder: FileFinder, ids: Sequence[str]) -> None:
    """Raise DataError if the folder plainly holds images, whether their endings are read or not."""
    if len(finder.names) >= _PLAINLY_IMAGES:
        what = (
            f"{finder.folder} has {len(finder.names):,} image files, such as {finder.names[0]}, but none is named after an id of the tables"
        )
        then = f"name them after their ids, such as {ids[0]}.png; move them out of the folder if they do not belong to the ids"
        raise DataError(what, then)
    if named_after(finder.not_read, ids):
        endings = Counter(Path(name).suffix for name in finder.not_read)
        files = " and ".join(f"{count:,} {ending} files" for ending, count in endings.most_common())
        raise DataError(f"{finder.folder} has {files}, such as {finder.not_read[0]}, which are not read", "convert them to TIFF or PNG")


def _wide_enough(folder: Path, naming: Naming, ids: Sequence[str]) -> tuple[Naming, list[str]]:
    """The naming, with any ending or any folders if more ids have their files then; and the ids without all files."""
    best, missing = naming, _missing(folder, naming, ids)
    tail = naming.pattern.removeprefix(ANY_FOLDERS)
    any_ending = next((tail[: -len(ending)] + ANY_ENDING for ending in EXTENSIONS if tail.lower().endswith(ending)), tail)
    above = [str(parent) for parent in (Path(naming.folder), *Path(naming.folder).parents)]
    wider = [(naming.folder, naming.pattern.removesuffix(tail) + any_ending)]
    wider += [(parent, ANY_FOLDERS + each) for parent in dict.fromkeys(above) for each in (tail, any_ending)]
    for where, pattern in wider if missing else ():
        tried = replace(naming, folder=where, pattern=pattern)
        try:
            lacking = _missing(folder, tried, ids)
        except DataError:  # several files match
            continue
        if len(lacking) < len(missing):
            best, missing = tried, lacking
    return best, missing


def _missing(folder: Path, naming: Naming, ids: Sequence[str]) -> list[str]:
    """The ids without all files. Files in folders such as `masks` do not count where the pattern allows any folder.

    Raises:
        DataError: an id has several files of one channel.
    """
    finder = FileFinder(folder / naming.folder)
    missing = []
    for image_id in ids:
        for channel in naming.channels or ("",):
            wanted = fill(naming.pattern, image_id, channel)
            found = finder.matches(wanted)
            if len(found) > 1:
                finder.find(wanted)
            elif not found or (wanted.startswith(ANY_FOLDERS) and BESIDE.search(found[0])):
                missing.append(image_id)
                break
    return missing


def _files(finder: FileFinder, naming: Naming, image_id: str) -> list[Path]:
    return [finder.find(fill(naming.pattern, image_id, channel)) for channel in naming.channels or ("",)]


def _read(images: Sequence[tuple[str, Sequence[Path]]]) -> Samples:
    """Open the files of these ids."""
    samples = Samples(Counter(), Counter(), Counter(), Counter(), Counter(), np.inf, -np.inf, False, ())
    low, high, floats = samples.low, samples.high, False
    opened = []
    for image_id, files in images:
        for path in files:
            file = read_stored(path)
            stored = file.channels
            samples.formats[path.suffix[1:].upper()] += 1
            samples.bits[stored[0].dtype.itemsize * 8] += 1
            samples.channels[_count(file)] += 1
            samples.alpha[file.alpha] += 1
            floats |= stored[0].dtype.kind == "f"
            low, high = min(low, *(float(each.min()) for each in stored)), max(high, *(float(each.max()) for each in stored))
        opened.append((image_id, (stored[0].shape[1], stored[0].shape[0])))
    samples.sizes.update(size for _, size in opened)
    return replace(samples, low=low, high=high, floats=floats, opened=tuple(opened))


def _count(file: StoredFile) -> int:
    return len(file.channels) if file.channels[0].dtype.kind == "f" else len(distinct(file.channels))


def _channel_names(samples: Samples) -> tuple[str, ...]:
    """Names for the channels of files that hold all: as many as most files have, but colour if only some are colour."""
    usual = samples.channels.most_common(1)[0][0]
    count = 3 if usual == 1 and samples.channels[3] else usual
    known = {1: ("grey",), 3: ("red", "green", "blue")} | ({4: ("red", "green", "blue", "alpha")} if samples.alpha[True] else {})
    return known.get(count, tuple(f"channel{number}" for number in range(1, count + 1)))
