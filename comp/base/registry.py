"""Plug-ins: `{name: focal, gamma: 2}` in a YAML builds `comp/training/losses/focal.py`.

Every plug-in is one file with one function `build(...)`; its keyword arguments are the options the YAML may give.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from comp.base.errors import ConfigError

PACKAGES = {
    "augmentations": "comp.images.augmentations",
    "blenders": "comp.stacking.blenders",
    "channels": "comp.images.channels",
    "losses": "comp.training.losses",
    "metric_losses": "comp.training.metric_losses",
    "samplers": "comp.images.samplers",
    "thresholds": "comp.stacking.thresholds",
}


def names(kind: str) -> list[str]:
    """The plug-ins of a kind, a key of `PACKAGES`: the modules of its package."""
    package = importlib.import_module(PACKAGES[kind])
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def build(kind: str, spec: Mapping[str, Any]) -> Any:
    """Build the plug-in that `spec` names, e.g. `build("losses", {"name": "focal", "gamma": 2})`.

    Args:
        kind: a key of `PACKAGES`.
        spec: `name` and options.

    Raises:
        ConfigError: no such plug-in, an unknown option or a value of the wrong type.
    """
    options = dict(spec)
    name = options.pop("name", None)
    known = names(kind)
    if name not in known:
        raise ConfigError(f"{kind}: there is no {name!r}", f"choose one of: {', '.join(known)}")
    function: Callable[..., Any] = importlib.import_module(f"{PACKAGES[kind]}.{name}").build
    takes = inspect.signature(function).parameters
    described = ", ".join(map(_described, takes.values())) or "no options"
    arguments: dict[str, Any] = {}
    for key, value in options.items():
        if key not in takes:
            raise ConfigError(f"{kind}.{name}: unknown option {key!r}", f"it takes {described}")
        try:
            arguments[key] = TypeAdapter(takes[key].annotation).validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise ConfigError(f"{kind}.{name}: {key} = {value!r} does not fit ({reason})", f"it takes {described}") from None
    missing = [key for key, parameter in takes.items() if parameter.default is parameter.empty and key not in arguments]
    if missing:
        raise ConfigError(f"{kind}.{name}: option {missing[0]!r} is missing", f"it takes {described}")
    return function(**arguments)


def _described(parameter: inspect.Parameter) -> str:
    """An option as Python writes it, with the type that its bounds are laid on: "steps: int = 25"."""
    annotation = get_args(parameter.annotation)[0] if get_origin(parameter.annotation) is Annotated else parameter.annotation
    return str(parameter.replace(annotation=annotation))
