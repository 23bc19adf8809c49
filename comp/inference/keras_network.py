"""Running a trained Keras network over images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from comp.base.quiet_tensorflow import keras
from comp.images.augmentations.dihedral import turn
from comp.images.input_channels import Images, InputChannels
from comp.inference.keras_device import configure, pick_device
from comp.inference.settings import PredictionSettings
from comp.inference.weights import Weights


@dataclass(frozen=True, eq=False)
class Predictor:
    """A network with what it needs to read images.

    Attributes:
        network: from images (B, H, W, C) uint8 to logits (B, classes).
        done: told after each batch how many images it had.
    """

    network: keras.Model
    settings: PredictionSettings
    channels: InputChannels
    done: Callable[[int], object] = lambda images: None

    def __call__(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits (len(rows), classes) for rows of `images` (N, H, W, C), the mean over the settings' views."""
        logits = []
        for start in range(0, len(rows), self.settings.batch_size):
            batch = self.channels.read(images, rows[start : start + self.settings.batch_size])
            views = [np.stack([turn(image, view) for image in batch]) for view in range(self.settings.tta)]
            logits.append(np.mean([self.network.predict_on_batch(view) for view in views], axis=0))
            self.done(len(batch))
        return np.concatenate(logits)


def weights_of(model: keras.Model, channels: InputChannels) -> Weights:
    """A trained network as its configuration and its variables, numbered: names in Keras may repeat."""
    tensors = {f"{number:05d}": np.asarray(value) for number, value in enumerate(model.get_weights())}
    return Weights("keras", {"config": model.to_json()}, channels, tensors)


def load(weights: Weights, settings: PredictionSettings, slot: int, done: Callable[[int], object]) -> Predictor:
    """A trained network on the GPU of a slot, else on the CPU.

    Raises:
        CompError: TensorFlow has started with other settings.
    """
    configure(settings.threads, pick_device(slot))
    model = keras.models.model_from_json(weights.network["config"])
    model.set_weights([weights.tensors[name] for name in sorted(weights.tensors)])
    model.compile(jit_compile=False)  # compiling takes longer than it saves
    return Predictor(model, settings, weights.input_channels, done)
