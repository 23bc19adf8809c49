"""The packaged segmenter as a network whose maps are input channels of other networks: `maps: [segmenter]`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import ConfigError
from comp.cells.packaged import AGAIN, PACKAGED
from comp.cells.stains import BRIGHTEST, HIGH, LOW, STAINS, normalised, stains_of
from comp.competition.experiments.dependent_experiment import SEGMENTER
from comp.images.input_channels import Images, InputChannels
from comp.inference.tensor_file import read_tensors
from comp.inference.weights import Weights

MEASURED = 64  # images whose nuclei are measured, at most
MAPS = 4  # as `comp.models.segmenter_network.MAPS`
WHITE = 255


def shown_stains(channels: Sequence[str]) -> list[int | None]:
    """The number of the channel that shows each of the `STAINS`, or None.

    Raises:
        ConfigError: none of the channels shows nuclei.
    """
    if "nuclei" not in (shown := stains_of(channels)):
        raise ConfigError(f"the segmenter needs nuclei, blue, and the channels are {', '.join(channels)}", "take it out of `maps`")
    return [shown.get(stain) for stain in STAINS]


def segmenter_weights(channels: Sequence[str]) -> Weights:
    """The packaged segmenter for images with these channels, at their own scale.

    Raises:
        ConfigError: none of them shows nuclei.
        DamagedError, PredictionError: the file in the package is damaged or missing.
    """
    stains = shown_stains(channels)
    about, tensors = read_tensors(PACKAGED, AGAIN)
    of_network = {
        f"network.{name}": tensor.astype(np.float32) if tensor.dtype == np.float16 else tensor for name, tensor in tensors.items()
    }
    buffers = {"scale": np.ones((), np.float32), "mean": np.zeros(MAPS, np.float32), "deviation": np.full(MAPS, WHITE, np.float32)}
    options = {"decoder": about["decoder"], "stains": stains, "levels": [LOW, HIGH, BRIGHTEST]}
    network = {"backbone": about["backbone"], "options": options}
    return Weights(SEGMENTER, network, InputChannels(tuple(range(len(channels)))), {**of_network, **buffers})


def at_scale_of(segmenter: Weights, images: Images, rows: NDArray[np.int64]) -> Weights:
    """The segmenter at the scale at which nuclei of images (N, H, W, C) have the diameter that it knows: the median over some of `rows`."""
    from comp.cells.scale import DIAMETER, LARGEST_SCALE, rough_diameter  # imported here: other cascades need no scikit-image

    channel = segmenter.network["options"]["stains"][STAINS.index("nuclei")]
    some = rows[:: -(-len(rows) // MEASURED)]
    diameter = np.median([rough_diameter(normalised(images[row][..., channel])) for row in some])
    scale = np.asarray(min(DIAMETER / diameter, LARGEST_SCALE), np.float32)
    return replace(segmenter, tensors={**segmenter.tensors, "scale": scale})
