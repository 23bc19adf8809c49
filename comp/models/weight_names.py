"""The names and shapes of weights: prefixes are taken off, and weights that do not fit a network are refused, counted and named."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import timm
import torch
from torch import Tensor, nn

from comp.base.errors import ConfigError
from comp.base.progress import say

PREFIXES = ("module", "_orig_mod", "model", "network", "backbone", "features")  # of wrappers, ours included
UNUSED = "num_batches_tracked"  # counters of batch normalisation, which nothing reads
NAMED = 2  # how many tensors of a kind a message names


@cache
def names_of(backbone: str) -> frozenset[str]:
    """The names of the tensors of a timm backbone with all its layers."""
    with torch.device("meta"):
        return frozenset(timm.create_model(backbone, pretrained=False).state_dict())


def without_prefix(state: Mapping[str, Tensor], backbone: str, source: str) -> dict[str, Tensor]:
    """The tensors of a backbone, without the prefix that a wrapper gave to their names, such as `module.` or `features.backbone.`.

    A prefix is taken off if more names are the backbone's without it; then what lies outside is left out. One line says so.
    """
    known = names_of(backbone)
    prefixes = {"": 0}
    for name in state:
        depth = 0
        parts = name.split(".")
        while parts[depth] in PREFIXES and depth < len(parts) - 1:
            depth += 1
            prefixes[".".join(parts[:depth]) + "."] = 0
    for prefix in prefixes:
        prefixes[prefix] = sum(name.startswith(prefix) and name.removeprefix(prefix) in known for name in state)
    best = max(prefixes, key=lambda prefix: prefixes[prefix])  # the shortest of equals
    inside = {name.removeprefix(best): tensor for name, tensor in state.items() if name.startswith(best)}
    unused = [name for name in state if not name.startswith(best)]
    if best:
        rest = f"; {_count(unused, 'outside of it')}, not used" if unused else ""
        _say_once(f"initial_weights: {source}: the prefix {best!r} is taken off the names of {len(inside)} tensors{rest}")
    return inside


@contextmanager
def checked_loading(backbone: str, initial_weights: str) -> Iterator[None]:
    """Within this context, a timm network that loads `initial_weights` refuses those that do not fit it.

    timm renames tensors of some files just before it loads them. If the number of classes differs, it loads what fits, and only logs what
    it left out.

    Raises:
        ConfigError: tensors are missing, of other shapes or of another network; see `check_fit`.
    """
    load, logger = nn.Module.load_state_dict, logging.getLogger("timm.models")

    def checked(network: nn.Module, state: Mapping[str, Any], *arguments: Any, **options: Any) -> Any:
        check_fit(network, state, backbone, initial_weights)
        return load(network, state, *arguments, **options)

    nn.Module.load_state_dict = checked  # type: ignore[method-assign, assignment]
    before = logger.level
    logger.setLevel(logging.ERROR)  # what it would warn of is refused here, or said in one line
    try:
        yield
    finally:
        logger.setLevel(before)
        nn.Module.load_state_dict = load  # type: ignore[method-assign]


def check_fit(network: nn.Module, state: Mapping[str, Tensor], backbone: str, initial_weights: str) -> None:
    """Check that `state` holds every tensor of a timm network, and none of a larger one of its kind.

    The classifier may differ or be missing, and so may counters of batch normalisation. timm's own weights may hold more than the network:
    for some networks they do.

    Raises:
        ConfigError: tensors are missing, of other shapes or of another network; with their counts, and the names of some.
    """
    own, whole = network.state_dict(), names_of(backbone)
    classifier = network.pretrained_cfg.get("classifier") or ()  # type: ignore[union-attr, operator]
    heads = tuple(f"{head}." for head in ((classifier,) if isinstance(classifier, str) else classifier))
    needed = [name for name in own if not name.startswith(heads) and not name.endswith(UNUSED)]
    missing = [name for name in needed if name not in state]
    reshaped = [name for name in needed if name in state and state[name].shape != own[name].shape]
    foreign = [name for name in state if not name.startswith(heads) and not name.endswith(UNUSED) and name not in own and name not in whole]
    modules = {name.partition(".")[0] for name in own}
    larger = initial_weights != "timm" and any(name.partition(".")[0] in modules for name in foreign)
    if missing or reshaped or larger:
        shapes = [f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}" for name in reshaped]
        what = (
            f"initial_weights: {initial_weights} does not fit {backbone}: "
            f"{len(needed) - len(missing) - len(reshaped)} of its {len(needed)} tensors match, {_count(missing, 'missing')}, "
            f"{_count(foreign, 'foreign')}{', ' + _count(shapes, 'of another shape') if shapes else ''}"
        )
        raise ConfigError(what, "give weights of this backbone; these are of another one, or have an unknown prefix before their names")
    if foreign and initial_weights != "timm":
        _say_once(f"initial_weights: {initial_weights}: {_count(foreign, 'of other layers')}, not used")


def _count(names: Sequence[str], kind: str) -> str:
    """How many there are of a kind, with the first names: "2 missing (fc.weight, fc.bias)"."""
    shown = [(name if name.isprintable() else ascii(name))[:100] for name in names[:NAMED]]
    listed = f" ({', '.join(shown)}{', ...' if len(names) > NAMED else ''})" if names else ""
    return f"{len(names)} {kind}{listed}"


@cache
def _say_once(line: str) -> None:
    """Print a line: weights are read when they are checked, and again when they are used."""
    say(line)
