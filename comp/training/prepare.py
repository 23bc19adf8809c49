"""Before any training: check that the fold jobs can be trained, then make the data, folds and image caches that are missing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from comp.base import registry
from comp.base.errors import ConfigError, FoldError, PredictionError
from comp.base.paths import Paths
from comp.base.processes import in_own_process
from comp.base.progress import say
from comp.cells.input_maps import shown_stains
from comp.competition.competition import Competition
from comp.competition.data import ensure_data
from comp.competition.experiments.channels_experiment import ChannelsExperiment
from comp.competition.experiments.dependent_experiment import SEGMENTER, CascadeExperiment, DependentExperiment
from comp.competition.experiments.embedding_experiment import EmbeddingExperiment
from comp.competition.experiments.experiment import Experiment, NetworkExperiment
from comp.competition.experiments.load import load_experiment
from comp.competition.image_cache import splits_of
from comp.competition.tables import read_train
from comp.folds.competition_folds import ensure_folds
from comp.folds.fold_map import FoldMap
from comp.folds.group_check import other_groups
from comp.folds.near_duplicates import ensure_extra_duplicates, renew_duplicates
from comp.inference.tensor_file import read_about
from comp.predictions.provenance import data_fingerprint
from comp.training.fold_inputs import columns_of, input_channels_of
from comp.training.fold_job import FoldJob
from comp.training.image_inputs import prepare_images
from comp.training.made_otherwise import check_finished
from comp.training.trainer import trainer_of


def prepare(jobs: list[FoldJob]) -> None:
    """Check all jobs, then make what they need and lack: data, folds, caches.

    Raises:
        ConfigError, FoldError, DataError, PredictionError: a job that cannot be trained.
    """
    networks: dict[tuple[str, str, bool], tuple[NetworkExperiment, int, bool]] = {}  # the folds of a model have the same
    for job in jobs:
        competition, experiment, paths = job.load()
        check_experiment(competition, experiment)
        check_finished(job)
        if isinstance(experiment, NetworkExperiment):
            predictions = (paths.fold_predictions(job.model, job.fold), paths.test_predictions(job.model, job.fold))
            finished = all(file.exists() for file in predictions)
            if not finished or job.retrain:  # so that a finished fold starts soon; a trained network needs no initial weights
                trained = finished or paths.weights(job.model, job.fold).exists()
                channels = len(input_channels_of(competition, experiment))
                networks[job.model, job.settings, trained] = (experiment, channels, not trained)
    check_dependencies(jobs)
    check_not_trained_on(jobs)
    check_channel_names(jobs)
    check_networks([network for network in networks.values() if not network[0].own_process])
    if apart := [network for network in networks.values() if network[0].own_process]:
        in_own_process(check_networks, apart)
    for job in jobs:
        competition, experiment, paths = job.load()
        if not 0 <= job.fold < competition.folds.count and not paths.folds().exists():
            raise FoldError(f"there is no fold {job.fold}", f"type make fold-0 to make fold-{competition.folds.count - 1}")
        ensure_data(competition, paths)
        folds = ensure_folds(competition, paths)
        if not 0 <= job.fold < folds.count:
            raise FoldError(f"there is no fold {job.fold} in {paths.folds()}", f"type make fold-0 to make fold-{folds.count - 1}")
        if isinstance(experiment, NetworkExperiment):
            for split in splits_of(experiment):
                prepare_images(competition, paths, split, experiment)
            if experiment.extra:
                ensure_extra_duplicates(competition, paths, experiment.extra)
    if jobs:
        competition, _, paths = jobs[0].load()
        say_what_changed(competition, paths)


def say_what_changed(competition: Competition, paths: Paths) -> None:
    """Say what has changed since the fold map was made: groups, and images that are near-duplicates."""
    folds = ensure_folds(competition, paths)
    if line := other_groups(competition, paths, folds):
        say(line)
    renew_duplicates(competition, paths, folds)


def check_experiment(competition: Competition, experiment: Experiment) -> None:
    """Raise ConfigError if a plug-in, an option, a channel, a class or a model that it depends on does not exist."""
    for kind, key in experiment.plug_ins.items():
        try:
            registry.build(kind, getattr(experiment, key))
        except ModuleNotFoundError:
            if isinstance(experiment, NetworkExperiment):
                trainer_of(experiment)  # which names all packages that are missing
            raise
    if isinstance(experiment, NetworkExperiment):
        if experiment.rare:
            registry.build("augmentations", experiment.rare.augmentation)
        input_channels_of(competition, experiment)
    if isinstance(experiment, DependentExperiment):
        for model in experiment.embeddings:
            try:
                embeds = isinstance(load_experiment(model, competition), EmbeddingExperiment)
            except ConfigError as error:
                raise ConfigError(f"embeddings of {experiment.model}: {error.what}", error.then) from None
            if not embeds:
                what = f"{experiment.model} depends on {model}, which makes no embeddings"
                raise ConfigError(what, "name models with `trainer: metric` or `trainer: channels` as its `embeddings`")
    if isinstance(experiment, CascadeExperiment):
        check_maps(competition, experiment)
    columns_of(competition, experiment, np.zeros((0, len(competition.classes)), bool))


def check_maps(competition: Competition, experiment: CascadeExperiment) -> None:
    """Raise ConfigError if a model that is to draw maps draws no channels, or cannot take images of this size."""
    if SEGMENTER in experiment.maps:
        assert competition.images is not None
        shown_stains(competition.images.channels)
    for model in experiment.drawing:
        drawing = load_experiment(model, competition)
        if not isinstance(drawing, ChannelsExperiment):
            what = f"{experiment.model} takes maps of {model}, which draws none"
            raise ConfigError(what, "name models with `trainer: channels` as its `maps`")
        step = 2 ** len(drawing.decoder)
        if experiment.size % step:
            what = f"{model} draws no maps of {experiment.size} px: it halves them {len(drawing.decoder)} times"
            raise ConfigError(what, f'use SET="size={max(round(experiment.size / step), 1) * step}"')


def check_dependencies(jobs: list[FoldJob]) -> None:
    """Raise PredictionError if a fold needs embeddings that do not exist and are not made by the same command."""
    trained = {(job.model, job.fold) for job in jobs}
    for job in jobs:
        competition, experiment, paths = job.load()
        for model in experiment.embeddings if isinstance(experiment, DependentExperiment) else ():
            path = paths.embeddings(model, job.fold)
            if (model, job.fold) not in trained and not path.exists():
                what = f"{job.name} depends on {model}, and there is no {path}"
                raise PredictionError(what, f"train it first: make model COMP={competition.name} MODEL={model}")


def check_not_trained_on(jobs: list[FoldJob]) -> None:
    """Raise ConfigError if a fold's initial weights were trained here on the rows that the fold is judged by."""
    for job in jobs:
        competition, experiment, paths = job.load()
        if not isinstance(experiment, NetworkExperiment) or not (about := _about_initial_weights(experiment)):
            continue
        made = about["provenance"]
        same_fold = made.get("fold") == job.fold and paths.folds().exists() and made.get("folds") == FoldMap.read(paths.folds()).fingerprint
        if not same_fold and (made.get("competition") == competition.name or _is_of_this_table(made, competition, paths)):
            what = f"initial_weights: {experiment.initial_weights} was trained on rows of fold {job.fold}, which {job.name} is judged by"
            raise ConfigError(what, f"give weights that were trained without them, such as those of another model's fold {job.fold}")


