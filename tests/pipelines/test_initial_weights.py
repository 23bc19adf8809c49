"""ImageNet weights in the commands: from a hub, which this file serves, or not at all; never from scratch unless that is asked for."""

import hashlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save, save_file

from comp.predictions.prediction_file import read_predictions
from tests.conftest import Project

Typed = Callable[..., subprocess.CompletedProcess[str]]
REPOSITORY = "timm/test_resnet.r160_in1k"
ONE_FOLD = ("fold", "--competition", "tiny", "--model", "tiny", "--fold", "0", "--set")
ASK = '; or train from random weights with SET="initial_weights=scratch"'


class Hub:
    """A hub with the weights of `test_resnet`, as Hugging Face serves them: a HEAD with the file's hash and commit, then a GET."""

    def __init__(self, content: bytes | None) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                asked.append(f"{self.command} {self.path}")
                if content is None or self.path != f"/{REPOSITORY}/resolve/main/model.safetensors":
                    self.send_response(404)
                    self.send_header("X-Error-Code", "EntryNotFound")
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.asked, self.server = asked, ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return timm.create_model("test_resnet").state_dict()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub(save(weights()))
    yield hub
    hub.close()


def fold(project: Project, hub: str, offline: bool = False, fold: int = 0) -> subprocess.CompletedProcess[str]:
    return project.type(
        "fold", "--competition", "tiny", "--model", "tiny", "--fold", str(fold), "--set", "initial_weights=timm",
        HF_ENDPOINT=hub, HF_HOME=str(project.root / "hub"), HF_HUB_OFFLINE=str(int(offline)), HF_HUB_DISABLE_XET="1",
    )  # fmt: skip


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """The same in this process, whose settings of the hub are replaced: a new process needs seconds to load PyTorch."""

    def fold(hub: str, offline: bool = False, fold: int = 0) -> subprocess.CompletedProcess[str]:
        settings = {
            "ENDPOINT": hub, "HUGGINGFACE_CO_URL_TEMPLATE": hub + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(project.root / "hub/hub"), "HF_HUB_OFFLINE": offline, "HF_HUB_DISABLE_XET": True,
        }  # fmt: skip
        with monkeypatch.context() as patched:
            for name, value in settings.items():
                patched.setattr(constants, name, value)
            return project.call(*ONE_FOLD[:-2], str(fold), "--set", "initial_weights=timm")

    return fold


def nobody() -> str:
    """The address of a port on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


def check_nothing_done(project: Project) -> None:
    for made in ("oof", "data/tiny/cache", "runs"):
        assert not list((project.root / made).rglob("*.*")), made


@pytest.mark.parametrize("offline", [True, False])
def test_a_hub_out_of_reach_is_an_error_before_any_work(project: Project, here: Typed, offline: bool) -> None:
    address = nobody()
    line = project.refused(fold(project, address, offline=True) if offline else here(address))
    reason = "HF_HUB_OFFLINE is set" if offline else f"{address} cannot be reached (Connection refused)"
    fetch = f'fetch {address}/{REPOSITORY}/resolve/main/model.safetensors on a machine with a connection, then SET="initial_weights=FILE"'
    assert line == f"error: test_resnet: its ImageNet weights are not in timm's cache, and {reason}: {fetch}{ASK}"
    check_nothing_done(project)


def test_weights_that_the_hub_does_not_have_are_an_error_before_any_work(project: Project, here: Typed) -> None:
    hub = Hub(None)
    line = project.refused(here(hub.address))
    hub.close()
    assert "test_resnet: its ImageNet weights are not in timm's cache, and they could not be downloaded (404 " in line
    assert line.endswith(ASK)
    check_nothing_done(project)


def test_a_backbone_without_imagenet_weights_is_an_error_before_any_work(project: Project) -> None:
    line = project.refused(project.call(*ONE_FOLD, "initial_weights=timm backbone=allcnn"))
    assert line == (
        'error: allcnn: timm has no ImageNet weights of it: train from random weights with SET="initial_weights=scratch", '
        "or choose another backbone"
    )
    check_nothing_done(project)


def test_an_unknown_tag_is_answered_with_the_tags_there_are(project: Project) -> None:
    line = project.refused(project.call(*ONE_FOLD, "initial_weights=timm backbone=resnet18.a1_in21k"))
    assert "timm has no weights 'a1_in21k' of the backbone resnet18: its tags are: a1_in1k, a2_in1k, a3_in1k, " in line
    check_nothing_done(project)


def test_a_fold_trained_with_downloaded_weights_is_complete_without_the_hub_and_the_next_one_needs_it(
    project: Project, hub: Hub, here: Typed
) -> None:
    first = fold(project, hub.address)
    assert first.returncode == 0, first.stderr
    assert f"GET /{REPOSITORY}/resolve/main/model.safetensors" in hub.asked
    path = project.root / "oof/tiny/tiny/fold-0.parquet"
    assert read_predictions(path).provenance.initial_weights == "timm test_resnet"
    files = {file: file.read_bytes() for file in path.parent.iterdir()}

    asked = len(hub.asked)
    cached = here(nobody(), fold=1)
    assert cached.returncode == 0, cached.stderr  # from the cache
    assert len(hub.asked) == asked

    (project.root / "hub").rename(project.root / "elsewhere")
    again = here(nobody(), offline=True)
    assert again.returncode == 0, again.stderr
    assert "tiny fold 0: complete, nothing to do" in again.stdout
    assert {file: file.read_bytes() for file in path.parent.iterdir() if file in files} == files
    assert "are not in timm's cache, and HF_HUB_OFFLINE is set" in project.refused(here(nobody(), offline=True, fold=2))
    assert not path.with_name("fold-2.parquet").exists()


def test_downloaded_weights_and_those_of_a_file_train_the_same_network(project: Project, hub: Hub, here: Typed) -> None:
    file = project.root / "w.safetensors"
    save_file({f"module.backbone.{name}": tensor for name, tensor in weights().items()}, file)
    assert here(hub.address).returncode == 0
    path = project.root / "oof/tiny/tiny/fold-0.parquet"
    downloaded = read_predictions(path)
    path.unlink()
    path.with_name("weights-0.safetensors").unlink()
    from_file = project.call(*ONE_FOLD, f"initial_weights={file}")
    assert from_file.returncode == 0, from_file.stderr
    said = f"initial_weights: {file}: the prefix 'module.backbone.' is taken off the names of 92 tensors"
    assert [line for line in from_file.stdout.splitlines() if "prefix" in line] == [said]
    np.testing.assert_array_equal(read_predictions(path).logits, downloaded.logits)


def test_a_file_of_another_architecture_is_an_error_before_any_work(project: Project) -> None:
    file = project.root / "w.safetensors"
    save_file(timm.create_model("test_vit").state_dict(), file)
    line = project.refused(project.call(*ONE_FOLD, f"initial_weights={file}"))
    assert f"initial_weights: {file} does not fit test_resnet: 0 of its 75 tensors match, 75 missing (conv1.0.weight, " in line
    check_nothing_done(project)
