"""The prediction file, the narrow waist: id x class logits in Parquet, with where they came from inside."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from comp.errors import ConfigError, PredictionError
from comp.files import atomic_write, hash_of
from comp.schema import Strict, parse

KEY = b"comp"
AGAIN = "make it again with its model's `make fold-K MODEL=...`, or `make import`"
HARDWARE = {"threads", "precision"}  # folds of one model may be trained on different machines
Kind = Literal["oof", "test", "holdout", "imported", "hard", "stack", "embeddings"]


class Provenance(Strict):
    """What determines a prediction file's content, and nothing else, so that equal runs give equal bytes.

    Attributes:
        kind: "oof" rows are fold `fold`'s own, never trained on; "test" and "holdout" rows belong to no fold; "imported"
            rows come from models trained elsewhere; "hard" rows are labels decided elsewhere, as logits of +-16; "stack" rows
            were blended from other models' predictions; "embeddings" are of all images, by the network of fold `fold`.
        fold: the fold whose model predicted, None where there is none of ours.
        weights: where the network's first weights came from.
        experiment, folds, data: hashes of the experiment, the fold map and the train table (ids and labels).
        stands_on: the models whose embeddings it was given -> their `network`.
        declared: an import's owner says that the models never trained on these rows.
        recipe: how a stack was made: its YAML, and the models it blends with the hashes of their files.
    """

    version: Literal[1] = 1
    competition: str
    model: str
    kind: Kind
    fold: int | None = None
    classes: tuple[str, ...]
    seed: int | None = None
    threads: int | None = None
    precision: str | None = None
    experiment: str | None = None
    folds: str | None = None
    data: str
    stands_on: dict[str, str] | None = None
    checkpoint: str | None = None
    tta: int | None = None
    weights: str | None = None
    declared: Literal["holdout", "oof"] | None = None
    recipe: dict[str, Any] | None = None

    @property
    def network(self) -> str:
        """A hash of what a network was trained by: its experiment, and where its first weights came from."""
        return hash_of([self.experiment, self.weights])


@dataclass(frozen=True)
class Predictions:
    """Logits of N images and C classes.

    Attributes:
        ids: (N,) unique.
        fold: (N,) int8; -1 for rows no fold holds.
        logits: (N, C) float32, finite.

    Raises:
        PredictionError: from the constructor, if the rows break the contract.
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
            seen: set[str] = set()
            twice = next(image_id for image_id in self.ids if image_id in seen or seen.add(image_id))  # type: ignore[func-returns-value]
            raise PredictionError(f"predictions of {model} hold id {twice} twice", again)
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
        foreign = set(self.ids) - set(ids)
        if missing or foreign:
            lack, hold = (
                f"lack id {missing[0]} ({len(missing)} missing)" if missing else "",
                f"hold the foreign id {min(foreign, default='')}",
            )
            then = f"make them again from this competition's tables: {_remake(self.provenance)}"
            raise PredictionError(f"predictions of {self.provenance.model} {lack or hold}", then)
        return self.logits[[row[image_id] for image_id in ids]]

    def write(self, path: Path) -> None:
        write_rows(path, self.ids, self.fold, self.logits, schema(len(self.provenance.classes)), self.provenance)


def schema(classes: int) -> pa.Schema:
    """The columns of a prediction file: id, fold and a logit a class."""
    return columns_of([f"z{number:02d}" for number in range(classes)])


def columns_of(names: Sequence[str]) -> pa.Schema:
    """Columns of id and fold, then numbers."""
    return pa.schema([("id", pa.string()), ("fold", pa.int8()), *[(name, pa.float32()) for name in names]])


def write_rows(
    path: Path, ids: Sequence[str], fold: NDArray[np.int8], values: NDArray[np.float32], columns: pa.Schema, made: Provenance
) -> None:
    """Ids, folds and values (N, D) with where they came from: equal ones give equal bytes."""
    metadata = {KEY: json.dumps(made.model_dump(mode="json"), sort_keys=True).encode()}
    table = pa.table([ids, fold, *values.T], columns.with_metadata(metadata))
    with atomic_write(path) as file:
        pq.write_table(table, file, compression="zstd", use_dictionary=False, use_byte_stream_split=columns.names[2:])


def read_predictions(path: Path) -> Predictions:
    """A prediction file, checked.

    Raises:
        PredictionError: missing, damaged, or not a prediction file of this toolkit.
    """
    table, provenance = read_rows(path, AGAIN)
    columns = schema(len(provenance.classes))
    if not table.schema.equals(columns):
        what = f"{path} does not have the columns id (text), fold (int8) and z00 to {columns.names[-1]} (float32)"
        raise PredictionError(what, AGAIN)
    logits = np.column_stack([column.to_numpy() for column in table.columns[2:]])
    try:
        return Predictions(tuple(table["id"].to_pylist()), table["fold"].to_numpy(), logits, provenance)
    except PredictionError as error:
        raise PredictionError(f"{path}: {error.what}", error.then) from None


