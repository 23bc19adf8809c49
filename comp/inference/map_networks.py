"""The trained networks whose maps are input channels of other networks."""

from comp.base.errors import PredictionError
from comp.base.paths import Paths
from comp.inference.weights import Weights, read_weights
from comp.predictions.provenance import remake

KIND = "channels"  # the trainer of networks that draw maps


def read_map_network(paths: Paths, model: str, fold: int, made_from: tuple[str, str]) -> Weights:
    """The network of one fold of a model that draws channels.

    Args:
        made_from: fingerprints of the present fold map and train table.

    Raises:
        PredictionError: its weights are missing or damaged, draw no channels, or were trained with other folds or another train table.
    """
    path, again = paths.weights(model, fold), f"train it again: {remake(paths.competition, model, 'weights', fold)} RETRAIN=1"
    if not path.exists():
        raise PredictionError(f"there is no {path}", again)
    file = read_weights(path, again)
    made = file.provenance
    if file.weights.trainer != KIND or (made["model"], made["fold"], made["folds"], made["data"]) != (model, fold, *made_from):
        raise PredictionError(f"{path} holds no network of {model} fold {fold} for the present folds and train table", again)
    return file.weights
