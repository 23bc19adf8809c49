"""What the prediction of a fold costs, found out on some images with a network that was trained for some steps."""

import importlib
import time
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from comp.competition.experiments.dependent_experiment import DependentExperiment
from comp.competition.experiments.embedding_experiment import EmbeddingExperiment
from comp.competition.experiments.experiment import NetworkExperiment
from comp.folds.fold_map import HOLDOUT
from comp.inference.fold import load_network
from comp.inference.weights import WeightsFile
from comp.neighbours.votes import Voters
from comp.training.fold_inputs import FoldInputs
from comp.training.plan_inputs import unit_vectors
from comp.training.trainer import FoldData, prediction_settings

SECONDS = 3.0  # of timed prediction
FIRST = 2  # images on a CPU that show how many can be timed
BATCHES = 4  # that are timed at most
QUERIES = 1024  # images whose votes are timed, at most


@dataclass(frozen=True, eq=False)
class PredictingCost:
    """What the prediction of a fold costs.

    Attributes:
        seconds: of all of it.
        images: how many images the network sees.
        logits: (n, classes) some, of random images or neighbours.
        voters: random ones, as many as the fold has; None for a model without.
    """

    seconds: float
    images: int
    logits: NDArray[np.float32]
    voters: Voters | None


def predicting_cost(inputs: FoldInputs, experiment: NetworkExperiment, data: FoldData, file: WeightsFile, slot: int) -> PredictingCost:
    """Measure it: loading, images through the network, and votes."""
    tables, settings = inputs.tables, prediction_settings(experiment)
    judged = int(np.isin(tables.folds.fold, (inputs.job.fold, HOLDOUT)).sum()) + len(tables.test_ids)
    images = len(tables.ids) + len(tables.test_ids) if isinstance(experiment, EmbeddingExperiment) else judged
    voters, votes, voting = _votes(inputs, experiment, judged)
    features = [] if data.aux_features is None else [data.aux_features.shape[1] + len(inputs.columns)]

    began = time.monotonic()
    network = load_network(file.weights, settings, slot)

    def predict(count: int) -> tuple[NDArray[np.float32], float]:
        started = time.monotonic()
        found = network(data.images, np.resize(data.train, count), *(unit_vectors(count, width) for width in features))
        return found, (time.monotonic() - started) / count

    few = FIRST if device_module(experiment).pick_device(slot) == "cpu" else settings.batch_size
    predict(few)
    loading = time.monotonic() - began
    count = int(np.clip(SECONDS / predict(few)[1], few, BATCHES * settings.batch_size))
    count -= count % settings.batch_size if count > settings.batch_size else 0
    predict(count)  # a framework prepares itself for batches of another size
    outputs, each = predict(count)
    logits = outputs if votes is None or isinstance(experiment, DependentExperiment) else votes
    return PredictingCost(loading + each * images + voting, images, logits, voters)


def _votes(inputs: FoldInputs, experiment: NetworkExperiment, judged: int) -> tuple[Voters | None, NDArray[np.float32] | None, float]:
    """Voters, some of their votes, and the seconds in which they vote on `judged` images."""
    if isinstance(experiment, EmbeddingExperiment):
        width = experiment.embedding
    elif isinstance(experiment, DependentExperiment) and inputs.depends_on:
        width = inputs.depends_on.vectors["train"].shape[1]
    else:
        return None, None, 0.0
    rows = inputs.train_rows
    voters = Voters(unit_vectors(len(rows), width), inputs.labels[rows], [inputs.tables.ids[row] for row in rows])
    count = min(QUERIES, judged)
    began = time.monotonic()
    votes = voters.logits(unit_vectors(count, width), experiment.votes)
    return voters, votes, (time.monotonic() - began) * judged / count


def device_module(experiment: NetworkExperiment) -> ModuleType:
    """The module of the devices of the experiment's framework."""
    return importlib.import_module(f"comp.inference.{'keras' if experiment.trainer == 'keras' else 'torch'}_device")