def read_rows(path: Path, again: str) -> tuple[pa.Table, Provenance]:
    """What `write_rows` wrote, without empty cells; its columns are not checked.

    Raises:
        PredictionError: missing, damaged, or without a word on where it came from; `again` is what to type then.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise PredictionError(f"there is no {path}", again) from None
    except (OSError, pa.ArrowException) as error:
        raise PredictionError(f"{path} cannot be read as Parquet ({' '.join(str(error).split())[:120]})", again) from None
    metadata = (table.schema.metadata or {}).get(KEY)
    if metadata is None:
        then = f"bring it in with: make import MODEL={path.parent.name} VAL={path}"
        raise PredictionError(f"{path} does not say where it came from", then)
    try:
        provenance = parse(Provenance, json.loads(metadata), str(path))
    except ConfigError as error:
        raise PredictionError(error.what, again) from None
    except ValueError:
        raise PredictionError(f"{path} says where it came from in no JSON", again) from None
    if any(column.null_count for column in table.columns):
        raise PredictionError(f"{path} has empty cells", again)
    return table, provenance


def join_folds(parts: Sequence[Predictions], ids: Sequence[str]) -> Predictions:
    """The out-of-fold predictions of one model: every id exactly once over its folds, in the order of `ids`.

    Raises:
        PredictionError: the parts differ in anything but their fold, or an id is missing, foreign or repeated.
    """
    first = parts[0].provenance
    for part in parts[1:]:
        refuse_difference(first, part.provenance, except_for={"fold", *HARDWARE})
    joined = Predictions(
        tuple(image_id for part in parts for image_id in part.ids),
        np.concatenate([part.fold for part in parts]),
        np.concatenate([part.logits for part in parts]),
        first.model_copy(update={"fold": None}),
    )
    logits = joined.aligned(ids)
    fold = dict(zip(joined.ids, joined.fold, strict=True))
    return Predictions(tuple(ids), np.array([fold[image_id] for image_id in ids], np.int8), logits, joined.provenance)


def mean_of_folds(parts: Sequence[Predictions], ids: Sequence[str]) -> Predictions:
    """Test or hold-out predictions of one model: the mean (len(ids), C) of its folds' logits, in the order of `ids`.

    Raises:
        PredictionError: the parts differ in anything but their fold, or an id is missing or foreign.
    """
    first = parts[0].provenance
    for part in parts[1:]:
        refuse_difference(first, part.provenance, except_for={"fold", *HARDWARE})
    logits = np.stack([part.aligned(ids) for part in parts]).mean(axis=0, dtype=np.float64).astype(np.float32)
    return Predictions(tuple(ids), np.full(len(ids), -1, np.int8), logits, first.model_copy(update={"fold": None}))


def refuse_difference(one: Provenance, other: Provenance, except_for: set[str]) -> None:
    """Raise PredictionError if two files of one model were made differently, e.g. with other folds or settings."""
    a, b = one.model_dump(exclude=except_for), other.model_dump(exclude=except_for)
    again = remake(one.competition, one.model, one.kind)
    for key, value in a.items():
        if b[key] != value:
            raise PredictionError(
                f"predictions of {one.model} differ in {key}: {value} ({_file_of(one)}) and {b[key]} ({_file_of(other)})",
                f"make all its files the same way: remove those made otherwise, then: {again}",
            )


def refuse_other_folds(path: Path, found: Provenance, folds: str, data: str) -> None:
    """Raise PredictionError if `path` was made with another fold map or train table than the present ones; imports know no fold map."""
    known = None if found.kind == "imported" else folds
    for what, was, now in (("fold map", found.folds, known), ("train table", found.data, data)):
        if was != now:
            made = f"{path} was made with another {what} ({str(was)[:8]}) than the present one ({str(now)[:8]})"
            raise PredictionError(made, f"make it again: {_remake(found)}")


def data_fingerprint(ids: Sequence[str], labels: NDArray[np.bool_]) -> str:
    """A hash of the train table: ids with their labels, whatever the order of the rows."""
    return hash_of(sorted((image_id, np.flatnonzero(row).tolist()) for image_id, row in zip(ids, labels, strict=True)))


def remake(competition: str, model: str, kind: Kind, fold: int | None = None) -> str:
    """The command that makes predictions: an import's, a stack's, one fold's or all folds'."""
    if kind == "imported":
        return f"make import COMP={competition} MODEL={model} VAL=... TEST=..."
    if kind == "hard":
        return f"make import COMP={competition} MODEL={model} TEST=submission.csv"
    if kind == "stack":
        return f"make stack COMP={competition} STACK={model}"
    return f"make {'model' if fold is None else f'fold-{fold}'} COMP={competition} MODEL={model}"


def _remake(made: Provenance) -> str:
    return remake(made.competition, made.model, made.kind, made.fold)


def _file_of(made: Provenance) -> str:
    return made.kind if made.fold is None else f"{made.kind} of fold {made.fold}"
