"""What training commands share: from a request to the prediction files of one fold."""

import importlib
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from numpy.typing import NDArray

from comp import parts
from comp.competition import Competition
from comp.data.planes import Planes
from comp.errors import ConfigError, FoldError, PredictionError
from comp.experiment import Experiment, MetricExperiment, NeighboursExperiment, NetworkExperiment, OnEmbeddings, Top, load_experiment
from comp.files import hash_of, lock, remove_leftovers
from comp.folds import Folds
from comp.neighbour_votes import Voters
from comp.paths import Paths
from comp.predictions import Provenance
from comp.workers import in_own_process
from pipelines.cache import prepare_cache
from pipelines.command import say
from pipelines.data import ensure_data
from pipelines.fold_files import Request, StandsOn, Table, files_of, is_complete, origin, versions, write_fold
from pipelines.folds import ensure_folds


def prepare(requests: list[Request]) -> None:
    """Make what the requests need and lack: data, folds, caches. Mistakes are refused before any work.

    Raises:
        ConfigError, FoldError, DataError: a request that cannot be trained.
    """
    networks = []
    for request in requests:
        competition, experiment, _ = request.load()
        refuse_mistakes(competition, experiment)
        if isinstance(experiment, NetworkExperiment):
            networks.append((experiment, len(planes_of(competition, experiment))))
    refuse_untrained(requests)
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
        if isinstance(experiment, NetworkExperiment):
            for part in ("train", "test"):
                prepare_cache(competition, paths, part, experiment.size)


def trainer_of(experiment: NetworkExperiment) -> ModuleType:
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
    if isinstance(experiment, NetworkExperiment):
        if experiment.rare:
            parts.build("augmentations", experiment.rare.augmentation)
        planes_of(competition, experiment)
    if isinstance(experiment, OnEmbeddings):
        for model in experiment.embeddings:
            try:
                embeds = isinstance(load_experiment(model, competition), MetricExperiment)
            except ConfigError as error:
                raise ConfigError(f"embeddings of {experiment.model}: {error.what}", error.then) from None
            if not embeds:
                what = f"{experiment.model} stands on {model}, which does not embed"
                raise ConfigError(what, "name models with `trainer: metric` as its `embeddings`")
    columns_of(competition, experiment, np.zeros((0, len(competition.classes)), bool))


def refuse_untrained(requests: list[Request]) -> None:
    """Raise PredictionError if embeddings that a fold stands on are neither there nor made by the same command."""
    trained = {(request.model, request.fold) for request in requests}
    for request in requests:
        competition, experiment, paths = request.load()
        for model in experiment.embeddings if isinstance(experiment, OnEmbeddings) else ():
            path = paths.embeddings(model, request.fold)
            if (model, request.fold) not in trained and not path.exists():
                what = f"{request.name} stands on {model}, and there is no {path}"
                raise PredictionError(what, f"train it first: make model COMP={competition.name} MODEL={model}")


def refuse_networks(networks: list[tuple[NetworkExperiment, int]]) -> None:
    """Raise ConfigError if an experiment's network cannot be built for so many planes; warn of starts from scratch."""
    for experiment, planes in networks:
        trainer = trainer_of(experiment)
        trainer.refuse(experiment, planes)
        if experiment.weights == trainer.WEIGHTS and trainer.first_weights(experiment) == "scratch":
            say(
                f"warning: {experiment.model} starts from scratch: its ImageNet weights are not in {trainer.WEIGHTS}'s cache and cannot be "
                'downloaded here; give a file as SET="weights=FILE" to change that'
            )


def planes_of(competition: Competition, experiment: NetworkExperiment) -> Planes:
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
        table = Table.read(competition, paths)
        stands_on = StandsOn.read(paths, experiment, request.fold, table)
        expected = origin(experiment, table, stands_on)
        if isinstance(experiment, NetworkExperiment):
            trainer = trainer_of(experiment)
            source = trainer.first_weights(experiment)
            # weights that can no longer be downloaded have been loaded all the same
            downloaded = {f"{trainer.WEIGHTS} {experiment.backbone}"} if experiment.weights == trainer.WEIGHTS else set()
            complete = is_complete(request, table, expected, {source} | downloaded)
        else:
            complete = is_complete(request, table, expected, {None})
        if complete:
            checkpoint.unlink(missing_ok=True)
            say(f"{request.name}: complete, nothing to do")
        elif isinstance(experiment, NetworkExperiment):
            train_and_predict(request, table, stands_on, source, slot)
        elif stands_on and isinstance(experiment, NeighboursExperiment):
            let_neighbours_vote(request, experiment, table, stands_on)


