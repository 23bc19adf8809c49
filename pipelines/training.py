"""What training commands share: from a request to the prediction files of one fold."""

import importlib
import json
import platform
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from comp import parts
from comp.competition import Competition, load_competition, read_test_ids, read_train
from comp.data.planes import Planes
from comp.embeddings import Embeddings, read_embeddings
from comp.errors import ConfigError, FoldError, PredictionError
from comp.experiment import Experiment, MetricExperiment, Top, load_experiment
from comp.files import hash_of, lock, remove_leftovers, write_json, write_text
from comp.folds import HOLDOUT, Folds
from comp.metrics import macro_f1
from comp.paths import Paths
from comp.predictions import Kind, Predictions, Provenance, data_fingerprint, read_predictions
from comp.schema import differences, parse_settings
from comp.workers import in_own_process
from pipelines.cache import prepare_cache
from pipelines.command import say
from pipelines.data import ensure_data
from pipelines.folds import ensure_folds


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


def prepare(requests: list[Request]) -> None:
    """Make what the requests need and lack: data, folds, caches. Mistakes are refused before any work.

    Raises:
        ConfigError, FoldError, DataError: a request that cannot be trained.
    """
    networks = []
    for request in requests:
        competition, experiment, _ = request.load()
        refuse_mistakes(competition, experiment)
        networks.append((experiment, len(planes_of(competition, experiment))))
    refuse_networks([network for network in networks if not network[0].own_process])
    if apart := [network for network in networks if network[0].own_process]:
        in_own_process(refuse_networks, apart)
    for request in requests:
        competition, experiment, paths = request.load()
        if not 0 <= request.fold < competition.folds.count and not paths.folds().exists():
            raise FoldError(f"there is no fold {request.fold}", f"type make fold-0 to make fold-{competition.folds.count - 1}")
        ensure_data(competition, paths)
        folds = ensure_folds(competition, paths)
        if not 0 <= request.fold < folds.count:
            raise FoldError(f"there is no fold {request.fold} in {paths.folds()}", f"type make fold-0 to make fold-{folds.count - 1}")
        for part in ("train", "test"):
            prepare_cache(competition, paths, part, experiment.size)


def trainer_of(experiment: Experiment) -> ModuleType:
    """The module that trains it, with the functions that `comp.trainers.fold` lists.

    Raises:
        ConfigError: the framework it needs is not installed.
    """
    try:
        return importlib.import_module(f"comp.trainers.{experiment.trainer}_trainer")
    except ModuleNotFoundError as error:
        then = ".venv/bin/python -m pip install --constraint constraints.txt --editable '.[keras]'"
        raise ConfigError(f"{experiment.model} needs the Python package {error.name!r}, which is not installed", then) from None


def refuse_mistakes(competition: Competition, experiment: Experiment) -> None:
    """Raise ConfigError if a part, an option, a channel or a class does not exist."""
    for kind, key in experiment.parts.items():
        parts.build(kind, getattr(experiment, key))
    if experiment.rare:
        parts.build("augmentations", experiment.rare.augmentation)
    planes_of(competition, experiment)
    columns_of(competition, experiment, np.zeros((0, len(competition.classes)), bool))


def refuse_networks(networks: list[tuple[Experiment, int]]) -> None:
    """Raise ConfigError if an experiment's network cannot be built for so many planes; warn of starts from scratch."""
    for experiment, planes in networks:
        trainer = trainer_of(experiment)
        trainer.refuse(experiment, planes)
        if experiment.weights == trainer.WEIGHTS and trainer.first_weights(experiment) == "scratch":
            say(
                f"warning: {experiment.model} starts from scratch: its ImageNet weights are not in {trainer.WEIGHTS}'s cache and cannot be "
                'downloaded here; give a file as SET="weights=FILE" to change that'
            )


def planes_of(competition: Competition, experiment: Experiment) -> Planes:
    """What the experiment sees of the competition's channels."""
    if competition.images is None:
        raise ConfigError(f"competition {competition.name} has tables and no images", "import predictions with: make import")
    return parts.build("channels", experiment.channels).of(competition.images.channels, f"configs/models/{experiment.model}.yaml")


