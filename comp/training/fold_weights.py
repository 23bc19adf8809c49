"""The weights of a fold: training writes them, and prediction starts from them. Weights that were made otherwise are an error."""

import json
from collections.abc import Mapping
from typing import Any

from comp.base.errors import DamagedError
from comp.base.progress import say
from comp.inference.weights import Weights, WeightsFile, read_weights
from comp.training.fold_inputs import FoldInputs
from comp.training.made_otherwise import refusal, what_differs

# what the provenance of weights is compared by
MADE_FROM = ("folds", "data", "images", "extra", "depends_on", "classes", "fold", "initial_weights")


def made_from(inputs: FoldInputs, images: str, source: str) -> dict[str, Any]:
    """What determines the weights of a fold, the versions of packages and the hardware apart.

    Args:
        images: hash of the images.
        source: where the initial weights come from.
    """
    made: dict[str, Any] = json.loads(json.dumps(inputs.made_from() | {"images": images, "initial_weights": source}))
    return made


def finished_weights(inputs: FoldInputs, images: str, source: str) -> WeightsFile | None:
    """The weights of a fold, if training has finished and the present inputs would give the same network; None if there are none.

    Damaged ones are named, and count as absent.

    Raises:
        PredictionError: they were made from other inputs, and the job does not ask to replace them.
    """
    job, path = inputs.job, inputs.weights
    if not path.exists():
        return None
    try:
        found = read_weights(path, f"move it away, or use the toolkit that wrote it; then: make fold-{job.fold} MODEL={job.model}")
    except DamagedError as error:
        say(f"{error.what}; training again")
        return None
    differs = what_differs(origin_of(found), made_from(inputs, images, source))
    if not differs:
        say(f"{job.name}: trained already ({path}), predicting")
        return found
    if not job.retrain:
        raise refusal(job, f"{path} was trained with {differs}")
    say(f"{path} was trained with {differs}; training again, as RETRAIN=1 asks")
    return None


def origin_of(found: WeightsFile) -> dict[str, Any]:
    """What weights were made from, as `made_from` says it."""
    return {key: found.provenance.get(key) for key in MADE_FROM} | {"settings": dict(found.settings)}


def write_weights(inputs: FoldInputs, weights: Weights, provenance: Mapping[str, Any]) -> WeightsFile:
    """Write the weights of a fold, with everything that it takes to predict with them."""
    images = inputs.competition.images
    assert images is not None
    file = WeightsFile(weights, inputs.experiment.training_settings, provenance, images.channels, images.levels)
    file.write(inputs.weights)
    return file
