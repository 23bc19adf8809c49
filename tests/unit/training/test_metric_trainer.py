from dataclasses import replace

import numpy as np
import pytest
import torch

from comp.base import registry
from comp.base.errors import CompError, ConfigError
from comp.competition.experiments.embedding_experiment import VoteSettings
from comp.competition.experiments.metric_experiment import MetricExperiment
from comp.competition.experiments.torch_experiment import TorchTraining
from comp.images.input_channels import InputChannels
from comp.training import metric_trainer
from comp.training.trainer import FoldData, Run
from tests.unit.neighbours.test_nearest import slowly
from tests.unit.training.killed import killed_at
from tests.unit.training.ready import Ready

GENERATOR = np.random.default_rng(0)
IDENTITY = np.arange(96) % 8
PATTERNS = GENERATOR.integers(0, 200, (8, 4, 4, 4)).repeat(8, axis=1).repeat(8, axis=2)
IMAGES = (PATTERNS[IDENTITY] + GENERATOR.integers(0, 50, (96, 32, 32, 4))).astype(np.uint8)
LABELS = np.stack([IDENTITY % 2 == 0, IDENTITY < 3], axis=1)
DATA = FoldData(IMAGES, LABELS, np.arange(64), InputChannels((0, 1, 2, 3)), tuple(f"{row:02d}" for row in range(96)), IDENTITY)
NEW = np.arange(64, 96)
EXPERIMENT = MetricExperiment(
    model="tiny", trainer="metric", backbone="test_resnet", initial_weights="scratch", size=32, embedding=16, classification=0.5,
    augmentation={"name": "none"}, sampler={"name": "identities", "images": 2}, votes=VoteSettings(count=5),
    train=TorchTraining(epochs=6, batch_size=8, lr=5e-3, precision="fp32"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def run(folder, experiment=EXPERIMENT, data=DATA, minutes=60.0):
    trained = metric_trainer.train(experiment, data, Run(0, "cpu", folder / "checkpoint.pt", {"run": "this"}, "scratch", minutes))
    return Ready(trained, experiment, data)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.set_num_threads(1)
    return run(tmp_path_factory.mktemp("metric"))


def test_it_learns_to_tell_identities_apart(trained):
    embeddings = trained.embed(IMAGES)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    nearest = (embeddings[NEW] @ embeddings[:64].T).argmax(axis=1)
    assert (IDENTITY[nearest] == IDENTITY[NEW]).mean() > 0.9
    assert ((trained.predict(IMAGES, NEW) > 0) == LABELS[NEW]).mean() > 0.9


def test_predictions_are_the_votes_of_the_nearest_training_images(trained):
    embeddings = trained.embed(IMAGES)
    places, similarity = slowly(embeddings[NEW], embeddings[:64], DATA.ids[:64], 5)
    weight = np.exp((similarity - 1) / EXPERIMENT.votes.temperature)[:, :, None]
    prior = (LABELS[:64].sum(axis=0) + 0.5) / 65
    expected = ((weight * LABELS[places]).sum(axis=1) + EXPERIMENT.votes.prior * prior) / (weight.sum(axis=1) + EXPERIMENT.votes.prior)
    np.testing.assert_allclose(1 / (1 + np.exp(-trained.predict(IMAGES, NEW))), expected, rtol=1e-4)


def test_held_out_rows_change_nothing(tmp_path, trained):
    """No label of a held-out row reaches the network or the votes."""
    labels, identity = LABELS.copy(), IDENTITY.copy()
    labels[64:], identity[64:] = ~labels[64:], 7 - identity[64:]
    again = run(tmp_path, data=replace(DATA, labels=labels, identity=identity))
    np.testing.assert_array_equal(again.predict(IMAGES, NEW), trained.predict(IMAGES, NEW))


@pytest.mark.parametrize("step", [5, 24])
def test_an_interrupted_run_ends_as_one_never_interrupted(tmp_path, trained, step):
    with killed_at(step):
        run(tmp_path, minutes=0.0)
    again = run(tmp_path)
    np.testing.assert_array_equal(again.embed(IMAGES), trained.embed(IMAGES))
    assert again.losses == trained.losses


@pytest.mark.parametrize("name", registry.names("metric_losses"))
def test_every_metric_loss_trains_without_a_second_head(tmp_path, name):
    settings = EXPERIMENT.model_copy(
        update={"metric": {"name": name}, "classification": 0.0, "train": TorchTraining(epochs=2, batch_size=8)}
    )
    assert np.isfinite(run(tmp_path, settings).predict(IMAGES, NEW)).all()


def test_identities_with_one_image_and_fewer_images_than_votes_are_no_error(tmp_path):
    alone = replace(DATA, train=np.array([0, 1, 2]), identity=np.arange(96))
    logits = run(tmp_path, EXPERIMENT.model_copy(update={"train": TorchTraining(epochs=1, batch_size=8)}), alone).predict(IMAGES, NEW)
    assert np.isfinite(logits).all()


def test_a_network_that_diverges_says_so(tmp_path):
    settings = EXPERIMENT.model_copy(update={"train": TorchTraining(epochs=2, batch_size=8, lr=1e30, warmup_epochs=0, precision="fp32")})
    with pytest.raises(CompError, match=r"tiny fold 0: training diverged, the loss is nan in epoch 1.*lower the learning rate"):
        run(tmp_path, settings).predict(IMAGES, NEW)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": TorchTraining(batch_size=3)}, "a batch of 3 holds fewer than two identities of 2 images each.*train.batch_size=4"),
        ({"backbone": "resnet999"}, "timm has no backbone"),
        ({"train": TorchTraining(batch_size=1), "sampler": {"name": "shuffle"}}, "tiny normalises vectors over a batch"),
    ],
)
def test_what_cannot_be_trained_is_an_error(changes, message):
    with pytest.raises(ConfigError, match=message):
        metric_trainer.check(EXPERIMENT.model_copy(update=changes), 4, weights=False)


def test_a_single_identity_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="tiny: all training images of fold 0 have the same identity"):
        run(tmp_path, data=replace(DATA, identity=np.zeros(96, np.int64)))


def test_collapsed_embeddings_are_an_error(tmp_path):
    """Equal images have equal embeddings, as all images have after a collapse."""
    alike = replace(DATA, images=np.repeat(IMAGES[:1], 96, axis=0))
    settings = EXPERIMENT.model_copy(update={"train": TorchTraining(epochs=1, batch_size=8)})
    with pytest.raises(CompError, match="tiny: all images have the same embedding: the loss has collapsed"):
        run(tmp_path, settings, alike).embed(alike.images)