def columns_of(competition: Competition, experiment: Experiment, labels: NDArray[np.bool_]) -> list[int]:
    """The classes that the experiment predicts, as columns of `labels` (N, C), in the competition's order.

    Raises:
        ConfigError: a class that the competition does not have.
    """
    if experiment.labels is None:
        return list(range(len(competition.classes)))
    try:
        if isinstance(experiment.labels, Top):
            return competition.labels.most_frequent(labels, experiment.labels.top)
        return sorted(set(competition.labels.columns(experiment.labels)))
    except ConfigError as error:
        raise ConfigError(f"labels of {experiment.model}: {error.what}", error.then) from None


def train_fold(request: Request, slot: int = 0) -> None:
    """Train, predict and write the files of one fold, unless they are there already."""
    competition, experiment, paths = request.load()
    folder = paths.run(request.model, request.fold)
    with lock(folder / "lock", f"training of {request.name}"):
        checkpoint = checkpoint_of(paths, request, experiment)
        for written in (checkpoint, *files_of(paths, request, experiment)):
            remove_leftovers(written)
        ids, labels = read_train(competition, paths)
        test_ids = read_test_ids(competition, paths)
        folds = Folds.read(paths.folds()).in_order(ids)
        table = Table(ids, labels, test_ids, folds)
        source = trainer_of(experiment).first_weights(experiment)
        if is_complete(paths, request, experiment, table, source):
            checkpoint.unlink(missing_ok=True)
            say(f"{request.name}: complete, nothing to do")
        else:
            train_and_predict(request, table, source, slot)


@dataclass(frozen=True)
class Table:
    """The tables' rows: train ids with labels (N, C) and folds, and test ids."""

    ids: tuple[str, ...]
    labels: NDArray[np.bool_]
    test_ids: tuple[str, ...]
    folds: Folds

    @property
    def has_holdout(self) -> bool:
        return bool((self.folds.fold == HOLDOUT).any())

    def identity(self, experiment: Experiment) -> dict[str, str]:
        """What a prediction file says of its origin, as hashes."""
        return {"experiment": experiment.hash, "folds": self.folds.fingerprint, "data": data_fingerprint(self.ids, self.labels)}


def files_of(paths: Paths, request: Request, experiment: Experiment) -> list[Path]:
    """Every file that a fold's training writes, but for its checkpoint and the experiment's YAML."""
    kinds = [paths.fold_predictions, paths.test_predictions, paths.holdout_predictions, paths.run_record]
    if isinstance(experiment, MetricExperiment):
        kinds.append(paths.embeddings)
    return [path(request.model, request.fold) for path in kinds]


