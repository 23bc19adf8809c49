"""Writing the practice competition in Kaggle's layout. An interrupted writer resumes."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from comp.base.errors import DataError
from comp.base.files import hash_file, hash_of, read_text, write_json, write_text
from comp.base.locks import lock
from comp.base.processes import follow_parent, worker_pool
from comp.base.progress import say, track
from comp.practice.draw import Scene, draw_field
from comp.practice.tables import PracticeSpec, draw_tables

CHANNELS = ("red", "green", "blue", "yellow")
STARTED, COMPLETE = "drawing.json", "complete.json"
FOLDERS = ("train", "test", "masks", "hidden")
PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
TABLES = ("train.csv", "sample_submission.csv", "antibodies.csv")


def write(folder: Path, spec: PracticeSpec, workers: int) -> None:
    """Draw the competition of `spec` into `folder`, unless it is there already. Waits if another process is drawing it.

    Files: {train,test}/<id>_<channel>.png, masks/<id>_{nuclei,cells}.png (uint16 instance numbers), train.csv,
    sample_submission.csv, antibodies.csv (train only) and hidden/labels.csv (Id, Target, Usage), which only scoring may read.
    `complete.json` is written last. Images of another spec or of another version of the drawing code are replaced, and so are all
    files if `complete.json` is damaged.

    Raises:
        DataError: the folder holds files that were not drawn here.
    """
    made_by = {"spec": spec.model_dump(), "code": _code()}
    table = draw_tables(spec)
    if _is_complete(folder, made_by, table):
        return
    with lock(folder.with_name(f".{folder.name}.lock"), "drawing the practice competition"):
        if _is_complete(folder, made_by, table):  # another process has drawn it meanwhile
            return
        _prepare(folder, made_by, table)
        rows = [row for row in table.to_dict("records") if not all(_whole(path) for path in _paths(folder, row))]
        for _ in track(_drawn(folder, rows, spec.size, workers), label="drawing practice images", total=len(rows), unit="image"):
            pass
        _write_tables(folder, table)
        os.sync()  # once for all images: to flush each one takes longer than to draw it
        write_json(folder / COMPLETE, {"hash": hash_of(made_by), **made_by})
        (folder / STARTED).unlink()


def _code() -> str:
    """Hash of the drawing code, so that images of different versions are not mixed."""
    return hash_of({path.name: hash_file(path) for path in sorted(Path(__file__).parent.glob("*.py"))})


def _is_complete(folder: Path, made_by: dict[Any, Any], table: pd.DataFrame) -> bool:
    images = [path for row in table.to_dict("records") for path in _paths(folder, row)]
    tables = [folder / name for name in TABLES]
    return _reads(folder / COMPLETE) == hash_of(made_by) and all(path.is_file() for path in [*images, *tables])


def _reads(stamp: Path) -> str | None:
    """The hash in a stamp; None if there is none, or it is damaged."""
    try:
        return str(json.loads(read_text(stamp))["hash"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _prepare(folder: Path, made_by: dict[Any, Any], table: pd.DataFrame) -> None:
    """Keep only images of the same spec and code in `folder`, and mark it as started."""
    folder.mkdir(parents=True, exist_ok=True)
    stamps = [_reads(folder / STARTED), _reads(folder / COMPLETE)]
    if stamps == [None, None] and any(folder.iterdir()):
        if not _is_ours(folder, table):
            raise DataError(f"{folder} holds files that are not the practice competition's", "move them, or name another folder")
        say(f"{folder / COMPLETE} is damaged or missing, so the practice competition is drawn again")
    if hash_of(made_by) not in stamps:
        for name in FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in TABLES:
            (folder / name).unlink(missing_ok=True)
    write_json(folder / STARTED, {"hash": hash_of(made_by), **made_by})
    (folder / COMPLETE).unlink(missing_ok=True)
    for name in FOLDERS:
        (folder / name).mkdir(exist_ok=True)


def _is_ours(folder: Path, table: pd.DataFrame) -> bool:
    """Whether the folder holds images of this competition, and nothing but its files."""
    images = {path for row in table.to_dict("records") for path in _paths(folder, row)}
    tables = {*(folder / name for name in TABLES), folder / "hidden" / "labels.csv"}
    stamps = {folder / STARTED, folder / COMPLETE}
    found = {path for path in folder.rglob("*") if not path.is_dir() and path.suffix != ".part"} - stamps
    return found <= images | tables and bool(found & images or not found)


def _paths(folder: Path, row: dict[Any, Any]) -> list[Path]:
    """The files of an image: four channels, nuclei, cells."""
    split = "train" if row["usage"] == "train" else "test"
    channels = [folder / split / f"{row['id']}_{channel}.png" for channel in CHANNELS]
    return [*channels, folder / "masks" / f"{row['id']}_nuclei.png", folder / "masks" / f"{row['id']}_cells.png"]


def _whole(path: Path) -> bool:
    """Whether a PNG was written to its end. An interruption may have cut it off."""
    return path.is_file() and path.read_bytes().endswith(PNG_END)


def _drawn(folder: Path, rows: list[dict[Any, Any]], size: int, workers: int) -> Iterator[None]:
    """Draw all rows; yields after each one."""
    jobs = [(folder, row, size) for row in rows]
    if workers <= 1:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield from map(_draw, jobs)
        finally:
            cv2.setNumThreads(threads)
        return
    with worker_pool(workers, _start_worker) as pool:
        yield from pool.map(_draw, jobs, chunksize=8)


def _start_worker() -> None:
    follow_parent()
    cv2.setNumThreads(1)


def _draw(job: tuple[Path, dict[Any, Any], int]) -> None:
    folder, row, size = job
    drawn = draw_field(scene(row), size)
    pictures = [*np.moveaxis(drawn.image, -1, 0), drawn.nuclei, drawn.cells]
    for path, picture in zip(_paths(folder, row), pictures, strict=True):
        path.unlink(missing_ok=True)  # writing to a pipe would wait forever
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def scene(row: dict[Any, Any]) -> Scene:
    """The scene that a row of `draw_tables` describes."""
    return Scene(
        labels=tuple(row["labels"]),
        cell_line=row["cell_line"],
        antibody=row["antibody_seed"],
        well=row["well_seed"],
        field=row["field_seed"],
        take=row["take_seed"],
        faint=row["faint"],
        moved=(row["moved_x"], row["moved_y"]),
    )


def _write_tables(folder: Path, table: pd.DataFrame) -> None:
    table = table.rename(columns={"id": "Id", "target": "Target", "usage": "Usage"})
    train, hidden = table[table["Usage"] == "train"], table[table["Usage"] != "train"]
    write_text(folder / "train.csv", train[["Id", "Target"]].to_csv(index=False))
    write_text(folder / "antibodies.csv", train[["Id", "antibody", "well"]].to_csv(index=False))
    write_text(folder / "sample_submission.csv", hidden[["Id"]].assign(Predicted="0").to_csv(index=False))
    write_text(folder / "hidden" / "labels.csv", hidden[["Id", "Target", "Usage"]].to_csv(index=False))
