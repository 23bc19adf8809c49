"""Where predictions came from: the provenance inside every file, its checks, and the command that makes a file again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from comp.base.errors import PredictionError
from comp.base.files import hash_of
from comp.base.schema import Strict

HARDWARE = {"threads", "precision"}  # folds of one model may be trained on different machines
Kind = Literal["oof", "test", "holdout", "imported", "label_only", "stack", "embeddings", "cells", "weights", "voters"]


class Provenance(Strict):
    """What determines the content of a prediction file, and nothing else, so that equal runs give equal bytes.

    Attributes:
        kind: "oof": rows of fold `fold`, on which its model was not trained. "test" and "holdout": rows that belong to no fold.
            "imported": predictions of a model trained elsewhere. "label_only": labels decided elsewhere, stored as logits of +-16.
            "stack": a blend of other models' predictions. "embeddings": vectors of all images, by the network of fold `fold`.
            "cells": that network's probabilities of single cells.
            "weights" and "voters": what that fold's model needs to predict other images.
        fold: the fold whose model predicted; None where no fold of ours did.
        precision: data type and device of training, e.g. "bf16 on cuda".
        initial_weights: where the network's initial weights came from.
        experiment, folds, data: hashes of the experiment, of the fold map, and of the train table (ids and labels). Weights have no
            `experiment`: they hold the settings of training themselves.
        images: hash of the train and test images that the network saw, see `ImageIdentity`; None if it saw none, or in older files.
        extra: hash of the table of the extra rows that were trained on, if there were any. Their pixels are among `images`.
        embedder: of a model that embeds, hash of the settings that its embeddings depend on; how neighbours vote is not among them.
        depends_on: the models whose embeddings were an input -> their `network`.
        declared: why an imported model was never trained on these rows, as its owner declares.
        recipe: how a stack was made: its YAML, and the models it blends with the hashes of their files.
    """

    version: Literal[1] = 1
    competition: str
    model: str
    kind: Kind
    fold: int | None = None
    classes: tuple[str, ...] = Field(min_length=1)
    seed: int | None = None
    threads: int | None = None
    precision: str | None = None
    experiment: str | None = None
    folds: str | None = None
    data: str
    images: str | None = None
    extra: str | None = None
    embedder: str | None = None
    depends_on: dict[str, str] | None = None
    checkpoint: str | None = None
    tta: int | None = None
    initial_weights: str | None = None
    declared: Literal["holdout", "oof"] | None = None
    recipe: dict[str, Any] | None = None

    @model_serializer(mode="wrap")
    def _without_absent_extra(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """`extra` came later: files without it have the bytes that they had before."""
        dumped: dict[str, Any] = dump(self)
        return {key: value for key, value in dumped.items() if key != "extra" or value is not None}

    @property
    def network(self) -> str:
        """A hash of what determined a network's embeddings: its settings, the source of its initial weights, and the images it saw."""
        return hash_of([self.embedder or self.experiment, self.initial_weights, *filter(None, (self.images, self.extra))])

    @property
    def remake(self) -> str:
        """The command that makes the file again in place of this one."""
        command = remake(self.competition, self.model, self.kind, self.fold)
        return command if self.kind in ("imported", "label_only", "stack") else f"{command} RETRAIN=1"

    @property
    def remake_all(self) -> str:
        """The command that makes the file again, with those of the other folds, which must be alike."""
        command = remake(self.competition, self.model, self.kind)
        return command if self.kind in ("imported", "label_only", "stack") else f"{command} RETRAIN=1"


def remake(competition: str, model: str, kind: Kind, fold: int | None = None) -> str:
    """The command that makes predictions: an import's, a stack's, one fold's or all folds'."""
    if kind == "imported":
        return f"make import COMP={competition} MODEL={model} VAL=... TEST=..."
    if kind == "label_only":
        return f"make import COMP={competition} MODEL={model} TEST=submission.csv"
    if kind == "stack":
        return f"make stack COMP={competition} STACK={model}"
    return f"make {'model' if fold is None else f'fold-{fold}'} COMP={competition} MODEL={model}"


def data_fingerprint(ids: Sequence[str], labels: NDArray[np.bool_]) -> str:
    """A hash of the train table: ids with their labels (N, C), whatever the order of the rows."""
    return hash_of(sorted((image_id, np.flatnonzero(row).tolist()) for image_id, row in zip(ids, labels, strict=True)))


def check_same_settings(one: Provenance, other: Provenance, except_for: set[str]) -> None:
    """Raise PredictionError if two files of one model were made differently, e.g. with other folds or settings."""
    a, b = one.model_dump(exclude=except_for), other.model_dump(exclude=except_for)
    again = remake(one.competition, one.model, one.kind)
    for key in {**a, **b}:
        value, theirs = a.get(key), b.get(key)
        unknown = key in ("images", "embedder") and None in (value, theirs)  # older files do not say
        if theirs != value and not unknown:
            raise PredictionError(
                f"predictions of {one.model} differ in {key}: {value} ({_file_of(one)}) and {theirs} ({_file_of(other)})",
                f"make all its files the same way: remove the ones made differently, then: {again}",
            )


def check_same_folds(path: Path, found: Provenance, folds: str, data: str) -> None:
    """Raise PredictionError if `path` was made with another fold map or train table than the present ones.

    Imports were made without a fold map.

    Args:
        folds, data: fingerprints of the present fold map and train table.
    """
    expected = None if found.kind == "imported" else folds
    for what, was, now in (("fold map", found.folds, expected), ("train table", found.data, data)):
        if was != now:
            made = f"{path} was made with another {what} ({str(was)[:8]}) than the present one ({str(now)[:8]})"
            raise PredictionError(made, f"make it again: {found.remake_all}")


def _file_of(made: Provenance) -> str:
    return made.kind if made.fold is None else f"{made.kind} of fold {made.fold}"
