"""Training a network whose last layer is told what models that embed say of an image: their embedding, and what its neighbours vote.

No label of a held-out image is used: the embeddings are those of the same fold's networks, and only images that both were trained on vote.
An image that is trained on has no vote on itself; but the networks have learnt it, so that its votes are nearer to the truth than those on
a held-out image are. Telling half of the images nothing did not help (`oof/LOG.md`).
"""

from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from comp import parts
from comp.data.planes import statistics
from comp.experiment import CascadeExperiment
from comp.models.cascade import build_cascade
from comp.neighbour_votes import Voters
from comp.neighbours import Floats
from comp.trainers import torch_trainer
from comp.trainers.fold import FoldData, Run, Trained
from comp.trainers.torch_loop import begin, fit, over_rows, refuse_single_images
from comp.trainers.torch_trainer import CHOICE as CHOICE
from comp.trainers.torch_trainer import VERSIONS as VERSIONS
from comp.trainers.torch_trainer import WEIGHTS as WEIGHTS
from comp.trainers.torch_trainer import devices as devices
from comp.trainers.torch_trainer import first_weights as first_weights
from comp.trainers.torch_trainer import pick_device as pick_device
from comp.trainers.torch_trainer import precision as precision


def refuse(experiment: CascadeExperiment, planes: int) -> None:
    """Raise ConfigError if the network cannot be built, or cannot normalise what it is told."""
    torch_trainer.refuse(experiment, planes)
    refuse_single_images(experiment)


def train(experiment: CascadeExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if that is of this run; the averaged weights predict."""
    device = begin(experiment, run)
    mean, deviation = map(torch.Tensor, statistics(data.images, data.planes))
    assert data.beside is not None
    voters = Voters(data.beside[data.train], data.labels[data.train], [data.ids[row] for row in data.train])
    told = np.concatenate([voters.vectors, voters.on_each_other(experiment.votes)], axis=1)
    in_training = np.zeros((len(data.images), told.shape[1]), np.float32)
    in_training[data.train] = told
    model = build_cascade(experiment, run.weights, mean, deviation, torch.Tensor(data.prior()), told.shape[1])
    loss = parts.build("losses", experiment.loss)
    averaged, state = fit(model, lambda logits, labels, _: loss(logits.float(), labels), experiment, replace(data, beside=in_training), run)
    network = partial(over_rows, averaged.eval(), experiment, data.planes, device)

    def predict(images: NDArray[np.uint8], rows: NDArray[np.int64], vectors: Floats) -> Floats:
        return network(images, rows, np.concatenate([vectors[rows], voters.on(vectors[rows], experiment.votes)], axis=1))

    return Trained(predict, state.losses, state.seconds, state.step * experiment.train.batch_size)
