"""The prediction file: a Parquet table of ids, folds and a logit per class, with its provenance inside."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from comp.base.errors import ConfigError, PredictionError
from comp.base.schema import parse
from comp.predictions.provenance import HARDWARE, Provenance, check_same_settings
from comp.predictions.sealed_table import read_sealed, write_sealed

KEY = b"comp"  # the provenance's key in the file's metadata
AGAIN = "make it again with its model's `make fold-K MODEL=...`, or `make import`"


@dataclass(frozen=True)
class Predictions:
    """Logits of N images and C classes.

    Attributes:
        ids: (N,) unique.
        fold: (N,) int8; -1 for rows that belong to no fold.
        logits: (N, C) float32, finite.

    Raises:
        PredictionError: from the constructor, if a shape is wrong, an id appears twice or a logit is not finite.
    """

    ids: tuple[str, ...]
    fold: NDArray[np.int8]
    logits: NDArray[np.float32]
    provenance: Provenance

    def __post_init__(self) -> None:
        model, again = self.provenance.model, "make these predictions again"
        shape = (len(self.ids), len(self.provenance.classes))
        if self.logits.shape != shape or self.fold.shape != shape[:1]:
            raise PredictionError(f"predictions of {model} have shape {self.logits.shape}, not {shape} (ids, classes)", again)
        if len(set(self.ids)) != len(self.ids):
            names, counts = np.unique(self.ids, return_counts=True)
            raise PredictionError(f"predictions of {model} hold id {names[counts > 1][0]} twice", again)
        if not np.isfinite(self.logits).all():
            row, column = np.argwhere(~np.isfinite(self.logits))[0]
            value = self.logits[row, column]
            name = self.provenance.classes[column]
            raise PredictionError(f"predictions of {model} hold {value} for id {self.ids[row]}, class {name!r}", again)

    def aligned(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Logits (len(ids), C) in the order of `ids`, joined by id.

        Raises:
            PredictionError: the ids are not exactly those of this file.
        """
        row = {image_id: row for row, image_id in enumerate(self.ids)}
        missing = [image_id for image_id in ids if image_id not in row]
        unknown = set(self.ids) - set(ids)
        if missing or unknown:
            fault = f"lack id {missing[0]} ({len(missing)} missing)" if missing else f"hold the unknown id {min(unknown)}"
            then = f"make them again from this competition's tables: {self.provenance.remake}"
            raise PredictionError(f"predictions of {self.provenance.model} {fault}", then)
        return self.logits[[row[image_id] for image_id in ids]]

    def write(self, path: Path) -> None:
        write_table(path, self.ids, self.fold, self.logits, logit_columns(len(self.provenance.classes)), self.provenance)


def logit_columns(classes: int) -> pa.Schema:
    """The columns of a prediction file: id, fold and one logit per class."""
    return columns_of([f"z{number:02d}" for number in range(classes)])


def columns_of(names: Sequence[str]) -> pa.Schema:
    """The columns id and fold, then numbers under these names."""
    return pa.schema([("id", pa.string()), ("fold", pa.int8()), *[(name, pa.float32()) for name in names]])


def write_table(
    path: Path, ids: Sequence[str], fold: NDArray[np.int8], values: NDArray[np.float32], columns: pa.Schema, made: Provenance
) -> None:
    """Write ids, folds and values (N, D) with their provenance; equal contents give equal bytes."""
    metadata = {KEY: json.dumps(made.model_dump(mode="json"), sort_keys=True).encode()}
    write_sealed(path, pa.table([ids, fold, *values.T], columns.with_metadata(metadata)), as_bytes=columns.names[2:])


def read_predictions(path: Path) -> Predictions:
    """A prediction file, checked.

    Raises:
        PredictionError: missing, damaged, or not a prediction file of this toolkit.
    """
    table, provenance = read_table(path, AGAIN)
    columns = logit_columns(len(provenance.classes))
    if not table.schema.equals(columns):
        what = f"{path} does not have the columns id (text), fold (int8) and z00 to {columns.names[-1]} (float32)"
        raise PredictionError(what, AGAIN)
    logits = np.column_stack([column.to_numpy() for column in table.columns[2:]])
    try:
        return Predictions(tuple(table["id"].to_pylist()), table["fold"].to_numpy(), logits, provenance)
    except PredictionError as error:
        raise PredictionError(f"{path}: {error.what}", error.then) from None


def read_table(path: Path, again: str) -> tuple[pa.Table, Provenance]:
    """What `write_table` wrote, without empty cells; the caller checks the columns.

    Raises:
        PredictionError: missing, damaged, or without provenance; `again` is what to type then.
    """
    table = read_sealed(path, again)
    metadata = (table.schema.metadata or {}).get(KEY)
    if metadata is None:
        then = f"import it: make import MODEL={path.parent.name} VAL={path}"
        raise PredictionError(f"{path} does not say where it came from", then)
    try:
        provenance = parse(Provenance, json.loads(metadata), str(path))
    except ConfigError as error:
        raise PredictionError(error.what, again) from None
    except (ValueError, RecursionError):
        raise PredictionError(f"the provenance in {path} is not valid JSON", again) from None
    if any(column.null_count for column in table.columns):
        raise PredictionError(f"{path} has empty cells", again)
    return table, provenance


def join_folds(folds: Sequence[Predictions], ids: Sequence[str]) -> Predictions:
    """The out-of-fold predictions of one model, in the order of `ids`: every id exactly once over its folds.

    Raises:
        PredictionError: the folds' files were made with different settings, or an id is missing, unknown or repeated.
    """
    made = _shared_provenance(folds)
    joined = Predictions(
        tuple(image_id for each in folds for image_id in each.ids),
        np.concatenate([each.fold for each in folds]),
        np.concatenate([each.logits for each in folds]),
        made,
    )
    logits = joined.aligned(ids)
    fold = dict(zip(joined.ids, joined.fold, strict=True))
    return Predictions(tuple(ids), np.array([fold[image_id] for image_id in ids], np.int8), logits, made)


def mean_of_folds(folds: Sequence[Predictions], ids: Sequence[str]) -> Predictions:
    """Test or hold-out predictions of one model: the mean (len(ids), C) of its folds' logits, in the order of `ids`.

    Raises:
        PredictionError: the folds' files were made with different settings, or an id is missing or unknown.
    """
    made = _shared_provenance(folds)
    logits = np.stack([each.aligned(ids) for each in folds]).mean(axis=0, dtype=np.float64).astype(np.float32)
    return Predictions(tuple(ids), np.full(len(ids), -1, np.int8), logits, made)


def _shared_provenance(folds: Sequence[Predictions]) -> Provenance:
    """What the files of all folds say; raises PredictionError if they differ in more than fold and hardware."""
    first = folds[0].provenance
    for each in folds[1:]:
        check_same_settings(first, each.provenance, except_for={"fold", *HARDWARE})
    return first.model_copy(update={"fold": None})
