"""Rows: the predictions of several models for the same images, with everything a blender or threshold rule may see."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLEND = "blend"
TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class Rows:
    """N images, as M models see them.

    The models stand in the order of their names, so that no answer depends on the order in which they were given.

    Attributes:
        logits: (M, N, C) float32.
        models: M names.
        folds: (N,) int8, -1 for rows no fold holds.
        groups: (N,) int64, equal for images that look alike (of one antibody).
        labels: (N, C) bool, None where they may not be seen.
        features: (N, F) float32, what else is known of each image; NaN where it is not.
    """

    logits: NDArray[np.float32]
    models: tuple[str, ...]
    folds: NDArray[np.int8]
    groups: NDArray[np.int64]
    labels: NDArray[np.bool_] | None = None
    features: NDArray[np.float32] | None = None

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
            ValueError: these rows show none.
        """
        if self.labels is None:
            raise ValueError("these rows carry no labels")
        return self.labels

    def take(self, chosen: NDArray) -> "Rows":
        """The rows that `chosen` picks: a mask (N,) or row numbers."""
        return Rows(
            self.logits[:, chosen],
            self.models,
            self.folds[chosen],
            self.groups[chosen],
            None if self.labels is None else self.labels[chosen],
            None if self.features is None else self.features[chosen],
        )

    @staticmethod
    def joined(parts: Sequence["Rows"]) -> "Rows":
        """Rows of the same models, one after the other; without labels and features."""
        logits = np.concatenate([part.logits for part in parts], axis=1)
        folds, groups = (np.concatenate([getattr(part, name) for part in parts]) for name in ("folds", "groups"))
        return Rows(logits, parts[0].models, folds, groups)

    def only(self, models: Collection[str]) -> "Rows":
        """The same images as these of the models see them."""
        kept = [number for number, model in enumerate(self.models) if model in models]
        return replace(self, logits=self.logits[kept], models=tuple(self.models[number] for number in kept))

    def with_models(self, logits: Mapping[str, NDArray[np.float32]]) -> "Rows":
        """The same images seen by more models: name -> (N, C)."""
        if not logits:
            return self
        return replace(self, logits=np.concatenate([self.logits, np.stack([*logits.values()])]), models=(*self.models, *logits))

    def of_classes(self, columns: Sequence[int]) -> "Rows":
        """The same images with these classes alone."""
        labels = None if self.labels is None else self.labels[:, columns]
        return replace(self, logits=self.logits[:, :, columns], labels=labels)

    def unlabelled(self) -> "Rows":
        return replace(self, labels=None)

    def blended(self, logits: NDArray[np.floating]) -> "Rows":
        """The same images seen by one model, the blend, whose logits are (N, C)."""
        return replace(self, logits=logits.astype(np.float32)[None], models=(BLEND,))

    def in_own_order(self) -> "Rows":
        """The same rows, ordered by what they hold (logits, labels, features): sums over them are bit-equal however they came."""
        held: list[NDArray[Any]] = [np.moveaxis(self.logits, 1, 0).reshape(len(self), -1)]
        held += [part for part in (self.labels, self.features) if part is not None]
        packed = np.concatenate([np.ascontiguousarray(part).view(np.uint8) for part in held], axis=1)
        return self.take(np.argsort(packed.view(f"V{packed.shape[1]}")[:, 0]))

    def mean_logit(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """The weighted mean (N, C) of logits of the models that `weights` names; the weights sum to 1."""
        total = np.zeros(self.logits.shape[1:])
        for model, logits in zip(self.models, self.logits, strict=True):
            if weight := weights.get(model, 0.0):
                total += weight * logits.astype(np.float64)
        return total

    def mean_probability(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """The logits (N, C) of the weighted mean of probabilities of the models that `weights` names; the weights sum to 1.

        Of probabilities, because one model that is sure and wrong outweighs all others in a mean of logits: on eleven real
        models, four of them bad, the means scored 0.52 and 0.28.
        """
        probs, complements = np.zeros((2, *self.logits.shape[1:]))
        for model, logits in zip(self.models, self.logits, strict=True):
            if weight := weights.get(model, 0.0):
                odds = np.exp(-np.abs(logits, dtype=np.float64))  # of the less likely side, so that both sides stay exact
                likely = weight / (1 + odds)
                probs += np.where(logits > 0, likely, likely * odds)
                complements += np.where(logits > 0, likely * odds, likely)
        return np.log(np.maximum(probs, TINY)) - np.log(np.maximum(complements, TINY))
