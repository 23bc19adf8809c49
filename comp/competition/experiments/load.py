"""Reading an experiment: a YAML of `configs/models/`, then the changes of the competition and of the command line."""

from pathlib import Path
from typing import Any

from comp.base.errors import ConfigError
from comp.base.paths import config
from comp.base.schema import merge, parse, read_config
from comp.competition.competition import Competition
from comp.competition.experiments.cell_experiment import CellExperiment
from comp.competition.experiments.channels_experiment import ChannelsExperiment
from comp.competition.experiments.dependent_experiment import CascadeExperiment, NeighboursExperiment
from comp.competition.experiments.experiment import Experiment, NetworkExperiment
from comp.competition.experiments.keras_experiment import KerasExperiment
from comp.competition.experiments.metric_experiment import MetricExperiment
from comp.competition.experiments.torch_experiment import TorchExperiment

TRAINERS: dict[str, type[Experiment]] = {
    "torch": TorchExperiment,
    "metric": MetricExperiment,
    "channels": ChannelsExperiment,
    "cascade": CascadeExperiment,
    "neighbours": NeighboursExperiment,
    "cells": CellExperiment,
    "keras": KerasExperiment,
}


def load_experiment(model: str, competition: Competition, settings: dict[str, Any] | None = None, root: Path = Path()) -> Experiment:
    """The model's YAML (`like: other` changes another one), then the competition's overrides, then the command line's settings.

    The competition's `overrides` are for all models. A model without a network takes only those keys that it has.

    Raises:
        ConfigError: no such YAML, trainer or key, or a value that does not fit.
    """
    path = config("models", model, root)
    values = {"model": model, **read_config("models", model, root)}
    trainer = values.get("trainer", "torch")
    if not isinstance(trainer, str) or trainer not in TRAINERS:
        raise ConfigError(f"{path}: there is no trainer {trainer!r}", f"choose one of: {', '.join(TRAINERS)}")
    experiment = parse(TRAINERS[trainer], values, str(path))
    in_competition = f"overrides and model_overrides.{model} of competition {competition.name}"
    for_all = competition.overrides
    if not isinstance(experiment, NetworkExperiment):
        for_all = {key: value for key, value in for_all.items() if key in type(experiment).model_fields}
    changing = ((for_all, in_competition), (competition.model_overrides.get(model), in_competition), (settings, "SET"))
    for changes, source in changing:
        if changes:
            values = merge(values, changes)
            experiment = parse(TRAINERS[trainer], values, f"{source}, laid over {path}")
    if isinstance(experiment, MetricExperiment) and experiment.identity == "auto":
        experiment = experiment.model_copy(update={"identity": "groups" if competition.groups else "labels"})
    return experiment


def load_network(model: str, competition: Competition) -> NetworkExperiment:
    """The experiment of a model that trains a network on images.

    Raises:
        ConfigError: the model trains none, or as `load_experiment`.
    """
    experiment = load_experiment(model, competition)
    if not isinstance(experiment, NetworkExperiment):
        raise ConfigError(f"configs/models/{model}.yaml trains no network", "name a model that does")
    return experiment
