"""The recipe of a stack: one YAML of `configs/stacks/`."""

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from comp.base import registry
from comp.base.errors import ConfigError
from comp.base.files import hash_of
from comp.base.schema import Strict, parse, read_yaml
from comp.stacking.bounds import Seed
from comp.stacking.candidates import Candidates


class Recipe(Strict):
    """Which blenders and threshold rules compete, each list in order of preference.

    Attributes:
        min_gain_se: paired gain, in standard errors, that the best blend needs over those preferred to it, see `candidates.choose`.
        repeats: how often cross-validation is repeated. The first repeat uses the fold map, the others split the rows again.
        bootstraps: resamples of the groups for every standard error.
        ablation: the blender that measures what each model contributes and which subset is enough; None: not measured.
        features: tables of further features of each image, for blenders that use them.
        shift: adjust thresholds of classes whose share differs significantly in the test set.
    """

    blenders: tuple[dict[str, Any], ...] = Field(min_length=1)
    thresholds: tuple[dict[str, Any], ...] = Field(min_length=1)
    min_gain_se: float = Field(1.0, ge=0, allow_inf_nan=False)
    repeats: int = Field(1, ge=1, le=1000)
    bootstraps: int = Field(1000, ge=100, le=10_000)
    ablation: dict[str, Any] | None = None
    features: tuple[Path, ...] = ()
    shift: bool = False
    seed: Seed = 0

    @field_validator("blenders", "thresholds")
    @classmethod
    def _each_once(cls, specs: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        titles = [title(spec) for spec in specs]
        if len(set(titles)) < len(titles):
            raise ValueError(f"list each only once, not {', '.join(titles)}")
        return specs

    @field_validator("ablation")
    @classmethod
    def _for_any_models(cls, spec: dict[str, Any] | None) -> dict[str, Any] | None:
        if spec and spec.get("name") == "weights":
            raise ValueError("`weights` fits one set of models only, and the ablation blends subsets")
        return spec

    def candidates(self) -> Candidates:
        """The blenders and threshold rules, built.

        Raises:
            ConfigError: unknown blender, threshold rule or option.
        """
        if self.ablation:
            registry.build("blenders", self.ablation)
        return Candidates(
            {title(spec): registry.build("blenders", spec) for spec in self.blenders},
            {title(spec): registry.checked("blenders", spec) for spec in self.blenders},
            {title(spec): registry.build("thresholds", spec) for spec in self.thresholds},
        )


def load_recipe(path: Path) -> Recipe:
    """Read a stack's YAML.

    Raises:
        ConfigError: it cannot be read, or names an unknown blender, threshold rule or option.
    """
    try:
        recipe = parse(Recipe, read_yaml(path), str(path))
        recipe.candidates()
    except ConfigError as error:
        raise ConfigError(error.what if str(path) in error.what else f"{path}: {error.what}", error.then) from None
    except RecursionError:
        raise ConfigError(f"{path} refers to itself", "write out the values that its anchors refer to") from None
    return recipe


def title(spec: dict[str, Any]) -> str:
    """The name of a blender or rule with the options its YAML gives, e.g. "greedy steps=10", "committee(greedy, convex)"."""
    inner, options = [], []
    for key, value in spec.items():
        listed = value if isinstance(value, list) else [value]
        if all(isinstance(each, dict) and "name" in each for each in listed):
            inner += [title(each) for each in listed]
        elif isinstance(value, dict):
            options.append(f"{key}={hash_of(value, digits=4)}")
        elif key != "name":
            options.append(f"{key}={value}")
    name = f"{spec.get('name')}({', '.join(inner)})" if inner else str(spec.get("name"))
    return " ".join([name, *options])
