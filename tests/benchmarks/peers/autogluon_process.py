"""AutoGluon's EnsembleSelection, in a process of its own."""

import numpy as np

from comp.metrics.logits import sigmoid
from comp.stacking.prediction_set import PredictionSet
from tests.benchmarks.peers import Margins
from tests.benchmarks.peers.worker_process import WorkerProcess


class AutoGluon(WorkerProcess):
    tool = "AutoGluon"
    worker = "tests.benchmarks.peers.autogluon_worker"

    def margins(self, train: PredictionSet, held: PredictionSet) -> Margins:
        """The peer: selection and threshold of each class by itself, both by F1."""
        self.give(train=sigmoid(train.logits.astype(np.float64)), labels=train.known_labels, held=sigmoid(held.logits.astype(np.float64)))
        self.ask("margins")
        return self.taken("margins")
