"""A finished stack as a file: everything it fitted, as JSON, so that it can label new images. Reading it needs only NumPy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.base.errors import ConfigError, PredictionError
from comp.base.files import hash_of, read_bytes, write_text
from comp.stacking.prediction_set import PredictionSet
from comp.stacking.stack import Stack

KIND, VERSION = "fitted stack", 2


@dataclass(frozen=True, eq=False)
class FittedStack:
    """A finished stack, and what it was fitted on.

    Attributes:
        classes: the names of the classes it predicts, in the order of the columns.
        stack: its thresholds are those for the mean over the networks of all folds.
        features: path of a table of further features, as its recipe names it -> content hash.
        files: model -> name of a prediction file -> content hash; models that only sub-stacks blend are included, stacks are not.
        folds, data: fingerprints of the fold map and of the train table.
    """

    competition: str
    name: str
    classes: tuple[str, ...]
    stack: Stack
    features: Mapping[str, str]
    files: Mapping[str, Mapping[str, str]]
    folds: str
    data: str

    @property
    def needed(self) -> tuple[str, ...]:
        """The models whose predictions it needs, sorted. Where all weights are known, models without weight are not among them."""
        return tuple(sorted(self.stack.needed))

    def label(self, predictions: PredictionSet) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The logits of the blend and the decisions about each image, (N, C) each; as in the submission, images may be without a label.

        Args:
            predictions: of the models `needed`, each the mean over its folds, for `classes`; other models are ignored. If the stack
                has `features`, with these too.

        Raises:
            ValueError: a model is missing, or the number of classes differs.
        """
        if missing := sorted(self.stack.needed - set(predictions.models)):
            raise ValueError(f"the stack {self.name} needs predictions of {', '.join(missing)}")
        if predictions.logits.shape[2] != len(self.classes):
            raise ValueError(f"the stack {self.name} predicts {len(self.classes)} classes, not {predictions.logits.shape[2]}")
        blend = self.stack.blended(predictions)
        return blend.logits[0], self.stack.decide(blend)[0]


def write_fitted(path: Path, fitted: FittedStack) -> None:
    """Write a finished stack. Equal stacks give equal bytes."""
    content = {
        "kind": KIND,
        "version": VERSION,
        "competition": fitted.competition,
        "name": fitted.name,
        "classes": list(fitted.classes),
        "stack": _as_json(fitted.stack),
        "features": dict(fitted.features),
        "files": {model: dict(files) for model, files in fitted.files.items()},
        "folds": fitted.folds,
        "data": fitted.data,
    }
    write_text(path, _with_checksum(content))


def read_fitted(path: Path) -> FittedStack:
    """Read a finished stack, `oof/<competition>/<stack>/fitted.json`.

    Raises:
        PredictionError: it is missing, damaged, of another kind or another version, or a blender does not exist any more.
    """
    again = f"make stack COMP={path.parent.parent.name} STACK={path.parent.name}"
    try:
        raw = read_bytes(path)
    except FileNotFoundError:
        raise PredictionError(f"there is no {path}", again) from None
    except OSError as error:
        raise PredictionError(f"{path} cannot be read ({error.strerror})", f"remove it, then: {again}") from None
    damaged = PredictionError(f"{path} is damaged", f"make it again: {again}")
    try:
        content = json.loads(raw)
        if not isinstance(content, dict) or content.get("kind") != KIND:
            raise PredictionError(f"{path} is no finished stack", f"make one: {again}")
        del content["sha256"]
        if _with_checksum(content).encode() != raw:
            raise damaged
        if content["version"] != VERSION:
            what = f"{path} has version {content['version']}, and this toolkit reads version {VERSION}"
            raise PredictionError(what, f"use the toolkit that wrote it, or make it again: {again}")
        return _from_json(content)
    except ConfigError as error:
        raise PredictionError(f"{path}: {error.what}", f"make it again: {again}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged from None


def _with_checksum(content: dict[str, Any]) -> str:
    """`content` as text with its own hash, always the same: whoever reads it writes it again and compares every byte."""
    checked = content | {"sha256": hash_of(content, digits=64)}
    return json.dumps(checked, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _as_json(stack: Stack) -> dict[str, Any]:
    return {
        "blender": stack.spec,
        "state": stack.blend,
        "thresholds": [None if threshold == np.inf else threshold for threshold in stack.thresholds.tolist()],
        "models": list(stack.models),
        "substacks": {name: _as_json(each) for name, each in stack.substacks.items()},
        "fills": stack.fills,
    }


def _stack(content: dict[str, Any]) -> Stack:
    """The inverse of `_as_json`."""
    thresholds = np.array([np.inf if threshold is None else threshold for threshold in content["thresholds"]], np.float64)
    substacks = {name: _stack(each) for name, each in content["substacks"].items()}
    blender = registry.build("blenders", content["blender"])
    return Stack(blender, content["blender"], content["state"], thresholds, tuple(content["models"]), substacks, content["fills"])


def _from_json(content: dict[str, Any]) -> FittedStack:
    return FittedStack(
        content["competition"],
        content["name"],
        tuple(content["classes"]),
        _stack(content["stack"]),
        dict(content["features"]),
        content["files"],
        content["folds"],
        content["data"],
    )
