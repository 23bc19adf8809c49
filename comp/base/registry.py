"""Plug-ins: `{name: focal, gamma: 2}` in a YAML builds `comp/training/losses/focal.py`.

Every plug-in is one file with one function `build(...)`; its keyword arguments are the options the YAML may give.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

from comp.base.errors import ConfigError

try:
    import pydantic
except ModuleNotFoundError:  # in a package, whose options were checked when its stack was made: see `checked`
    pydantic = None  # type: ignore[assignment]

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
    function, arguments = _call(kind, spec)
    return function(**arguments)


def checked(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` with the options that `build` passes on, also in plug-ins inside it. It builds the same without pydantic.

    YAML, for example, reads 1e3 as text, and only pydantic makes it a number.

    Raises:
        ConfigError: as `build`.
    """
    options = _call(kind, spec)[1]
    return {"name": spec["name"], **{key: _checked_inside(kind, value) for key, value in options.items()}}


def _checked_inside(kind: str, value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return checked(kind, value)
    return [_checked_inside(kind, each) for each in value] if isinstance(value, list | tuple) else value


def _call(kind: str, spec: Mapping[str, Any]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The function that `spec` names, and its checked arguments."""
    options = dict(spec)
    name = options.pop("name", None)
    known = names(kind)
    if name not in known:
        raise ConfigError(f"{kind}: there is no {name!r}", f"choose one of: {', '.join(known)}")
    function: Callable[..., Any] = importlib.import_module(f"{PACKAGES[kind]}.{name}").build
    takes = inspect.signature(function).parameters
    described = ", ".join(map(_described, takes.values())) or "no options"
    if unknown := [key for key in options if key not in takes]:
        raise ConfigError(f"{kind}.{name}: unknown option {unknown[0]!r}", f"it takes {described}")
    if pydantic:
        for key, value in options.items():
            try:
                options[key] = pydantic.TypeAdapter(takes[key].annotation).validate_python(value)
            except pydantic.ValidationError as error:
                reason = error.errors()[0]["msg"]
                raise ConfigError(f"{kind}.{name}: {key} = {value!r} does not fit ({reason})", f"it takes {described}") from None
    missing = [key for key, parameter in takes.items() if parameter.default is parameter.empty and key not in options]
    if missing:
        raise ConfigError(f"{kind}.{name}: option {missing[0]!r} is missing", f"it takes {described}")
    return function, options


def _described(parameter: inspect.Parameter) -> str:
    """An option as Python writes it, with the type that its bounds are laid on: "steps: int = 25"."""
    annotation = get_args(parameter.annotation)[0] if get_origin(parameter.annotation) is Annotated else parameter.annotation
    return str(parameter.replace(annotation=annotation))
