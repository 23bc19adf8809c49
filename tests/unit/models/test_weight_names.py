"""Weights of a file: what the built network holds is what the file holds, tensor for tensor; anything else is refused and named."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor, nn

from comp.base.errors import ConfigError
from comp.competition.experiments.metric_experiment import MetricExperiment
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.models import weight_names
from comp.models.backbone import build_classifier, check_initial_weights, create_backbone
from comp.models.embedder import build_embedder

State = dict[str, Tensor]
PREFIXES = ["", "module.", "backbone.", "model.", "network.", "module.backbone.", "features.backbone.", "_orig_mod.module."]


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said."""
    said: list[str] = []
    monkeypatch.setattr(weight_names, "say", said.append)
    return said


def weights(backbone: str = "test_resnet", **options: int) -> State:
    """Random tensors under a backbone's names, so that nothing equals what a new network starts with."""
    generator = torch.Generator().manual_seed(1)
    state = timm.create_model(backbone, **options).state_dict()
    return {name: torch.rand(value.shape, generator=generator) if value.is_floating_point() else value + 7 for name, value in state.items()}


def load(tmp_path: Path, content: object, backbone: str = "test_resnet", channels: int = 3, outputs: int = 5) -> nn.Module:
    torch.save(content, tmp_path / "w.pth")
    experiment = TorchExperiment(model="net", backbone=backbone, initial_weights=str(tmp_path / "w.pth"), size=64)
    return create_backbone(experiment, "w.pth", channels, outputs)


def refusal(tmp_path: Path, content: object, backbone: str = "test_resnet", channels: int = 3) -> str:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, content, backbone, channels)
    line = str(caught.value)
    assert "\n" not in line
    assert str(tmp_path / "w.pth") in line
    return line


def check_same(network: nn.Module, state: State, new: str = "fc.") -> None:
    """Every tensor of the network is the file's, apart from the last layer."""
    found = network.state_dict()
    assert {name for name in found if not name.startswith(new)} == {name for name in state if not name.startswith(new)}
    for name, tensor in found.items():
        if not name.startswith(new):
            torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)


@pytest.mark.parametrize("wrap", [None, "model", "state_dict", "state_dict_ema", "model_ema"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_and_wrappers_are_taken_off(tmp_path: Path, lines: list[str], prefix: str, wrap: str | None) -> None:
    state = weights()
    named = {prefix + name: tensor for name, tensor in state.items()}
    check_same(load(tmp_path, {wrap: named, "epoch": 3} if wrap else named), state)
    said = f"initial_weights: {tmp_path / 'w.pth'}: the prefix {prefix!r} is taken off the names of 92 tensors"
    assert lines == ([said] if prefix else [])


def test_averaged_weights_are_taken_before_others(tmp_path: Path) -> None:
    averaged, last = weights(), weights()
    last = {name: tensor + 1 for name, tensor in last.items()}
    check_same(load(tmp_path, {"model": last, "model_ema": averaged}), averaged)


@pytest.mark.parametrize("prefix", ["", "backbone.", "features.backbone."])
def test_names_that_begin_like_a_prefix_are_kept(tmp_path: Path, prefix: str) -> None:
    state = weights("densenet121")  # all names but the classifier's begin with "features."
    check_same(load(tmp_path, {prefix + name: tensor for name, tensor in state.items()}, "densenet121"), state, "classifier.")


def test_names_of_older_files_that_timm_renames_are_known(tmp_path: Path, lines: list[str]) -> None:
    state = {name: tensor for name, tensor in weights("densenet121").items() if "num_batches" not in name}
    older = {re.sub(r"(denselayer\d+\.)(norm|conv)(\d)\.", r"\1\2.\3.", name): tensor for name, tensor in state.items()}
    assert older.keys() != state.keys()
    found = load(tmp_path, older, "densenet121").state_dict()
    for name, tensor in state.items():
        if not name.startswith("classifier."):
            torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)
    assert not lines


@pytest.mark.parametrize("lacking", ["num_batches_tracked", "fc."])
def test_counters_and_the_classifier_may_be_missing(tmp_path: Path, lines: list[str], lacking: str) -> None:
    state = weights()
    found = load(tmp_path, {name: tensor for name, tensor in state.items() if lacking not in name}).state_dict()
    for name, tensor in state.items():
        if lacking not in name and not name.startswith("fc."):
            torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)
    assert not lines


def test_layers_of_another_head_are_left_out_and_named(tmp_path: Path, lines: list[str]) -> None:
    state = weights()
    renamed = {name.replace("fc.", "last_linear."): tensor for name, tensor in state.items()}
    check_same(load(tmp_path, renamed), state)
    assert lines == [f"initial_weights: {tmp_path / 'w.pth'}: 2 of other layers (last_linear.weight, last_linear.bias), not used"]


