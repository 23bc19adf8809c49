"""How long a hub is waited for, and what is said of one that does not answer."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch

from comp.base.errors import ConfigError
from comp.models import timm_weights
from comp.models.timm_weights import imagenet_file


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a hub that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm_weights.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(timm_weights, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))


def address_is(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(timm_weights, "hf_hub_url", lambda repository, name: f"{address}/{repository}/{name}")


def test_a_silent_hub_is_waited_for_and_the_error_says_how_long(monkeypatch: pytest.MonkeyPatch, silent: str) -> None:
    assert timm_weights.PATIENCE >= 20  # a slow connection is no missing one
    monkeypatch.setattr(timm_weights, "PATIENCE", 1.0)
    address_is(monkeypatch, silent)
    started = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        imagenet_file("resnet18")
    assert 1.0 <= time.monotonic() - started < 10
    assert f"resnet18: its ImageNet weights are not in timm's cache, and {silent} did not answer within 1 seconds: fetch {silent}" in str(
        caught.value
    )


@pytest.mark.parametrize("address", ["nonsense", "http://", "http://127.0.0.1:99999", "gopher://hub"])
def test_an_address_that_is_none_is_one_line(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    address_is(monkeypatch, address)
    with pytest.raises(ConfigError, match="cannot be reached") as caught:
        imagenet_file("resnet18")
    assert "\n" not in str(caught.value)


def test_weights_with_an_address_of_their_own_come_from_pytorchs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = timm.get_pretrained_cfg("gcvit_base").url
    monkeypatch.setattr(timm_weights.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError) as caught:
        imagenet_file("gcvit_base")
    assert f"fetch {url} on a machine with a connection" in str(caught.value)
    file = tmp_path / "checkpoints" / url.rpartition("/")[2]
    file.parent.mkdir()
    file.touch()
    assert imagenet_file("gcvit_base") == file
