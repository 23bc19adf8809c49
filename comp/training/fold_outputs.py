"""Writing the files of one fold of one model."""

import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from comp.base.files import write_json, write_text
from comp.base.progress import say
from comp.folds.fold_map import HOLDOUT
from comp.inference.voters import write_voters
from comp.metrics.macro_f1 import macro_f1
from comp.neighbours.votes import Voters
from comp.predictions.cell_probabilities import CellProbabilities
from comp.predictions.embeddings import Embeddings
from comp.predictions.prediction_file import Predictions
from comp.predictions.provenance import Kind, Provenance
from comp.training.fold_inputs import FoldInputs

Cells = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]  # rows, numbers and probabilities of cells


@dataclass(frozen=True)
class FoldResult:
    """A trained fold: how it predicts, and what is known of its run.

    Attributes:
        provenance: of the out-of-fold predictions; the other files get their own `kind`.
        predict: logits (len(rows), classes) float32 of rows of a split, "train" or "test".
        seconds: the time that training took; that of prediction is added.
        record: what else the run's record says.
        packages: the Python packages with versions that matter.
        check: raises DataError if the images are not those that the network was trained on.
        embeddings: "train" and "test" -> vectors of all images of the split; None for a model without embeddings.
        voters: the images that vote for others; None for a model without neighbours.
        cells: of rows of a split, the row (n,), number (n,) and probabilities (n, classes) of each cell; None for a model that sees none.
    """

    provenance: Provenance
    predict: Callable[[str, NDArray[np.int64]], NDArray[np.float32]]
    seconds: float
    record: Mapping[str, Any]
    packages: tuple[str, ...]
    check: Callable[[], None] = lambda: None
    embeddings: Mapping[str, NDArray[np.float32]] | None = None
    voters: Voters | None = None
    cells: Callable[[str, NDArray[np.int64]], Cells] | None = None


def write_fold(inputs: FoldInputs, result: FoldResult, keep: bool) -> None:
    """Predict, and write everything. The out-of-fold predictions are written last: they make the fold complete.

    Args:
        keep: write the voters too, if there are any; else earlier ones are removed.

    Raises:
        DataError: images were replaced meanwhile; nothing is written.
    """
    started = time.monotonic()
    job, paths, tables = inputs.job, inputs.paths, inputs.tables
    model, fold, fold_of_row = job.model, job.fold, tables.folds.fold
    ids = {"train": tables.ids, "test": tables.test_ids}

    def predictions(kind: Kind, split: str, rows: NDArray[np.int64]) -> Predictions:
        folds = np.full(len(rows), fold if kind == "oof" else HOLDOUT, np.int8)
        provenance = result.provenance.model_copy(update={"kind": kind})
        return Predictions(tuple(ids[split][row] for row in rows), folds, result.predict(split, rows), provenance)

    held_out, holdout = np.flatnonzero(fold_of_row == fold), np.flatnonzero(fold_of_row == HOLDOUT)
    out_of_fold = predictions("oof", "train", held_out)
    others: dict[Path, Predictions | Embeddings | CellProbabilities] = {}
    if len(holdout):
        others[paths.holdout_predictions(model, fold)] = predictions("holdout", "train", holdout)
    others[paths.test_predictions(model, fold)] = predictions("test", "test", np.arange(len(tables.test_ids)))
    if result.embeddings:
        vectors = np.concatenate([result.embeddings["train"], result.embeddings["test"]])
        fold_of_all = np.r_[fold_of_row, np.full(len(tables.test_ids), HOLDOUT, np.int8)]
        provenance = result.provenance.model_copy(update={"kind": "embeddings"})
        others[paths.embeddings(model, fold)] = Embeddings((*tables.ids, *tables.test_ids), fold_of_all, vectors, provenance)
    if result.cells:
        others[paths.cell_probabilities(model, fold)] = cell_probabilities(result, fold_of_row, ids, np.r_[held_out, holdout])
    result.check()
    experiment = inputs.experiment.model_dump(mode="json")
    write_text(paths.experiment(model), yaml.safe_dump(experiment, sort_keys=False))
    if result.voters and keep:
        write_voters(inputs.voters, result.voters, result.provenance.model_copy(update={"kind": "voters"}).model_dump(mode="json"))
    else:
        inputs.voters.unlink(missing_ok=True)
    for path, file in others.items():
        file.write(path)
    score = macro_f1(inputs.labels[held_out], out_of_fold.logits > 0)
    seconds = result.seconds + time.monotonic() - started
    write_json(paths.run_record(model, fold), {
        **result.record, "seconds": round(seconds, 1), "macro_f1_at_half": score, "experiment": experiment,
        **circumstances(result.packages),
    })  # fmt: skip
    path = paths.fold_predictions(model, fold)
    out_of_fold.write(path)
    say(f"{job.name}: macro F1 {score:.3f} at threshold 0.5, {seconds:.0f} s, wrote {path}")


def cell_probabilities(
    result: FoldResult, fold_of_row: NDArray[np.int8], ids: Mapping[str, tuple[str, ...]], rows: NDArray[np.int64]
) -> CellProbabilities:
    """Those of some `rows` of the train table, and of all test images."""
    assert result.cells
    of_train, of_test = result.cells("train", rows), result.cells("test", np.arange(len(ids["test"])))
    names = [*(ids["train"][row] for row in of_train[0]), *(ids["test"][row] for row in of_test[0])]
    folds = np.r_[fold_of_row[of_train[0]], np.full(len(of_test[0]), HOLDOUT, np.int8)]
    numbers, probabilities = (np.concatenate([of_train[place], of_test[place]]) for place in (1, 2))
    return CellProbabilities(tuple(names), folds, numbers, probabilities, result.provenance.model_copy(update={"kind": "cells"}))


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {name: version(name) for name in packages}


def circumstances(packages: tuple[str, ...]) -> dict[str, str]:
    """Time, host, versions and git commit: they do not change the content, but help to explain it."""
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        commit = "no git here"
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S"), "host": platform.node(), "python": platform.python_version(),
        **versions(packages), "git": commit,
    }  # fmt: skip
