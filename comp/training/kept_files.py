"""Whether a finished fold still has what predicts new images: its weights, its voters."""

from collections.abc import Mapping
from typing import Any

from comp.base.errors import PredictionError
from comp.base.paths import Paths
from comp.inference.voters import read_voters
from comp.inference.weights import read_weights
from comp.predictions.provenance import Provenance

MADE_TOGETHER = ("competition", "model", "fold", "classes", "folds", "data", "images", "depends_on", "initial_weights", "seed")


def fault_in_kept(paths: Paths, experiment: Mapping[str, Any], made: Provenance) -> str:
    """Why a finished fold cannot predict new images: a file is missing, damaged, or of another training; empty if it can.

    Args:
        experiment: the settings of the model, as JSON.
        made: the provenance of the fold's predictions.
    """
    model, fold = made.model, made.fold
    assert fold is not None
    expected = made.model_dump(mode="json")
    try:
        if "size" in experiment:
            path = paths.weights(model, fold)
            _check_same(str(path), read_weights(path, "").provenance, expected)
        if "votes" in experiment:
            path = paths.voters(model, fold)
            _check_same(str(path), read_voters(path, "")[1], expected)
    except PredictionError as error:
        return error.what
    return ""


def _check_same(path: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    if differing := [key for key in MADE_TOGETHER if found.get(key) != expected[key]]:
        raise PredictionError(f"{path} was not made together with the predictions beside it (other {', '.join(differing)})", "")
