from dataclasses import replace

import numpy as np
import pytest
import torch

from comp.base.errors import CompError, ConfigError
from comp.competition.experiments.channels_experiment import ChannelsExperiment
from comp.competition.experiments.embedding_experiment import VoteSettings
from comp.competition.experiments.torch_experiment import TorchTraining
from comp.images.input_channels import InputChannels
from comp.images.pixel_moments import pixel_moments
from comp.imputation.baselines import copied, regressed
from comp.inference.channel_generator import load_generator
from comp.inference.weights import NEEDED, WeightsFile
from comp.metrics.psnr import psnr
from comp.training import channels_trainer
from comp.training.trainer import FoldData, Run
from tests.unit.training.killed import killed_at
from tests.unit.training.ready import Ready

GENERATOR = np.random.default_rng(0)
GREEN = np.stack([np.kron(GENERATOR.integers(0, 2, (8, 8)), np.ones((4, 4))) for _ in range(64)]) * 200
RED = np.roll(GREEN, 2, axis=2)  # a neighbour's value: no function of the pixel itself
IMAGES = (np.stack([RED, GREEN, 200 - GREEN], axis=-1) + GENERATOR.integers(0, 20, (64, 32, 32, 3))).astype(np.uint8)
LABELS = GREEN.mean(axis=(1, 2))[:, None] > [95, 105]
CHANNELS = InputChannels((0, 1, 2))
DATA = FoldData(IMAGES, LABELS, np.arange(48), CHANNELS, tuple(f"{row:02d}" for row in range(64)))
NEW = np.arange(48, 64)
EXPERIMENT = ChannelsExperiment(
    model="tiny", trainer="channels", backbone="test_resnet", initial_weights="scratch", size=32, decoder=(24, 16), embedding=8,
    augmentation={"name": "none"}, votes=VoteSettings(count=5), train=TorchTraining(epochs=12, batch_size=8, lr=5e-3, precision="fp32"),
)  # fmt: skip
SHORT = EXPERIMENT.model_copy(update={"train": TorchTraining(epochs=2, batch_size=8, precision="fp32")})


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def run(folder, experiment=EXPERIMENT, data=DATA, minutes=60.0):
    source = experiment.initial_weights
    trained = channels_trainer.train(experiment, data, Run(0, "cpu", folder / "checkpoint.pt", {"run": "this"}, source, minutes))
    return Ready(trained, experiment, data)


def write(path, trained):
    provenance = {key: "" for key in NEEDED} | {"classes": ["a", "b"]}
    settings = trained.experiment.model_dump(mode="json")
    WeightsFile(trained.weights, settings, provenance, ("red", "green", "blue"), None).write(path)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.set_num_threads(1)
    return run(tmp_path_factory.mktemp("channels"))


def test_it_draws_held_out_channels_better_than_both_baselines(tmp_path, trained):
    generator = load_generator(write(tmp_path / "weights.safetensors", trained), "")
    moments = pixel_moments(IMAGES, CHANNELS, DATA.train)
    given, truth = np.array([False, True, False]), IMAGES[NEW]
    drawn = generator(truth, given)
    np.testing.assert_array_equal(drawn[..., 1], truth[..., 1])
    found = {name: psnr(truth[..., 0], images[..., 0]).mean() for name, images in {
        "generator": drawn, "copying": copied(truth, given, moments), "regression": regressed(truth, given, moments),
    }.items()}  # fmt: skip
    assert found["generator"] > max(found["copying"], found["regression"]) + 3, found


def test_neighbours_in_its_embedding_vote(trained):
    embeddings = trained.embed(IMAGES)
    assert embeddings.shape == (64, 8)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert np.isfinite(trained.predict(IMAGES, NEW)).all()


def test_held_out_rows_change_no_byte(tmp_path):
    changed = IMAGES.copy()
    changed[NEW] = 255 - changed[NEW]
    labels = LABELS.copy()
    labels[NEW] = ~labels[NEW]
    before = write(tmp_path / "before", run(tmp_path, SHORT)).read_bytes()
    (tmp_path / "checkpoint.pt").unlink()
    data = replace(DATA, images=changed, labels=labels, held_out=NEW)
    assert write(tmp_path / "after", run(tmp_path, SHORT, data)).read_bytes() == before


@pytest.mark.parametrize("step", [3, 12])
def test_an_interrupted_run_ends_with_the_same_bytes(tmp_path, step):
    before = write(tmp_path / "before", run(tmp_path / "whole", SHORT)).read_bytes()
    with killed_at(step):
        run(tmp_path, SHORT, minutes=0.0)
    assert write(tmp_path / "after", run(tmp_path, SHORT)).read_bytes() == before


def test_a_trained_network_is_trained_further_on_other_images(tmp_path, trained):
    file = write(tmp_path / "weights-0.safetensors", trained)
    other = replace(DATA, images=IMAGES // 2, train=np.arange(8))
    further = EXPERIMENT.model_copy(update={"initial_weights": str(file), "train": TorchTraining(epochs=1, batch_size=8, lr=1e-9, ema=0)})
    channels_trainer.check(further, 3, weights=True)
    again = run(tmp_path / "further", further, other).weights.tensors
    before = trained.weights.tensors
    weights = [name for name in before if name.endswith("weight")]
    for name in weights:
        np.testing.assert_allclose(again[name], before[name], atol=1e-6)
    assert len(weights) > 10
    np.testing.assert_allclose(again["mean"], before["mean"] / 2, rtol=0.1)


@pytest.mark.parametrize(
    ("changes", "channels", "message"),
    [
        ({"backbone": "resnet999"}, 3, "timm has no backbone"),
        ({"backbone": "test_vit"}, 3, "test_vit cannot be the encoder of a U-Net"),
        ({"embedding": 4096}, 3, r'fewer than the embedding\'s 4096: SET="embedding=\d+"'),
        ({}, 1, "tiny draws channels from others, and this competition has 1"),
        ({"initial_weights": "nowhere.pth"}, 3, "there is no file nowhere.pth"),
    ],
)
def test_what_cannot_be_trained_is_an_error(changes, channels, message):
    with pytest.raises(ConfigError, match=message):
        channels_trainer.check(EXPERIMENT.model_copy(update=changes), channels, weights=True)


def test_weights_of_another_network_are_an_error(tmp_path, trained):
    file = write(tmp_path / "weights-0.safetensors", trained)
    other = EXPERIMENT.model_copy(update={"initial_weights": str(file), "decoder": (16, 16)})
    with pytest.raises(ConfigError, match=r"holds a network that differs from tiny \(\d+ of \d+ tensors\)"):
        channels_trainer.check(other, 3, weights=True)


def test_a_network_that_diverges_says_so(tmp_path):
    settings = EXPERIMENT.model_copy(update={"train": TorchTraining(epochs=2, batch_size=8, lr=1e30, warmup_epochs=0, precision="fp32")})
    with pytest.raises(CompError, match=r"training diverged.*lower the learning rate"):
        run(tmp_path, settings)
