"""PredictionSet: the predictions of several models for the same images, with all that blenders and threshold rules may use."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLEND = "blend"
TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class PredictionSet:
    """The predictions of M models for N images.

    Models are sorted by name, so results do not depend on the order in which they were given.

    Attributes:
        logits: (M, N, C) float32.
        models: M names.
        folds: (N,) int8, -1 for rows that are in no fold.
        groups: (N,) int64, equal for images of one group (antibody), which look alike.
        labels: (N, C) bool, None if unknown or withheld.
        features: (N, F) float32, further features of each image; NaN if missing.
        needs_labels: whether every image of a submission needs a label.
    """

    logits: NDArray[np.float32]
    models: tuple[str, ...]
    folds: NDArray[np.int8]
    groups: NDArray[np.int64]
    labels: NDArray[np.bool_] | None = None
    features: NDArray[np.float32] | None = None
    needs_labels: bool = True

    def __post_init__(self) -> None:
        models, count, classes = self.logits.shape
        shapes: dict[str, tuple[Any, Any]] = {
            "models": (len(self.models), models),
            "folds": (len(self.folds), count),
            "groups": (len(self.groups), count),
        }
        if self.labels is not None:
            shapes["labels"] = (self.labels.shape, (count, classes))
        if self.features is not None:
            shapes["features"] = (len(self.features), count)
        for name, (found, wanted) in shapes.items():
            if found != wanted:
                raise ValueError(f"{name}: {found}, but the logits {self.logits.shape} need {wanted}")
        if len(set(self.models)) != models:
            raise ValueError(f"models {self.models} repeat a name")
        order = sorted(range(models), key=lambda number: self.models[number])
        if order != list(range(models)):
            object.__setattr__(self, "logits", self.logits[order])
            object.__setattr__(self, "models", tuple(self.models[number] for number in order))

    def __len__(self) -> int:
        return self.logits.shape[1]

    @property
    def known_labels(self) -> NDArray[np.bool_]:
        """The labels (N, C).

        Raises:
            ValueError: there are none.
        """
        if self.labels is None:
            raise ValueError("these predictions have no labels")
        return self.labels

    def take(self, chosen: NDArray) -> "PredictionSet":
        """The images that `chosen` selects: a mask (N,) or row numbers."""
        return replace(
            self,
            logits=self.logits[:, chosen],
            folds=self.folds[chosen],
            groups=self.groups[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            features=None if self.features is None else self.features[chosen],
        )

    @staticmethod
    def joined(sets: Sequence["PredictionSet"]) -> "PredictionSet":
        """Several sets of the same models, one after the other; without labels and features."""
        logits = np.concatenate([each.logits for each in sets], axis=1)
        folds, groups = (np.concatenate([getattr(each, name) for each in sets]) for name in ("folds", "groups"))
        return replace(sets[0], logits=logits, folds=folds, groups=groups, labels=None, features=None)

    def only(self, models: Collection[str]) -> "PredictionSet":
        """The same images, with only these models."""
        kept = [number for number, model in enumerate(self.models) if model in models]
        return replace(self, logits=self.logits[kept], models=tuple(self.models[number] for number in kept))

    def with_models(self, logits: Mapping[str, NDArray[np.float32]]) -> "PredictionSet":
        """The same images, with more models: name -> (N, C)."""
        if not logits:
            return self
        return replace(self, logits=np.concatenate([self.logits, np.stack([*logits.values()])]), models=(*self.models, *logits))

    def of_classes(self, columns: Sequence[int]) -> "PredictionSet":
        """The same images, with only these classes."""
        labels = None if self.labels is None else self.labels[:, columns]
        return replace(self, logits=self.logits[:, :, columns], labels=labels)

    def unlabelled(self) -> "PredictionSet":
        return replace(self, labels=None)

    def blended(self, logits: NDArray[np.floating]) -> "PredictionSet":
        """The same images, with the blend as the only model; its logits are (N, C)."""
        return replace(self, logits=logits.astype(np.float32)[None], models=(BLEND,))

    def in_own_order(self) -> "PredictionSet":
        """The same images, sorted by content (logits, labels, features), so that sums over rows do not depend on their order."""
        content: list[NDArray[Any]] = [np.moveaxis(self.logits, 1, 0).reshape(len(self), -1)]
        content += [array for array in (self.labels, self.features) if array is not None]
        packed = np.concatenate([np.ascontiguousarray(array).view(np.uint8) for array in content], axis=1)
        return self.take(np.argsort(packed.view(f"V{packed.shape[1]}")[:, 0]))

    def mean_logit(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """The weighted mean (N, C) of the logits of the models in `weights`; the weights sum to 1."""
        total = np.zeros(self.logits.shape[1:])
        for model, logits in zip(self.models, self.logits, strict=True):
            if weight := weights.get(model, 0.0):
                total += weight * logits.astype(np.float64)
        return total

    def mean_probability(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """The logits (N, C) of the weighted mean probability of the models in `weights`; the weights sum to 1.

        Probabilities are averaged because one confident wrong model dominates a mean of logits. On eleven real models, four of
        them bad, the mean of probabilities scored 0.52 and the mean of logits 0.28.
        """
        probs, complements = np.zeros((2, *self.logits.shape[1:]))
        for model, logits in zip(self.models, self.logits, strict=True):
            if weight := weights.get(model, 0.0):
                odds = np.exp(-np.abs(logits, dtype=np.float64))  # odds of the less likely outcome, so that both outcomes stay exact
                likely = weight / (1 + odds)
                probs += np.where(logits > 0, likely, likely * odds)
                complements += np.where(logits > 0, likely * odds, likely)
        return np.log(np.maximum(probs, TINY)) - np.log(np.maximum(complements, TINY))
