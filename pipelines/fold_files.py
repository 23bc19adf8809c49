"""The files of one fold of one model: what was asked for, what is written, and whether it is complete."""

import json
import platform
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from comp.competition import Competition, load_competition, read_test_ids, read_train
from comp.embeddings import Embeddings, read_embeddings, read_network, side_by_side
from comp.errors import PredictionError
from comp.experiment import Experiment, MetricExperiment, OnEmbeddings, load_experiment
from comp.files import write_json, write_text
from comp.folds import HOLDOUT, Folds
from comp.metrics import macro_f1
from comp.paths import Paths
from comp.predictions import Kind, Predictions, Provenance, data_fingerprint, read_predictions
from comp.schema import differences, parse_settings
from pipelines.command import say


@dataclass(frozen=True)
class Request:
    """One fold of one model, as typed."""

    competition: str
    model: str
    fold: int
    settings: str = ""
    checkpoint_minutes: float = 5.0

    @property
    def name(self) -> str:
        return f"{self.model} fold {self.fold}"

    def load(self) -> tuple[Competition, Experiment, Paths]:
        competition = load_competition(self.competition)
        return competition, load_experiment(self.model, competition, parse_settings(self.settings)), Paths(self.competition)


@dataclass(frozen=True)
class Table:
    """The tables' rows: train ids with labels (N, C) and folds, and test ids."""

    ids: tuple[str, ...]
    labels: NDArray[np.bool_]
    test_ids: tuple[str, ...]
    folds: Folds

    @classmethod
    def read(cls, competition: Competition, paths: Paths) -> "Table":
        ids, labels = read_train(competition, paths)
        return cls(ids, labels, read_test_ids(competition, paths), Folds.read(paths.folds()).in_order(ids))

    @property
    def has_holdout(self) -> bool:
        return bool((self.folds.fold == HOLDOUT).any())

    @property
    def data(self) -> str:
        return data_fingerprint(self.ids, self.labels)


@dataclass(frozen=True)
class StandsOn:
    """The embeddings that a fold's model stands on.

    Attributes:
        vectors: "train" and "test" -> (N, D) of the images of the train table, and of the test set.
        made: model -> its `Provenance.network`.
    """

    vectors: dict[str, NDArray[np.float32]]
    made: dict[str, str]

    @classmethod
    def read(cls, paths: Paths, experiment: Experiment, fold: int, table: Table) -> "StandsOn | None":
        """Those of the same fold's networks, side by side; None for a model that stands on none.

        Raises:
            PredictionError: as `read_network`.
        """
        if not isinstance(experiment, OnEmbeddings):
            return None
        networks = [read_network(paths, model, fold, table.folds.fingerprint, table.data) for model in experiment.embeddings]
        joined = side_by_side(networks)
        made = {each.provenance.model: each.provenance.network for each in networks}
        return cls({"train": joined.of(table.ids), "test": joined.of(table.test_ids)}, made)


def origin(experiment: Experiment, table: Table, stands_on: StandsOn | None) -> dict[str, Any]:
    """What a prediction file says of its origin, as hashes."""
    made = stands_on.made if stands_on else None
    return {"experiment": experiment.hash, "folds": table.folds.fingerprint, "data": table.data, "stands_on": made}


def files_of(paths: Paths, request: Request, experiment: Experiment) -> list[Path]:
    """Every file that a fold writes, but for its checkpoint and the experiment's YAML."""
    kinds = [paths.fold_predictions, paths.test_predictions, paths.holdout_predictions, paths.run_record]
    if isinstance(experiment, MetricExperiment):
        kinds.append(paths.embeddings)
    return [path(request.model, request.fold) for path in kinds]


