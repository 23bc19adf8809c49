"""Strict YAML: every key is declared; an error is one line that names the file, the key and what is allowed."""

import difflib
import math
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from comp.base.errors import ConfigError
from comp.base.files import read_text
from comp.base.paths import config


class Strict(BaseModel):
    """Base class of everything read from YAML: frozen, unknown keys and infinite numbers are errors, and "3e-4" becomes a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())  # pydantic 2.8 warns of `model_`


MOST_VALUES = 100_000
LONGEST = 200  # letters of a value or a reason that are shown
Model = TypeVar("Model", bound=Strict)


class _Loader(yaml.SafeLoader):
    """The safe loader, without references that make gigabytes of a few lines, and without repeated keys, of which one would be lost."""

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if _values(node, {}) > MOST_VALUES:
            raise yaml.YAMLError(f"its references (*name) make more than {MOST_VALUES:,} values")
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if repeated := [key for key in keys if keys.count(key) > 1]:
            raise yaml.YAMLError(f"the key {repeated[0]!r} comes twice, {node.start_mark}")
        return super().construct_mapping(node, deep)


def _values(node: Any, known: dict[int, float]) -> float:
    """How many values a node has, those that it refers to included; infinite if it refers to itself."""
    if id(node) not in known:
        known[id(node)] = math.inf  # until it is known
        children = node.value if isinstance(node, yaml.CollectionNode) else []
        each = [child for pair in children for child in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_values(child, known) for child in each)
    return known[id(node)]


def _load(text: str) -> Any:
    return yaml.load(text, _Loader)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping by the safe loader.

    Raises:
        ConfigError: the file is missing, is not YAML or is not a mapping.
    """
    try:
        value = _load(read_text(path))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", "check the path") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path} is not YAML ({' '.join(str(error).split())[:LONGEST]})", "correct that line") from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply", "write it as `key: value` lines") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds no mapping", "write it as `key: value` lines")
    return value


def read_config(kind: str, name: str, root: Path = Path()) -> dict[str, Any]:
    """A YAML of `configs/<kind>/`, on top of another one if it says `like: other`.

    Raises:
        ConfigError: there is none, or the other one is itself like a third.
    """
    path = config(kind, name, root)
    values = read_yaml(path)
    if base := values.pop("like", None):
        other = read_yaml(config(kind, str(base), root))
        if "like" in other:
            raise ConfigError(f"{path}: {base} is itself like {other['like']}", "be like one that stands alone")
        values = merge(other, values)
    return values


def parse(model: type[Model], values: dict[str, Any], source: str) -> Model:
    """Values as a `model`; `source` names the file in errors.

    Raises:
        ConfigError: the first key that is unknown, missing or of the wrong type, with the nearest known key.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the file"
        if first["type"] == "extra_forbidden":
            known = _fields_at(model, first["loc"][:-1])
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
            then = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
            raise ConfigError(f"{source}: unknown key '{where}'", then) from None
        if first["type"] == "missing":
            raise ConfigError(f"{source}: key '{where}' is missing", "add it") from None
        given = repr(first["input"])
        shown = given if len(given) <= LONGEST else f"{given[:LONGEST]}..."
        raise ConfigError(f"{source}: {where} = {shown} does not fit", first["msg"].removeprefix("Value error, ")) from None


def _fields_at(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    for step in location:
        annotation = model.model_fields[step].annotation if step in model.model_fields else None
        choices = [annotation, *getattr(annotation, "__args__", ())]
        nested = [choice for choice in choices if isinstance(choice, type) and issubclass(choice, BaseModel)]
        if not nested:
            return []
        model = nested[0]
    return sorted(field.alias or name for name, field in model.model_fields.items())


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, mapping by mapping; a plug-in (a mapping with `name`) is replaced as a whole."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both and "name" not in value else value
    return merged


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What changed between two nested mappings, as "train.epochs=20, now 2"."""
    return [f"{key}={old}, now {new}" for key, old, new in changed_values(before, now)]


def changed_values(one: dict[str, Any], other: dict[str, Any], within: str = "") -> list[tuple[str, Any, Any]]:
    """The keys whose values differ between two nested mappings, with both values: ("train.epochs", 20, 2)."""
    found = []
    for key in sorted({*one, *other}):
        first, second = one.get(key), other.get(key)
        if isinstance(first, dict) and isinstance(second, dict):
            found += changed_values(first, second, f"{within}{key}.")
        elif first != second:
            found.append((f"{within}{key}", first, second))
    return found


def parse_settings(text: str) -> dict[str, Any]:
    """`SET="train.epochs=2 size=128"` as nested mappings.

    Raises:
        ConfigError: a word that is not key=value.
    """
    settings: dict[str, Any] = {}
    for word in text.split():
        key, equals, value = word.partition("=")
        try:
            parsed = _load(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            equals = ""
        if not equals or not key:
            then = 'write it as in SET="train.epochs=2 channels=[red,green]", without spaces inside a value'
            raise ConfigError(f"SET: {word[:LONGEST]!r} is not key=value", then)
        *outer, last = key.split(".")
        place = settings
        for step in outer:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise ConfigError(f"SET: {key} and {step} exclude each other", "give one of them")
        place[last] = parsed
    return settings