def identities(competition: Competition, experiment: Experiment, folds: Folds, labels: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) numbers, equal for images of one thing: of one group, else of one set of labels (N, C)."""
    asked = experiment.identity if isinstance(experiment, MetricExperiment) else "auto"
    if asked == "labels" or (asked == "auto" and competition.groups is None):
        return np.unique(labels, axis=0, return_inverse=True)[1].ravel()
    return np.unique(folds.group, return_inverse=True)[1]


def checkpoint_of(paths: Paths, request: Request, experiment: Experiment) -> Path:
    """Each trainer has a form of its own."""
    return paths.run(request.model, request.fold) / f"checkpoint.{experiment.trainer}"


def provenance_of(request: Request, table: Table, columns: list[int], stands_on: StandsOn | None) -> Provenance:
    """Where a fold's predictions come from, as far as all models have it in common."""
    competition, experiment, _ = request.load()
    return Provenance(
        competition=competition.name, model=request.model, kind="oof", fold=request.fold,
        classes=tuple(competition.classes[column] for column in columns), **origin(experiment, table, stands_on),
    )  # fmt: skip


def train_and_predict(request: Request, table: Table, stands_on: StandsOn | None, source: str, slot: int) -> None:
    """Train one fold from where its checkpoint stands, and write its predictions."""
    from comp.trainers.fold import FoldData, Run

    competition, experiment, paths = request.load()
    assert isinstance(experiment, NetworkExperiment)
    trainer, fold = trainer_of(experiment), request.fold
    cv2.setNumThreads(1)
    device = trainer.pick_device(slot)
    precision = trainer.precision(experiment, device)
    images = {part: prepare_cache(competition, paths, part, experiment.size).images for part in ("train", "test")}
    vectors = stands_on.vectors if stands_on else {}
    columns = columns_of(competition, experiment, table.labels)
    labels = table.labels[:, columns]
    checkpoint, in_training = checkpoint_of(paths, request, experiment), table.folds.trained_on(fold)
    all_that_matters = hash_of([origin(experiment, table, stands_on), fold, precision, source, versions(trainer.VERSIONS)])
    run = Run(fold, device, checkpoint, all_that_matters, source, request.checkpoint_minutes, slot)
    data = FoldData(
        images["train"], labels, in_training, planes_of(competition, experiment), table.ids,
        identities(competition, experiment, table.folds, labels), vectors.get("train"),
    )  # fmt: skip
    trained = trainer.train(experiment, data, run)

    def predict(part: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return trained.predict(images[part], rows, *([vectors[part]] if vectors else []))

    made = provenance_of(request, table, columns, stands_on).model_copy(update={
        "seed": experiment.seed, "threads": experiment.train.threads, "precision": precision, "weights": source, "tta": experiment.tta,
        "checkpoint": trainer.CHOICE,
    })  # fmt: skip
    record = {
        "seconds": trained.seconds, "images_per_second": round(trained.images / trained.seconds, 1), "train_images": len(in_training),
        "loss_by_epoch": trained.losses,
    }  # fmt: skip
    write_fold(
        request, table, columns, made, predict, record, trainer.VERSIONS,
        trained.embed and (lambda part: trained.embed(images[part])),
    )  # fmt: skip
    checkpoint.unlink()


def let_neighbours_vote(request: Request, experiment: NeighboursExperiment, table: Table, stands_on: StandsOn) -> None:
    """Write what the neighbours of each image say, among the images that its fold's networks were trained on."""
    competition, _, _ = request.load()
    columns, in_training = columns_of(competition, experiment, table.labels), table.folds.trained_on(request.fold)
    labels = table.labels[in_training][:, columns]
    voters = Voters(stands_on.vectors["train"][in_training], labels, [table.ids[row] for row in in_training])

    def predict(part: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return voters.on(stands_on.vectors[part][rows], experiment.votes)

    made, record = provenance_of(request, table, columns, stands_on), {"seconds": 0.0, "train_images": len(in_training)}
    write_fold(request, table, columns, made, predict, record, ("numpy",))