@pytest.mark.parametrize("outputs", [0, 5])
def test_our_own_networks_can_be_started_from(tmp_path: Path, lines: list[str], outputs: int) -> None:
    experiment = MetricExperiment(model="net", trainer="metric", backbone="test_resnet", initial_weights="scratch", size=64, embedding=8)
    four = torch.ones(4)
    embedder = build_embedder(experiment, "scratch", four, four, torch.full((3,), 0.1), lambda size: nn.Linear(size, 2))
    classifier = build_classifier(experiment, "scratch", four, four, torch.full((3,), 0.1))
    for network, prefix in ((embedder, "features.backbone."), (classifier, "backbone.")):
        state = {name.removeprefix(prefix): tensor for name, tensor in network.state_dict().items() if name.startswith(prefix)}
        loaded = load(tmp_path, network.state_dict(), channels=4, outputs=outputs)
        for name, tensor in loaded.state_dict().items():
            if not name.startswith("fc."):
                torch.testing.assert_close(tensor, state[name], rtol=0, atol=0)
    assert "the prefix 'features.backbone.' is taken off the names of 90 tensors; " in lines[0]
    assert "outside of it (features.mean, features.deviation, ...), not used" in lines[0]
    assert "the prefix 'backbone.' is taken off the names of 92 tensors; 2 outside of it (mean, deviation), not used" in lines[1]


@pytest.mark.parametrize("file_channels", [1, 4])
def test_a_stem_of_other_channels_is_refused_unless_it_is_rgb_or_fits(tmp_path: Path, file_channels: int) -> None:
    state = weights(in_chans=file_channels)
    check_same(load(tmp_path, state, channels=file_channels), state)
    line = refusal(tmp_path, state, channels=2)
    assert f"({', '.join(map(str, state['conv1.0.weight'].shape))}) is inconsistent" in line
    assert line.endswith("give weights of this backbone, with 3 or 2 input channels")


def without(name: str) -> Callable[[State], State]:
    return lambda state: {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize(
    ("backbone", "change", "message"),
    [
        ("test_resnet", lambda state: {f"student.{k}": v for k, v in state.items()},
         "0 of its 75 tensors match, 75 missing (conv1.0.weight, conv1.1.weight, ...), 77 foreign (student.conv1.0.weight, "),
        ("test_resnet", without("layer2.0.bn1.running_var"), "74 of its 75 tensors match, 1 missing (layer2.0.bn1.running_var), 0"),
        ("test_resnet", lambda state: {**state, "layer1.9.conv1.weight": torch.ones(1)},
         "75 of its 75 tensors match, 0 missing, 1 foreign (layer1.9.conv1.weight):"),
        ("test_resnet", lambda state: {**state, "bn1.weight": torch.ones(3)},
         "74 of its 75 tensors match, 0 missing, 0 foreign, 1 of another shape (bn1.weight (3,) instead of (32,)):"),
        ("test_resnet", lambda _: weights("test_vit"), "0 of its 75 tensors match, 75 missing"),
        ("resnet18", lambda _: weights("resnet34"), "100 of its 100 tensors match, 0 missing, 80 foreign (layer1.2.conv1.weight, "),
        ("test_resnet", lambda state: {**state, "layer1.\n\x1b[2J": torch.ones(1)}, "1 foreign ('layer1.\\n\\x1b[2J'):"),
    ],
)  # fmt: skip
def test_weights_of_another_network_are_named(tmp_path: Path, backbone: str, change: Callable[[State], State], message: str) -> None:
    line = refusal(tmp_path, change(weights()), backbone)
    assert f"does not fit {backbone}: " in line
    assert message in line
    assert line.endswith(": give weights of this backbone; these are of another one, or have an unknown prefix before their names")


def test_a_line_is_said_once_in_a_process(tmp_path: Path, lines: list[str]) -> None:
    torch.save({f"module.{name}": tensor for name, tensor in weights().items()}, tmp_path / "w.pth")
    experiment = TorchExperiment(model="net", backbone="test_resnet", initial_weights=str(tmp_path / "w.pth"), size=64)
    check_initial_weights(experiment, 4)
    check_initial_weights(experiment, 4)
    assert len(lines) == 1


def test_loading_is_as_before_afterwards(tmp_path: Path) -> None:
    load_state_dict = nn.Module.load_state_dict
    load(tmp_path, weights())
    refusal(tmp_path, {"a": torch.ones(1)})
    assert nn.Module.load_state_dict is load_state_dict


def test_names_are_found_without_drawing_random_numbers() -> None:
    before = torch.get_rng_state()
    weight_names.names_of.cache_clear()
    assert weight_names.names_of("test_resnet") == weights().keys()
    torch.manual_seed(0)
    torch.set_rng_state(before)
    weight_names.names_of.cache_clear()
    weight_names.names_of("resnet18")
    assert torch.equal(torch.get_rng_state(), before)
