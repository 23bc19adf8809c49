"""Optimizers and schedules of timm by name, against PyTorch's own and closed forms."""

import numpy as np
import pytest
import torch
from timm.optim import param_groups_weight_decay
from torch import nn

from comp.base.errors import ConfigError
from comp.competition.experiments.torch_experiment import TorchExperiment, TorchTraining
from comp.training.torch_optimizer import build_optimizer, check_optimizer, learning_rate, set_rate_of


def experiment(**settings):
    return TorchExperiment(model="tiny", backbone="test_resnet", train=TorchTraining(**settings))


def model():
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def weights_after(optimizer, network, steps=5):
    for step in range(steps):
        optimizer.zero_grad()
        (network(torch.arange(3.0) + step) ** 2).sum().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in network.parameters()]


def rates(epochs=4, per_epoch=5, **settings):
    training = TorchTraining(epochs=epochs, lr=1.0, **settings)
    set_rate = set_rate_of(training, build_optimizer(training, model()), per_epoch)
    return [set_rate(step) for step in range(epochs * per_epoch)]


def test_the_default_is_adamw():
    ours, theirs = model(), model()
    found = weights_after(build_optimizer(TorchTraining(lr=0.1, weight_decay=0.2), ours), ours)
    expected = weights_after(torch.optim.AdamW(param_groups_weight_decay(theirs, 0.2), lr=0.1, fused=True), theirs)
    assert all(map(torch.equal, found, expected))


def test_an_optimizer_gets_its_options():
    ours, theirs = model(), model()
    settings = TorchTraining(lr=0.1, weight_decay=0, optimizer={"name": "momentum", "momentum": 0.5})
    found = weights_after(build_optimizer(settings, ours), ours)
    expected = weights_after(torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.5), theirs)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", ["sgd", "nadamw", "lamb", "lion", "adafactor", "radam", "muon"])
def test_others_train_too(name):
    network = model()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    after = weights_after(build_optimizer(TorchTraining(lr=0.01, optimizer={"name": name}), network), network)
    assert not any(map(torch.equal, before, after))


def test_the_default_schedule_warms_up_and_is_half_a_cosine():
    assert rates(warmup_epochs=1) == [learning_rate(step, 20, 5, 1.0) for step in range(20)]


def test_schedules_of_timm():
    steps = np.arange(20)
    halved = rates(warmup_epochs=0, schedule={"name": "step", "decay_epochs": 2, "decay_rate": 0.5})
    np.testing.assert_allclose(halved, 0.5 ** (steps // 10))
    linear = rates(warmup_epochs=0, schedule={"name": "poly", "decay_rate": 1.0})
    np.testing.assert_allclose(linear, 1 - steps / 20)
    warm = rates(warmup_epochs=1, schedule={"name": "step", "decay_epochs": 100})
    np.testing.assert_allclose(warm, [*(0.2 + 0.8 * steps[:5] / 5), *np.ones(15)])


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"optimizer": {"name": "adamv"}}, "train.optimizer: timm has no 'adamv': choose one of: .*adamw"),
        ({"optimizer": {}}, "train.optimizer: timm has no None: choose one of: "),
        ({"optimizer": {"name": "adahessian"}}, "train.optimizer: timm has no 'adahessian': choose one of: "),
        ({"optimizer": {"name": "adamw", "momentums": 1}}, r"train.optimizer: adamw does not take these options \(.*momentums"),
        ({"schedule": {"name": "cosines"}}, "train.schedule: timm has no 'cosines': choose one of: cosine"),
        ({"schedule": {"name": "plateau"}}, "train.schedule: timm has no 'plateau': choose one of: "),
        ({"schedule": {"name": "step", "decay": 1}}, r"train.schedule: step does not take these options \(.*decay"),
    ],
)  # fmt: skip
def test_what_timm_does_not_know_is_one_line(settings, line):
    with pytest.raises(ConfigError, match=line):
        check_optimizer(experiment(**settings))


def test_settings_at_their_default_leave_no_trace():
    """So that finished folds from before these settings are what is asked for."""
    assert TorchTraining().model_dump() == {
        "epochs": 20, "batch_size": 32, "lr": 1e-3, "threads": 1, "weight_decay": 0.01, "warmup_epochs": 1.0, "clip_norm": 1.0,
        "ema": 0.995, "precision": "auto",
    }  # fmt: skip
    assert TorchTraining(accumulate=2, optimizer={"name": "sgd"}).model_dump()["optimizer"] == {"name": "sgd"}
    assert TorchTraining(accumulate=2).model_dump()["accumulate"] == 2
