"""A stack: models' logits -> one blend -> decisions. A candidate is a blender with a threshold rule, both unfitted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from comp import parts
from comp.errors import ConfigError
from comp.files import hash_of
from comp.resampling import Scored
from comp.rows import Rows
from comp.schema import Strict, parse, read_yaml

UNREACHABLE = 1e9  # stands for infinity where thresholds are compared, so that classes that are never predicted keep their order


class Blender(Protocol):
    def fit(self, rows: Rows) -> Any: ...
    def predict(self, state: Any, rows: Rows) -> NDArray[np.floating]: ...


class ThresholdRule(Protocol):
    def fit(self, rows: Rows) -> NDArray[np.float64]: ...


class Recipe(Strict):
    """One YAML of `configs/stacks/`: which blenders and threshold rules compete, each list in order of preference.

    Attributes:
        promote: paired gain, in standard errors, that the best candidate needs over every simpler one, see `choose`.
        repeats: how often the folds are dealt anew, the fold map's own included.
        bootstraps: resamples of the groups behind every standard error.
        members: the blender by which to say what each model contributes and which subset would do; None: not said.
        features: tables of what else is known of each image, for the blenders that use it.
        shift: correct thresholds for classes whose share differs significantly in the test set.
    """

    blenders: tuple[dict[str, Any], ...] = Field(min_length=1)
    thresholds: tuple[dict[str, Any], ...] = Field(min_length=1)
    promote: float = Field(1.0, ge=0, allow_inf_nan=False)
    repeats: int = Field(1, ge=1)
    bootstraps: int = Field(1000, ge=100)
    members: dict[str, Any] | None = None
    features: tuple[Path, ...] = ()
    shift: bool = False
    seed: int = Field(0, ge=0)

    @field_validator("blenders", "thresholds")
    @classmethod
    def _each_once(cls, specs: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        titles = [title(spec) for spec in specs]
        if len(set(titles)) < len(titles):
            raise ValueError(f"each may stand there once, not {', '.join(titles)}")
        return specs

    @field_validator("members")
    @classmethod
    def _of_any_models(cls, spec: dict[str, Any] | None) -> dict[str, Any] | None:
        if spec and spec.get("name") == "weights":
            raise ValueError("given weights belong to given models, and subsets of them are to be blended")
        return spec

    def candidates(self) -> "Candidates":
        """The parts, built.

        Raises:
            ConfigError: there is no such part or option.
        """
        if self.members:
            parts.build("blenders", self.members)
        return Candidates(
            {title(spec): parts.build("blenders", spec) for spec in self.blenders},
            {title(spec): parts.build("thresholds", spec) for spec in self.thresholds},
        )


@dataclass(frozen=True)
class Stack:
    """A fitted candidate.

    Attributes:
        thresholds: (C,) logits of the blend; infinity for a class that is never predicted.
        models: those it blends, sub-stacks included; empty for all of the rows'.
        substacks: the stacks among its models, by name.
    """

    blender: Blender
    blend: Any
    thresholds: NDArray[np.float64]
    models: tuple[str, ...] = ()
    substacks: Mapping[str, "Stack"] = field(default_factory=dict)

    @property
    def weights(self) -> list[dict[str, float]]:
        """Each model's weight, where that is all there is to the blend; those of each part of a committee; else nothing."""
        parts = self.blend if isinstance(self.blend, list) else [self.blend]
        known = all(isinstance(part, dict) and all(isinstance(weight, float) for weight in part.values()) for part in parts)
        return [dict(part) for part in parts] if known else []

    def blended(self, rows: Rows) -> Rows:
        """The rows as the blend sees them, without their labels; they hold the models of its sub-stacks too."""
        unseen = rows.unlabelled()
        if self.substacks:
            unseen = unseen.with_models({name: stack.blended(rows).logits[0] for name, stack in self.substacks.items()})
        if self.models:
            unseen = unseen.only(self.models)
        return unseen.blended(self.blender.predict(self.blend, unseen))

    def decide(self, blend: Rows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Decisions (N, C) from `blended` rows, at least one a row, and which rows (N,) were empty and got their most likely class.

        Most likely is the class whose logit is highest above its threshold (least below it), the first among equals.
        """
        decisions = blend.logits[0] >= self.thresholds
        empty = ~decisions.any(axis=1)
        limits = np.where(np.isfinite(self.thresholds), self.thresholds, UNREACHABLE)
        decisions[empty, (blend.logits[0, empty] - limits).argmax(axis=1)] = True
        return decisions, empty


@dataclass(frozen=True)
class Candidates:
    """Every blender with every threshold rule, in the order of the recipe."""

    blenders: dict[str, Blender]
    rules: dict[str, ThresholdRule]

    @property
    def names(self) -> list[tuple[str, str]]:
        return [(blender, rule) for blender in self.blenders for rule in self.rules]

    def fit(self, rows: Rows) -> list[Stack]:
        """All of them on labelled rows, each blender once, in the order of `names`."""
        stacks = []
        for blender in self.blenders.values():
            state = blender.fit(rows)
            blend = rows.blended(blender.predict(state, rows.unlabelled()))
            stacks += [Stack(blender, state, rule.fit(blend)) for rule in self.rules.values()]
        return stacks

    def decide(self, stacks: list[Stack], rows: Rows) -> NDArray[np.bool_]:
        """The decisions (candidates, N, C) of what `fit` returned, each blend computed once."""
        decided = []
        for first in range(0, len(stacks), len(self.rules)):
            blend = stacks[first].blended(rows)
            decided += [stack.decide(blend)[0] for stack in stacks[first : first + len(self.rules)]]
        return np.stack(decided)


def choose(scored: list[Scored], promote: float) -> int:
    """The candidate that stands: the first that the best one does not beat by more than `promote` paired standard errors.

    The one-standard-error rule (Breiman, Friedman, Olshen and Stone 1984) with paired errors. `tests/promotion_study.py` measured it on
    drawn sets with known truth. With 1, a blender worse than the plain mean was chosen in 1 of 24 sets (the default stack's
    candidates) and in 7 of 80 (20 candidates); with 0, where the best score wins, in every third one, for stacks that scored alike.
    """
    best = max(scored, key=lambda one: one.value)
    for number, candidate in enumerate(scored):
        gain = best.over(candidate)
        if gain.value <= promote * gain.error:
            return number
    raise ValueError("there are no candidates")


def load_recipe(path: Path) -> Recipe:
    """A stack's YAML.

    Raises:
        ConfigError: it cannot be read, or names a part or option that there is not.
    """
    try:
        recipe = parse(Recipe, read_yaml(path), str(path))
        recipe.candidates()
    except ConfigError as error:
        raise ConfigError(error.what if str(path) in error.what else f"{path}: {error.what}", error.then) from None
    except RecursionError:
        raise ConfigError(f"{path} refers to itself", "write out what its anchors stand for") from None
    return recipe


def title(spec: dict[str, Any]) -> str:
    """A part's name with the options its YAML gives, e.g. "greedy steps=10", "committee(greedy, convex)"."""
    inner, options = [], []
    for key, value in spec.items():
        listed = value if isinstance(value, list) else [value]
        if all(isinstance(part, dict) and "name" in part for part in listed):
            inner += [title(part) for part in listed]
        elif isinstance(value, dict):
            options.append(f"{key}={hash_of(value, digits=4)}")
        elif key != "name":
            options.append(f"{key}={value}")
    name = f"{spec.get('name')}({', '.join(inner)})" if inner else str(spec.get("name"))
    return " ".join([name, *options])