def check_channel_names(jobs: list[FoldJob]) -> None:
    """Raise ConfigError if a network that draws channels is to be trained further on images with other channels, or in another order."""
    for job in jobs:
        competition, experiment, _ = job.load()
        if not isinstance(experiment, ChannelsExperiment) or not (known := _about_initial_weights(experiment)):
            continue
        own = list(competition.images.channels) if competition.images else []
        if known.get("trainer") == experiment.trainer and known["channels"] != own:
            what = f"initial_weights: {experiment.initial_weights} draws the channels {', '.join(known['channels'])}"
            then = f"name the same in the same order as `channels` of `images` in the competition's YAML, which has {', '.join(own)}"
            raise ConfigError(what, then)


def _is_of_this_table(made: Mapping[str, Any], competition: Competition, paths: Paths) -> bool:
    """Whether a network was trained on the competition's train table, whatever the competition was called."""
    there = (competition.folder(paths) / competition.tables.train).exists()
    return there and made.get("data") == data_fingerprint(*read_train(competition, paths))


def _about_initial_weights(experiment: NetworkExperiment) -> dict[str, Any] | None:
    """What is known of a file of initial weights, whatever its name; None if it was not trained here."""
    return read_about(Path(experiment.initial_weights).expanduser())


def check_networks(networks: list[tuple[NetworkExperiment, int, bool]]) -> None:
    """Raise ConfigError if a network cannot be built for its number of input channels, or lacks the initial weights that it needs."""
    for experiment, channels, unfinished in networks:
        trainer_of(experiment).check(experiment, channels, unfinished)
