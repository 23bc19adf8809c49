"""The files of one fold of one model: writing them, and whether they are complete."""

import json
import platform
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.files import write_json, write_text
from comp.base.progress import say
from comp.base.schema import differences
from comp.folds.fold_map import HOLDOUT
from comp.metrics.macro_f1 import macro_f1
from comp.predictions.embeddings import Embeddings, read_embeddings
from comp.predictions.prediction_file import Predictions, read_predictions
from comp.predictions.provenance import Kind, Provenance
from comp.training.fold_inputs import FoldInputs


@dataclass(frozen=True)
class FoldResult:
    """A trained fold: how it predicts, and what is known of its run.

    Attributes:
        provenance: of the out-of-fold predictions; the other files get their own `kind`.
        predict: logits (len(rows), classes) float32 of rows of a split, "train" or "test".
        seconds: the time that training took.
        record: what else the run's record says.
        packages: the Python packages with versions that matter.
        embed: vectors of all images of a split; None for a model without embeddings.
    """

    provenance: Provenance
    predict: Callable[[str, NDArray[np.int64]], NDArray[np.float32]]
    seconds: float
    record: Mapping[str, Any]
    packages: tuple[str, ...]
    embed: Callable[[str], NDArray[np.float32]] | None = None


def write_fold(inputs: FoldInputs, result: FoldResult) -> None:
    """Predict, and write everything. The out-of-fold predictions are written last: they make the fold complete."""
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
    experiment = inputs.experiment.model_dump(mode="json")
    write_text(paths.experiment(model), yaml.safe_dump(experiment, sort_keys=False))
    if len(holdout):
        predictions("holdout", "train", holdout).write(paths.holdout_predictions(model, fold))
    predictions("test", "test", np.arange(len(tables.test_ids))).write(paths.test_predictions(model, fold))
    if result.embed:
        vectors = np.concatenate([result.embed("train"), result.embed("test")])
        fold_of_all = np.r_[fold_of_row, np.full(len(tables.test_ids), HOLDOUT, np.int8)]
        provenance = result.provenance.model_copy(update={"kind": "embeddings"})
        Embeddings((*tables.ids, *tables.test_ids), fold_of_all, vectors, provenance).write(paths.embeddings(model, fold))
    score = macro_f1(inputs.labels[held_out], out_of_fold.logits > 0)
    seconds = result.seconds + time.monotonic() - started
    write_json(paths.run_record(model, fold), {
        **result.record, "seconds": round(seconds, 1), "macro_f1_at_half": score, "experiment": experiment,
        **circumstances(result.packages),
    })  # fmt: skip
    path = paths.fold_predictions(model, fold)
    out_of_fold.write(path)
    say(f"{job.name}: macro F1 {score:.3f} at threshold 0.5, {seconds:.0f} s, wrote {path}")


def is_complete(inputs: FoldInputs, sources: Collection[str | None]) -> bool:
    """Whether the fold's files exist, are whole, and were made from the same inputs; if they were not, says why.

    Args:
        sources: what the files may name as the source of the initial weights.
    """
    job, paths, expected = inputs.job, inputs.paths, inputs.origin()
    files = inputs.files
    if not inputs.tables.has_holdout:
        files.remove(paths.holdout_predictions(job.model, job.fold))
    if not all(file.exists() for file in files):
        return False
    record, embeddings = paths.run_record(job.model, job.fold), paths.embeddings(job.model, job.fold)
    files.remove(record)
    try:
        found = [read_embeddings(file) if file == embeddings else read_predictions(file) for file in files]
    except PredictionError as error:
        say(f"{error.what}; training again")
        return False
    for file in found:
        provenance = file.provenance
        if provenance.initial_weights not in sources or any(getattr(provenance, key) != value for key, value in expected.items()):
            before, now = json.loads(record.read_text()), inputs.experiment.model_dump(mode="json")
            changed = differences(before["experiment"], now) if "experiment" in before else []
            others = "other folds, data, initial weights or embeddings"
            say(f"{job.name} was made with {', '.join(changed) or others}; training again")
            return False
    return set(found[1].ids) == set(inputs.tables.test_ids)


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
