"""The initial weights of a PyTorch network: from a file, a Python package or timm, or none (from scratch)."""

import argparse
import importlib.util
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from comp.base.errors import ConfigError
from comp.base.missing_packages import install
from comp.models.timm_weights import imagenet_file
from comp.models.weight_names import without_prefix
from comp.models.weight_sources import PACKAGE, given_file

UNREADABLE = (SafetensorError, pickle.UnpicklingError, RuntimeError, OSError, EOFError, AttributeError, LookupError, TypeError, ValueError)
NO_TENSORS = "it holds no tensors by name"
PATTERNS = ("*.pth", "*.pt", "*.safetensors")
INSIDE = ("state_dict_ema", "model_ema", "state_dict", "model")  # where a checkpoint keeps its weights, in timm's order


def pretrained_options(initial_weights: str, backbone: str, source: str) -> dict[str, Any]:
    """The arguments of `timm.create_model` for an experiment's `initial_weights`; with the source "scratch" they are not looked at.

    Raises:
        ConfigError: there are no such weights, they cannot be downloaded, or the file is damaged or holds no weights of this backbone.
    """
    if source == "scratch":
        return {"pretrained": False}
    if initial_weights.startswith(PACKAGE):
        state = _from_package(initial_weights, backbone)
    elif initial_weights == "timm":
        state = _read(imagenet_file(backbone))
    else:
        state = without_prefix(_read(given_file(initial_weights)), backbone, initial_weights)
    # tensors, not a file: given a file, timm would first ask the hub and wait for its answer
    return {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state}}


def _package_file(initial_weights: str) -> Path:
    """The one weights file inside a Python package."""
    module = initial_weights.removeprefix(PACKAGE)
    found = importlib.util.find_spec(module)
    files = [file for pattern in PATTERNS for file in Path(found.origin).parent.rglob(pattern)] if found and found.origin else []
    if len(files) != 1:
        what = f"initial_weights: no package {module!r} with one weights file is installed"
        raise ConfigError(what, install([module]))
    return files[0]


def _from_package(initial_weights: str, backbone: str) -> dict[str, torch.Tensor]:
    """The package's tensors under timm's names: both have the same order and shapes."""
    tensors = list(_read(_package_file(initial_weights)).values())
    expected = timm.create_model(backbone, pretrained=False).state_dict()
    if [tensor.shape for tensor in tensors] != [tensor.shape for tensor in expected.values()]:
        what = f"initial_weights: {initial_weights} holds no weights of {backbone}"
        raise ConfigError(what, "use them with the backbone they were made for")
    return dict(zip(expected, tensors, strict=True))


def _read(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file, by name; of a checkpoint, its averaged weights if it has them. Nothing in the file is run."""
    try:
        if file.suffix == ".safetensors":
            content: Any = load_file(file)
        else:
            # torch warns of TorchScript, which is refused below; timm's checkpoints hold a Namespace
            with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals([argparse.Namespace]):
                content = torch.load(file, map_location="cpu", weights_only=True)
        if isinstance(content, dict):
            content = next((content[key] for key in INSIDE if isinstance(content.get(key), dict)), content)
        tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)} if isinstance(content, dict) else {}
        if not tensors or not all(isinstance(name, str) for name in tensors):
            raise ValueError(NO_TENSORS)
    except UNREADABLE as error:
        raise _unreadable(file, error) from None
    return tensors


def _unreadable(file: Path, error: Exception) -> ConfigError:
    """What a file is that cannot be loaded as weights, and how to get one that can."""
    alone = "torch.save(model.state_dict(), 'weights.pth')"
    text = f"{error}\n{error.__cause__ or ''}"
    if "TorchScript" in text:
        return ConfigError(f"initial_weights: {file} is a TorchScript program, not weights", f"save its weights alone with: {alone}")
    if "weights_only" in text and _is_pickle(file):
        name = re.search(r"GLOBAL ([\w.]+)", text)
        what = f"is a whole pickled model, or holds other Python objects{f' ({name[1]})' if name else ''}, which are never loaded"
        return ConfigError(f"initial_weights: {file} {what}", f"save its weights alone, where it was made, with: {alone}")
    reason = str(error).split("\n")[0][:100] or type(error).__name__
    if "weights_only" in text:
        reason = "it is no file of PyTorch weights"
    return ConfigError(f"initial_weights: {file} cannot be read ({reason})", f"download it again, or save it again with: {alone}")


def _is_pickle(file: Path) -> bool:
    """Whether a file is a pickle, alone or in the zip archive that torch writes."""
    with file.open("rb") as opened:
        return opened.read(1) in (b"P", b"\x80")
