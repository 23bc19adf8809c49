"""Writing a set of extra rows: images first, its table last. An interrupted writer resumes, and ends with the same bytes."""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError, DataError
from comp.base.files import read_bytes, read_text, write_json, write_text
from comp.base.locks import lock
from comp.base.paths import Paths, check_name
from comp.base.progress import LogBar
from comp.base.schema import differences
from comp.competition.competition import Competition
from comp.competition.extra_rows import ANY_FOLD, BETWEEN_SOURCES, GROUP, IMAGES, MANIFEST, ONLY_FOLD, SOURCES, TABLE, extra_pattern
from comp.competition.file_finder import ANY_ENDING, ANY_FOLDERS, fill
from comp.synthesis.synthetic_row import SyntheticRow, in_batches

PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_NAME = re.compile(r"(?!(?:null|true|false|yes|no|on|off)$)[^\W\d_][\w.-]*", re.IGNORECASE)

Batch = Sequence[SyntheticRow]
Draw = Callable[[Sequence[Batch]], Iterable[NDArray[np.uint8]]]  # batches -> the images (B, H, W, C) of each, in their order


def check_set_name(name: str) -> str:
    """The name of a new set, if `SET="extra=NAME"` reads it as this text.

    Raises:
        ConfigError: it does not begin with a letter, holds other characters than letters, digits, `_`, `-` and `.`, is longer than 100
            bytes, or is a word that YAML reads as nothing or as true or false.
    """
    what = "set of extra rows"
    if not _NAME.fullmatch(check_name(what, name)):
        words = "none of YAML's words for nothing, true and false: null, true, false, yes, no, on, off"
        raise ConfigError(f"{name!r} is no name of a {what}", f"use a letter, then letters, digits, '_', '-' and '.', but {words}")
    return name


def write_set(
    competition: Competition, paths: Paths, name: str, rows: Sequence[SyntheticRow], made_from: dict[str, Any], draw: Draw
) -> bool:
    """Write a set of extra rows, unless it is there already; returns whether anything was drawn.

    Rows are drawn in the same batches however often the writer is interrupted; a batch whose images are not all there is drawn again.

    Args:
        made_from: everything that determines rows and images, as JSON.

    Raises:
        DataError: the set is there, and was made from something else or by hand.
        ConfigError: images of the competition's form cannot be written.
    """
    check_form(competition)
    folder = paths.extra(name)
    made = json.loads(json.dumps(made_from)) | {"rows": len(rows)}
    with lock(folder.with_name(f".{name}.lock"), f"drawing the extra rows {name}"):
        _check_same(folder, made)
        todo = [batch for batch in in_batches(rows) if not all(_is_drawn(competition, folder, row) for row in batch)]
        if not todo and (folder / TABLE).exists():
            return False
        write_json(folder / MANIFEST, made)  # first
        with LogBar(desc=f"drawing {name}", total=sum(map(len, todo)), unit="image") as bar:
            for batch, images in zip(todo, draw(todo), strict=True):
                for row, image in zip(batch, images, strict=True):
                    _write_image(_files(competition, folder, row), image)
                bar.update(len(batch))
        os.sync()  # once for all images: to flush each one takes longer than to draw it
        write_text(folder / TABLE, _table(competition, rows))
    return True


def check_form(competition: Competition) -> None:
    """Raise ConfigError if PNGs cannot hold the competition's images: one file a channel, or one file of one or three channels."""
    if competition.images is None:
        raise ConfigError(f"competition {competition.name} has tables and no images", "choose one with images: make synthesize COMP=...")
    channels = competition.images.channels
    if "{channel}" not in competition.images.file and len(channels) not in (1, 3):
        what = f"a PNG cannot hold the {len(channels)} channels of {competition.name}'s images"
        raise ConfigError(what, "synthetic images need a file for each channel: `file: '{id}_{channel}.png'` in the competition's YAML")


def _check_same(folder: Path, made: dict[str, Any]) -> None:
    """Raise DataError if there is another set in the folder."""
    path = folder / MANIFEST
    then = f"choose another name, EXTRA=..., or move {folder} away"
    if not path.exists():
        if folder.exists() and any(folder.iterdir()):
            raise DataError(f"{folder} holds a set that was not made by make synthesize", then)
        return
    try:
        before = json.loads(read_text(path))
        differs = differences(before, made)
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        raise DataError(f"{path} is damaged, so nothing is known of the set", then) from None
    if differs:
        raise DataError(f"{folder} was made with {', '.join(differs)}", then)


def _files(competition: Competition, folder: Path, row: SyntheticRow) -> list[Path]:
    """The files of an image: one for each channel, or one for all."""
    assert competition.images is not None
    pattern = extra_pattern(competition).removeprefix(ANY_FOLDERS).removesuffix(ANY_ENDING) + ".png"
    names = competition.images.channels if "{channel}" in pattern else ("",)
    return [folder / IMAGES / fill(pattern, row.id, name) for name in names]


def _is_drawn(competition: Competition, folder: Path, row: SyntheticRow) -> bool:
    """Whether all PNGs of an image were written to their end. An interruption may have cut one off."""
    try:
        return all(read_bytes(path).endswith(PNG_END) for path in _files(competition, folder, row))
    except OSError:
        return False


def _write_image(files: list[Path], image: NDArray[np.uint8]) -> None:
    planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(image, -1, 0)] if len(files) > 1 else [image[..., ::-1]]
    for path, plane in zip(files, planes, strict=True):  # OpenCV has blue first
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # writing to a pipe would wait forever
        path.write_bytes(cv2.imencode(".png", plane)[1].tobytes())


def _table(competition: Competition, rows: Sequence[SyntheticRow]) -> str:
    tokens = competition.labels.tokens
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([competition.columns.id, competition.columns.target, SOURCES, GROUP, ONLY_FOLD])
    for row in rows:
        labels = competition.columns.separator.join(tokens[column] for column in row.labels)
        only = "" if row.only_fold == ANY_FOLD else row.only_fold
        writer.writerow([row.id, labels, BETWEEN_SOURCES.join(row.sources), row.group, only])
    return text.getvalue()
