"""Training with Keras on TensorFlow as in the article: Adam at one rate, binary cross-entropy, no averaging of network weights."""

import platform

import numpy as np
from numpy.typing import NDArray

from comp.base.quiet_tensorflow import keras
from comp.base.quiet_tensorflow import tensorflow as tf
from comp.competition.experiments.keras_experiment import KerasExperiment
from comp.images.keras_batches import KerasBatches
from comp.inference.keras_device import configure, reading_threads
from comp.inference.keras_device import devices as devices
from comp.inference.keras_device import pick_device as pick_device
from comp.inference.keras_network import Predictor, weights_of
from comp.metrics.macro_f1 import macro_f1
from comp.models.keras_networks import build_network
from comp.models.weight_sources import weights_source
from comp.training.keras_checkpoint import KerasState
from comp.training.monitor import Monitor, Scores, Watched
from comp.training.trainer import FoldData, Run, Trained, one_view

VERSIONS = ("tensorflow", "keras")
CHECKPOINT = "last epoch"


def check(experiment: KerasExperiment, channels: int, weights: bool) -> None:
    """Raise ConfigError if the network cannot be built, or its initial weights cannot be had or do not fit; it is built to find out."""
    configure(experiment.train.threads, pick_device(0))
    source = weights_source(experiment.initial_weights, experiment.backbone, "keras") if weights else "scratch"
    build_network(experiment, source, channels, np.array([0.5]))


def device_name(device: str) -> str:
    if device == "cpu":
        return f"CPU {platform.machine()}"
    gpu = tf.config.list_physical_devices("GPU")[int(device.partition(":")[2])]
    return str(tf.config.experimental.get_device_details(gpu).get("device_name", device))


def precision(experiment: KerasExperiment, device: str) -> str:
    return f"{experiment.train.precision} on {device.partition(':')[0]}"


def train(experiment: KerasExperiment, data: FoldData, run: Run) -> Trained:
    """Train one fold, from its checkpoint if it belongs to this run.

    Raises:
        CompError: training has diverged; the checkpoint from before it stays.
    """
    settings = experiment.train
    configure(settings.threads, run.device)
    keras.utils.set_random_seed(experiment.seed * 1000 + run.fold)
    model = compiled(experiment, data, run.initial_weights)
    batches = data.batches(experiment, run.fold)
    per_epoch = len(batches)
    state = KerasState(run, model)
    state.resume()
    watched = Watched(
        validate=lambda rows: scores(model, experiment, data, rows),
        is_finite=lambda: all(np.isfinite(value).all() for value in model.get_weights()),
    )
    with Monitor(experiment, run, data, per_epoch, state, watched) as monitor:
        progress = Progress(state, monitor, settings.lr)
        for epoch in range(state.step // per_epoch, settings.epochs):
            rest = KerasBatches(batches, epoch, state.step % per_epoch, reading_threads(run.device))
            model.fit(rest, shuffle=False, verbose=0, callbacks=[progress])
        monitor.finish()
    return Trained(weights_of(model, data.channels), state.losses, state.seconds, state.step * settings.batch_size)


def compiled(experiment: KerasExperiment, data: FoldData, source: str) -> keras.Model:
    """The experiment's network up to its logits, ready to fit; `source` says where its initial weights come from."""
    settings = experiment.train
    keras.config.set_dtype_policy("mixed_bfloat16" if settings.precision == "bf16" else "float32")
    network = build_network(experiment, source, len(data.channels), data.prior())
    model = keras.Model(network.input, network.get_layer("logits").output, name=experiment.model)
    model.compile(
        optimizer=keras.optimizers.Adam(settings.lr),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")],
        jit_compile=False,  # compiling takes longer than it saves
    )
    model.optimizer.build(model.trainable_variables)  # otherwise the first step makes its variables, and everything is traced twice
    return model


class Progress(keras.callbacks.Callback):
    """Counts the steps that `fit` makes, and tells the monitor."""

    def __init__(self, state: KerasState, monitor: Monitor, lr: float) -> None:
        super().__init__()
        self.state, self.monitor, self.lr = state, monitor, lr

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.loss_before, self.steps = self.state.loss_sum, 0

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        self.state.step += 1
        self.steps += 1
        self.state.loss_sum = self.loss_before + self.steps * float(logs["loss"])  # Keras gives the mean since the start of the epoch
        self.monitor.after_step(self.lr, f", accuracy {logs['accuracy']:.3f}")


def scores(model: keras.Model, experiment: KerasExperiment, data: FoldData, rows: NDArray[np.int64]) -> Scores:
    """The loss, and macro F1 at threshold 0.5, on rows of the train table, without test-time augmentation."""
    labels, logits = data.labels[rows], Predictor(model, one_view(experiment), data.channels)(data.images, rows)
    loss = np.logaddexp(0, logits.astype(np.float64)) - labels * logits  # binary cross-entropy
    return {"validation_loss": float(loss.mean()), "macro_f1": macro_f1(labels, logits > 0)}
