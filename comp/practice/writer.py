"""The practice competition as files, in Kaggle's layout; whole at the end, resumed after an interruption."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from comp.errors import DataError
from comp.files import hash_file, hash_of, lock, write_json, write_text
from comp.practice.draw import Scene, draw_field
from comp.practice.tables import PracticeSpec, draw_tables
from comp.progress import track
from comp.workers import follow_parent, worker_pool

CHANNELS = ("red", "green", "blue", "yellow")
STARTED, COMPLETE = "drawing.json", "complete.json"
FOLDERS = ("train", "test", "masks", "sealed")
PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
TABLES = ("train.csv", "sample_submission.csv", "antibodies.csv")


def write(folder: Path, spec: PracticeSpec, workers: int) -> None:
    """Draw the competition of `spec` into `folder`, unless it lies there already.

    Files: {train,test}/<id>_<channel>.png, masks/<id>_{nuclei,cells}.png (uint16 instance numbers), train.csv,
    sample_submission.csv, antibodies.csv (train only) and sealed/labels.csv (Id, Target, Part), which only scoring may read.
    `complete.json` is written last. What another spec or another version of the drawing code left is drawn anew.

    Raises:
        CompError: the folder holds files that were not drawn here, or another process is drawing it.
    """
    made_by = {"spec": spec.model_dump(), "code": _code()}
    table = draw_tables(spec)
    pictures = [path for row in table.to_dict("records") for path in _paths(folder, row)]
    if _reads(folder / COMPLETE) == hash_of(made_by) and all(path.is_file() for path in [*pictures, *(folder / name for name in TABLES)]):
        return
    with lock(folder.with_name(f".{folder.name}.lock"), "drawing the practice competition"):
        _prepare(folder, made_by)
        rows = [row for row in table.to_dict("records") if not all(_whole(path) for path in _paths(folder, row))]
        for _ in track(_drawn(folder, rows, spec.size, workers), label="drawing practice images", total=len(rows), unit="image"):
            pass
        _write_tables(folder, table)
        os.sync()  # once for all images: flushing each would take longer than drawing it
        write_json(folder / COMPLETE, {"hash": hash_of(made_by), **made_by})
        (folder / STARTED).unlink()


def _code() -> str:
    """Hash of the drawing code: pictures of an older version are not mixed with those of a newer one."""
    return hash_of({path.name: hash_file(path) for path in sorted(Path(__file__).parent.glob("*.py"))})


def _reads(stamp: Path) -> str | None:
    return str(json.loads(stamp.read_text())["hash"]) if stamp.is_file() else None


def _prepare(folder: Path, made_by: dict[Any, Any]) -> None:
    """Leave in `folder` only what this same drawing has begun."""
    folder.mkdir(parents=True, exist_ok=True)
    stamps = [_reads(folder / STARTED), _reads(folder / COMPLETE)]
    if stamps == [None, None] and any(folder.iterdir()):
        raise DataError(f"{folder} holds files that are not the practice competition's", "move them, or name another folder")
    if hash_of(made_by) not in stamps:
        for name in FOLDERS:
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in TABLES:
            (folder / name).unlink(missing_ok=True)
    write_json(folder / STARTED, {"hash": hash_of(made_by), **made_by})
    (folder / COMPLETE).unlink(missing_ok=True)
    for name in FOLDERS:
        (folder / name).mkdir(exist_ok=True)


def _paths(folder: Path, row: dict[Any, Any]) -> list[Path]:
    """Four channels, nuclei, cells."""
    part = "train" if row["part"] == "train" else "test"
    channels = [folder / part / f"{row['id']}_{channel}.png" for channel in CHANNELS]
    return [*channels, folder / "masks" / f"{row['id']}_nuclei.png", folder / "masks" / f"{row['id']}_cells.png"]


def _whole(path: Path) -> bool:
    """Whether a PNG was written to its end; one that an interruption cut off is drawn again."""
    return path.is_file() and path.read_bytes().endswith(PNG_END)


def _drawn(folder: Path, rows: list[dict[Any, Any]], size: int, workers: int) -> Iterator[None]:
    """Draw every row; yields as they are finished."""
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
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def scene(row: dict[Any, Any]) -> Scene:
    """What a row of `draw_tables` says about its image."""
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
    table = table.rename(columns={"id": "Id", "target": "Target", "part": "Part"})
    train, sealed = table[table["Part"] == "train"], table[table["Part"] != "train"]
    write_text(folder / "train.csv", train[["Id", "Target"]].to_csv(index=False))
    write_text(folder / "antibodies.csv", train[["Id", "antibody", "well"]].to_csv(index=False))
    write_text(folder / "sample_submission.csv", sealed[["Id"]].assign(Predicted="0").to_csv(index=False))
    write_text(folder / "sealed" / "labels.csv", sealed[["Id", "Target", "Part"]].to_csv(index=False))