def identities(competition: Competition, experiment: Experiment, folds: Folds, labels: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) numbers, equal for images of one thing: of one group, else of one set of labels (N, C)."""
    asked = experiment.identity if isinstance(experiment, MetricExperiment) else "auto"
    if asked == "labels" or (asked == "auto" and competition.groups is None):
        return np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    return np.unique(folds.group, return_inverse=True)[1]


def checkpoint_of(paths: Paths, request: Request, experiment: Experiment) -> Path:
    """Each trainer has a form of its own."""
    return paths.run(request.model, request.fold) / f"checkpoint.{experiment.trainer}"


def train_and_predict(request: Request, table: Table, source: str, slot: int) -> None:
    """Train one fold from where its checkpoint stands, and write its predictions; the held-out fold's own come last."""
    from comp.trainers.fold import FoldData, Run

    competition, experiment, paths = request.load()
    trainer, fold = trainer_of(experiment), request.fold
    cv2.setNumThreads(1)
    device = trainer.pick_device(slot)
    precision = trainer.precision(experiment, device)
    train_images = prepare_cache(competition, paths, "train", experiment.size)
    test_images = prepare_cache(competition, paths, "test", experiment.size)
    columns = columns_of(competition, experiment, table.labels)
    labels = table.labels[:, columns]
    number = table.folds.fold
    identity = table.identity(experiment)
    checkpoint = checkpoint_of(paths, request, experiment)
    all_that_matters = hash_of([identity, fold, precision, source, versions(trainer.VERSIONS)])
    run = Run(fold, device, checkpoint, all_that_matters, source, request.checkpoint_minutes, slot)
    in_training = np.flatnonzero((number != fold) & (number != HOLDOUT))
    data = FoldData(
        train_images.images, labels, in_training, planes_of(competition, experiment), table.ids,
        identities(competition, experiment, table.folds, labels),
    )  # fmt: skip
    trained = trainer.train(experiment, data, run)
    started = time.monotonic()

    provenance = Provenance(
        competition=competition.name, model=request.model, kind="oof", fold=fold, seed=experiment.seed,
        classes=tuple(competition.classes[column] for column in columns),
        threads=experiment.train.threads, precision=precision, weights=source, tta=experiment.tta,
        checkpoint=trainer.CHOICE, **identity,
    )  # fmt: skip

    def predictions(kind: Kind, images: NDArray[np.uint8], rows: NDArray[np.int64], of: tuple[str, ...]) -> Predictions:
        logits = trained.predict(images, rows)
        folds = np.full(len(rows), fold if kind == "oof" else HOLDOUT, np.int8)
        return Predictions(tuple(of[row] for row in rows), folds, logits, provenance.model_copy(update={"kind": kind}))

    held_out, kept_away = np.flatnonzero(number == fold), np.flatnonzero(number == HOLDOUT)
    out_of_fold = predictions("oof", train_images.images, held_out, table.ids)
    write_text(paths.experiment(request.model), yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False))
    if len(kept_away):
        predictions("holdout", train_images.images, kept_away, table.ids).write(paths.holdout_predictions(request.model, fold))
    test_rows = np.arange(len(table.test_ids))
    predictions("test", test_images.images, test_rows, table.test_ids).write(paths.test_predictions(request.model, fold))
    if trained.embed:
        vectors = np.concatenate([trained.embed(train_images.images), trained.embed(test_images.images)])
        of_all = np.r_[number, np.full(len(test_rows), HOLDOUT, np.int8)]
        made = provenance.model_copy(update={"kind": "embeddings"})
        Embeddings((*table.ids, *table.test_ids), of_all, vectors, made).write(paths.embeddings(request.model, fold))
    score = macro_f1(labels[held_out], out_of_fold.logits > 0)
    seconds = trained.seconds + time.monotonic() - started
    write_json(paths.run_record(request.model, fold), {
        "seconds": round(seconds, 1), "images_per_second": round(trained.images / trained.seconds, 1), "train_images": len(in_training),
        "loss_by_epoch": trained.losses, "macro_f1_at_half": score, "experiment": experiment.model_dump(mode="json"),
        **circumstances(trainer.VERSIONS),
    })  # fmt: skip
    path = paths.fold_predictions(request.model, fold)
    out_of_fold.write(path)  # last: it makes the fold complete
    checkpoint.unlink()
    say(f"{request.name}: macro F1 {score:.3f} at threshold 0.5, {seconds:.0f} s, wrote {path}")


def is_complete(paths: Paths, request: Request, experiment: Experiment, table: Table, source: str) -> bool:
    """Whether the fold's files are there, whole, and made by this experiment from these folds and data; else says why not."""
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
    # weights that can no longer be downloaded have been loaded all the same
    weights = trainer_of(experiment).WEIGHTS
    sources = {source, f"{weights} {experiment.backbone}"} if experiment.weights == weights else {source}
    expected = table.identity(experiment)
    for predictions in found:
        provenance = predictions.provenance
        if provenance.weights not in sources or any(getattr(provenance, key) != value for key, value in expected.items()):
            record = json.loads(paths.run_record(request.model, request.fold).read_text())
            changed = differences(record["experiment"], experiment.model_dump(mode="json")) if "experiment" in record else []
            say(f"{request.name} was made with {', '.join(changed) or 'other folds, data or weights'}; training again")
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
