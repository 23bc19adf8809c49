"""The ImageNet weights of a timm backbone: a file in the cache of timm's hub, downloaded if it is not there."""

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import timm
import torch
from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError

from comp.base.errors import ConfigError
from comp.models.weight_sources import PATIENCE, unavailable

FILES = ("model.safetensors", "pytorch_model.bin")  # of a repository of the hub, the first one that it has


def imagenet_file(backbone: str) -> Path:
    """The file of a backbone's ImageNet weights, in the cache.

    A few backbones have their weights at an address of their own instead of the hub; PyTorch's cache holds those.

    Raises:
        ConfigError: there are no such weights, or they are not in the cache and cannot be downloaded.
    """
    known = timm.get_pretrained_cfg(backbone)
    if known is None or not (known.hf_hub_id or known.url):
        what = f"{backbone}: timm has no ImageNet weights of it"
        raise ConfigError(what, 'train from random weights with SET="initial_weights=scratch", or choose another backbone')
    if known.hf_hub_id:
        cached = _cached(known.hf_hub_id)
        address = hf_hub_url(known.hf_hub_id, FILES[0])
    else:
        address = str(known.url)
        file = Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(address).path).name)
        cached = file if file.exists() else None
    if cached:
        return cached
    if reason := _unreachable(address):
        raise unavailable(backbone, "timm", reason, address)
    try:
        if known.hf_hub_id:
            return _from_hub(known.hf_hub_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(address, str(file), progress=False)
        return file
    except Exception as error:  # the clients raise errors of their own, of httpx and of Xet
        said = " ".join(str(error).split())[:160]
        raise unavailable(backbone, "timm", f"they could not be downloaded ({said or type(error).__name__})", address) from None


def cache_files(backbone: str) -> dict[str, Path]:
    """The files of the hub's cache that hold a backbone's ImageNet weights, by their names below the cache; none if they are not there."""
    known = timm.get_pretrained_cfg(backbone)
    cached = _cached(known.hf_hub_id) if known and known.hf_hub_id else None
    if cached is None:
        return {}
    repository = cached.parents[2]  # the file is snapshots/<revision>/<name> in it
    return {str(file.relative_to(repository.parent)): file for file in (cached, repository / "refs" / "main")}


def _cached(repository: str) -> Path | None:
    found = (try_to_load_from_cache(repository, name) for name in FILES)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _from_hub(repository: str) -> Path:
    try:
        return Path(hf_hub_download(repository, FILES[0]))
    except EntryNotFoundError:
        return Path(hf_hub_download(repository, FILES[1]))


def _unreachable(address: str) -> str:
    """Why a hub cannot be reached; empty if it answers. The hub's own client would try for most of a minute before it gives up."""
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    hub = "{0.scheme}://{0.netloc}".format(urlsplit(address))
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return f"{hub} did not answer within {PATIENCE:.0f} seconds"
        return f"{hub} cannot be reached ({getattr(reason, 'strerror', None) or reason})"
    return ""
