"""Training with Keras on TensorFlow as in the article: Adam at one rate, binary cross-entropy, no averaging of network weights."""

import platform
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import CompError
from comp.base.processes import cores
from comp.base.quiet_tensorflow import keras
from comp.base.quiet_tensorflow import tensorflow as tf
from comp.competition.experiments.keras_experiment import KerasExperiment
from comp.images.augmentations.dihedral import turn
from comp.images.input_channels import InputChannels
from comp.images.keras_batches import KerasBatches
from comp.metrics.macro_f1 import macro_f1
from comp.models.keras_initial_weights import weights_source
from comp.models.keras_networks import build_network
from comp.training.keras_checkpoint import KerasState
from comp.training.monitor import Monitor, Scores, Watched
from comp.training.trainer import FoldData, Run, Trained

VERSIONS = ("tensorflow", "keras")
CHECKPOINT = "last epoch"


def check(experiment: KerasExperiment, channels: int, weights: bool) -> None:
    """Raise ConfigError if the network cannot be built, or its initial weights cannot be had or do not fit; it is built to find out."""
    configure(experiment.train.threads, pick_device(0))
    build_network(experiment, initial_weights_source(experiment) if weights else "scratch", channels, np.array([0.5]))


def initial_weights_source(experiment: KerasExperiment) -> str:
    return weights_source(experiment.initial_weights, experiment.backbone)


def devices() -> int:
    return len(tf.config.list_physical_devices("GPU"))


def pick_device(slot: int) -> str:
    return f"gpu:{slot % devices()}" if devices() else "cpu"


def device_name(device: str) -> str:
    if device == "cpu":
        return f"CPU {platform.machine()}"
    gpu = tf.config.list_physical_devices("GPU")[int(device.partition(":")[2])]
    return str(tf.config.experimental.get_device_details(gpu).get("device_name", device))


def precision(experiment: KerasExperiment, device: str) -> str:
    return f"{experiment.train.precision} on {device.partition(':')[0]}"


@cache
def configure(threads: int, device: str) -> None:
    """Set what TensorFlow accepts only once in a process: its threads, and the one GPU it may use.

    Raises:
        CompError: TensorFlow has started with other settings.
    """
    gpus = tf.config.list_physical_devices("GPU")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        if device == "cpu":
            # optimising the graph takes a minute for each of the large networks, and gains nothing here
            tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        else:
            mine = gpus[int(device.partition(":")[2])]
            tf.config.set_visible_devices(mine, "GPU")
            tf.config.experimental.set_memory_growth(mine, True)
    except RuntimeError:
        raise CompError(
            f"TensorFlow has started here with other threads than {threads}", "train this model by a command of its own"
        ) from None


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
    return Trained(partial(predict, model, experiment, data.channels), state.losses, state.seconds, state.step * settings.batch_size)


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
    labels, logits = data.labels[rows], predict(model, experiment.model_copy(update={"tta": 1}), data.channels, data.images, rows)
    loss = np.logaddexp(0, logits.astype(np.float64)) - labels * logits  # binary cross-entropy
    return {"validation_loss": float(loss.mean()), "macro_f1": macro_f1(labels, logits > 0)}


def reading_threads(device: str) -> int:
    """How many threads read images: one keeps up with a core, a GPU needs several. They change nothing but the speed."""
    return 1 if device == "cpu" else max(min(8, cores() - 1), 1)


def predict(
    model: keras.Model, experiment: KerasExperiment, channels: InputChannels, images: NDArray[np.uint8], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Logits (len(rows), classes), the mean over the experiment's `tta` views."""
    size = 2 * experiment.train.batch_size
    logits = []
    for start in range(0, len(rows), size):
        batch = channels.read(images, rows[start : start + size])
        views = [np.stack([turn(image, view) for image in batch]) for view in range(experiment.tta)]
        logits.append(np.mean([model.predict_on_batch(view) for view in views], axis=0))
    return np.concatenate(logits)