def write_fold(
    request: Request,
    table: Table,
    columns: list[int],
    made: Provenance,
    predict: Callable[[str, NDArray[np.int64]], NDArray[np.float32]],
    record: Mapping[str, Any],
    packages: tuple[str, ...],
    embed: Callable[[str], NDArray[np.float32]] | None = None,
) -> None:
    """Predict, and write everything; the held-out fold's own predictions come last, and make the fold complete.

    Args:
        columns: the classes that are predicted.
        predict: logits of rows of a part, "train" or "test".
        record: what is known of the run, its `seconds` so far included.
        packages: whose versions matter.
        embed: vectors of all images of a part.
    """
    started = time.monotonic()
    _, experiment, paths = request.load()
    model, fold, number = request.model, request.fold, table.folds.fold
    ids = {"train": table.ids, "test": table.test_ids}

    def predictions(kind: Kind, part: str, rows: NDArray[np.int64]) -> Predictions:
        folds = np.full(len(rows), fold if kind == "oof" else HOLDOUT, np.int8)
        return Predictions(tuple(ids[part][row] for row in rows), folds, predict(part, rows), made.model_copy(update={"kind": kind}))

    held_out, kept_away = np.flatnonzero(number == fold), np.flatnonzero(number == HOLDOUT)
    out_of_fold = predictions("oof", "train", held_out)
    write_text(paths.experiment(model), yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False))
    if len(kept_away):
        predictions("holdout", "train", kept_away).write(paths.holdout_predictions(model, fold))
    predictions("test", "test", np.arange(len(table.test_ids))).write(paths.test_predictions(model, fold))
    if embed:
        vectors = np.concatenate([embed("train"), embed("test")])
        of_all = np.r_[number, np.full(len(table.test_ids), HOLDOUT, np.int8)]
        vectors_made = made.model_copy(update={"kind": "embeddings"})
        Embeddings((*table.ids, *table.test_ids), of_all, vectors, vectors_made).write(paths.embeddings(model, fold))
    score = macro_f1(table.labels[held_out][:, columns], out_of_fold.logits > 0)
    seconds = record["seconds"] + time.monotonic() - started
    write_json(paths.run_record(model, fold), {
        **record, "seconds": round(seconds, 1), "macro_f1_at_half": score, "experiment": experiment.model_dump(mode="json"),
        **circumstances(packages),
    })  # fmt: skip
    path = paths.fold_predictions(model, fold)
    out_of_fold.write(path)
    say(f"{request.name}: macro F1 {score:.3f} at threshold 0.5, {seconds:.0f} s, wrote {path}")


def is_complete(request: Request, table: Table, expected: Mapping[str, Any], weights: Collection[str | None]) -> bool:
    """Whether the fold's files are there, whole, and of the `expected` origin; else says why not.

    Args:
        weights: what they may say of the network's first weights.
    """
    _, experiment, paths = request.load()
    files = files_of(paths, request, experiment)
    if not table.has_holdout:
        files.remove(paths.holdout_predictions(request.model, request.fold))
    if not all(file.exists() for file in files):
        return False
    files.remove(paths.run_record(request.model, request.fold))
    try:
        found = [(read_embeddings if file == paths.embeddings(request.model, request.fold) else read_predictions)(file) for file in files]
    except PredictionError as error:
        say(f"{error.what}; training again")
        return False
    for predictions in found:
        provenance = predictions.provenance
        if provenance.weights not in weights or any(getattr(provenance, key) != value for key, value in expected.items()):
            record = json.loads(paths.run_record(request.model, request.fold).read_text())
            changed = differences(record["experiment"], experiment.model_dump(mode="json")) if "experiment" in record else []
            others = "other folds, data, weights or embeddings"
            say(f"{request.name} was made with {', '.join(changed) or others}; training again")
            return False
    return set(found[1].ids) == set(table.test_ids)


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {name: version(name) for name in packages}


def circumstances(packages: tuple[str, ...]) -> dict[str, str]:
    """What does not change the content but helps to find out about it: time, host, versions, git commit."""
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        commit = "no git here"
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S"), "host": platform.node(), "python": platform.python_version(),
        **versions(packages), "git": commit,
    }  # fmt: skip
