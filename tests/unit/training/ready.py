"""A trained fold that predicts, as the weights of its training say."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from comp.inference.fold import TrainedFold, load_network
from comp.inference.settings import EMBEDDERS
from comp.neighbours.votes import Voters
from comp.training.trainer import FoldData, Trained, prediction_settings


@dataclass(frozen=True)
class Ready:
    trained: Trained
    experiment: object
    data: FoldData

    def __getattr__(self, name):
        return getattr(self.trained, name)

    @cached_property
    def fold(self):
        settings = prediction_settings(self.experiment)
        network, voters = load_network(self.trained.weights, settings), None
        vectors = self.data.aux_features
        if self.experiment.trainer in EMBEDDERS:
            vectors = TrainedFold(self.experiment.trainer, settings, network).embed(self.data.images)
        if vectors is not None:
            train = self.data.train
            voters = Voters(vectors[train], self.data.labels[train], [self.data.ids[row] for row in train])
        return TrainedFold(self.experiment.trainer, settings, network, voters)

    def embed(self, images):
        return self.fold.embed(images)

    def predict(self, images, rows, vectors=None):
        """Logits (len(rows), classes) of rows of images.

        Args:
            vectors: (N, D) of all images, for a cascade.
        """
        if self.experiment.trainer in EMBEDDERS:
            vectors = self.embed(images)
        return self.fold.logits(images, np.asarray(rows), None if vectors is None else vectors[rows])
