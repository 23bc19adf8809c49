import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from comp.base.errors import ConfigError
from comp.cells.input_maps import segmenter_weights
from comp.competition.experiments.channels_experiment import ChannelsExperiment
from comp.competition.experiments.dependent_experiment import CascadeExperiment
from comp.competition.experiments.embedding_experiment import VoteSettings
from comp.competition.experiments.experiment import RareLabels
from comp.competition.experiments.torch_experiment import TorchTraining
from comp.images.input_channels import InputChannels
from comp.inference.settings import PredictionSettings
from comp.inference.torch_network import network_on_device
from comp.models.cascade import build_cascade
from comp.training import cascade_trainer, channels_trainer
from comp.training.trainer import FoldData, Run
from tests.unit.training.killed import killed_at
from tests.unit.training.ready import Ready

GENERATOR = np.random.default_rng(0)
IDENTITY = np.arange(96) % 8
PATTERNS = GENERATOR.integers(0, 250, (4, 4, 4, 4)).repeat(8, axis=1).repeat(8, axis=2)
IMAGES = PATTERNS[np.arange(96) // 8 % 4].astype(np.uint8)  # they do not depend on the labels
LABELS = np.stack([IDENTITY % 2 == 0, IDENTITY < 3], axis=1)
NOISY = GENERATOR.normal(size=(8, 6))[IDENTITY] + 0.2 * GENERATOR.normal(size=(96, 6))
VECTORS = (NOISY / np.linalg.norm(NOISY, axis=1, keepdims=True)).astype(np.float32)
IDS = tuple(f"{row:02d}" for row in range(96))
DATA = FoldData(IMAGES, LABELS, np.arange(64), InputChannels((0, 1, 2, 3)), IDS, aux_features=VECTORS)
NEW = np.arange(64, 96)
EXPERIMENT = CascadeExperiment(
    model="tiny", trainer="cascade", backbone="test_resnet", initial_weights="scratch", size=32, embeddings=("near",),
    augmentation={"name": "none"}, votes=VoteSettings(count=5), train=TorchTraining(epochs=20, batch_size=8, lr=5e-3, precision="fp32"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def run(folder, experiment=EXPERIMENT, data=DATA, minutes=60.0):
    trained = cascade_trainer.train(experiment, data, Run(0, "cpu", folder / "checkpoint.pt", {"run": "this"}, "scratch", minutes))
    return Ready(trained, experiment, data)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.set_num_threads(1)
    return run(tmp_path_factory.mktemp("cascade"))


def test_auxiliary_features_teach_it_what_no_image_shows(trained):
    assert ((trained.predict(IMAGES, NEW, VECTORS) > 0) == LABELS[NEW]).mean() > 0.95
    shuffled = trained.predict(IMAGES, NEW, np.random.default_rng(1).permutation(VECTORS))
    assert ((shuffled > 0) == LABELS[NEW]).mean() < 0.8


def test_no_label_of_a_held_out_row_reaches_the_network_or_its_auxiliary_features(tmp_path, trained):
    labels = LABELS.copy()
    labels[64:] = ~labels[64:]
    again = run(tmp_path, data=replace(DATA, labels=labels))
    np.testing.assert_array_equal(again.predict(IMAGES, NEW, VECTORS), trained.predict(IMAGES, NEW, VECTORS))


def test_each_row_gets_its_own_auxiliary_features(trained):
    generator = np.random.default_rng(2)
    rows = generator.permutation(NEW)
    np.testing.assert_allclose(
        trained.predict(IMAGES, rows, VECTORS), trained.predict(IMAGES, NEW, VECTORS)[rows - 64], rtol=1e-4, atol=1e-4
    )
    mixed = generator.permutation(96)
    place = np.argsort(mixed)[NEW]
    np.testing.assert_allclose(
        trained.predict(IMAGES[mixed], place, VECTORS[mixed]), trained.predict(IMAGES, NEW, VECTORS), rtol=1e-4, atol=1e-4
    )


def test_an_interrupted_run_ends_as_one_never_interrupted(tmp_path, trained):
    with killed_at(13):
        run(tmp_path, minutes=0.0)
    again = run(tmp_path)
    np.testing.assert_array_equal(again.predict(IMAGES, NEW, VECTORS), trained.predict(IMAGES, NEW, VECTORS))
    assert again.losses == trained.losses


def test_the_last_layer_starts_at_the_shares_of_the_labels():
    prior = torch.tensor([0.5, 0.1])
    network = build_cascade(EXPERIMENT, "scratch", (torch.full((4,), 100.0), torch.full((4,), 50.0)), prior, aux_count=6)
    np.testing.assert_allclose(network.head.bias.detach().sigmoid(), prior, rtol=1e-5)
    assert network.head.in_features == network.features.backbone.num_features + 6


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """A cascade with maps of a network that draws channels and of the segmenter, and its data. One channel says all about the labels."""
    torch.set_num_threads(1)
    drawing = ChannelsExperiment(
        model="draws", trainer="channels", backbone="test_resnet", initial_weights="scratch", size=32, decoder=(8, 8), embedding=6,
        augmentation={"name": "none"}, train=TorchTraining(epochs=2, batch_size=8, precision="fp32"),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("mapped")
    own_run = Run(0, "cpu", folder / "draws.pt", {"run": "draws"}, "scratch")
    made = channels_trainer.train(drawing, replace(DATA, aux_features=None), own_run)
    data = replace(DATA, maps=(made.weights, segmenter_weights(("red", "green", "blue", "yellow"))))
    experiment = EXPERIMENT.model_copy(
        update={"maps": ("near", "segmenter"), "train": TorchTraining(epochs=3, batch_size=8, precision="fp32")}
    )
    return run(folder, experiment, data), data


def test_maps_are_each_channel_drawn_from_all_others(mapped):
    ready, data = mapped
    network, _ = network_on_device(ready.trained.weights, PredictionSettings(), slot=0)
    drawing, _ = network_on_device(data.maps[0], PredictionSettings(), slot=0)
    images = torch.from_numpy(IMAGES[:5])
    with torch.inference_mode():
        found = network.with_maps(images)
        assert found.shape == (5, 32, 32, 12)
        torch.testing.assert_close(found[..., :4], images.float())
        for row, channel in itertools.product(range(5), range(4)):
            hidden = images[row : row + 1].clone()
            hidden[..., channel] = 255
            given = torch.tensor([[other != channel for other in range(4)]])
            torch.testing.assert_close(found[row, ..., 4 + channel], drawing.draw(hidden, given)[0, ..., channel], atol=1e-2, rtol=1e-4)


def test_networks_that_draw_maps_learn_nothing_more(mapped):
    ready, data = mapped
    after = ready.trained.weights.tensors
    for number, drawing in enumerate(data.maps):
        for name, before in drawing.tensors.items():
            if name != "scale":  # that of the segmenter is measured on training rows
                np.testing.assert_array_equal(after[f"maps.{number}.{name}"], before)


def test_no_held_out_pixel_reaches_a_cascade_with_maps(tmp_path, mapped):
    ready, data = mapped
    images = IMAGES.copy()
    images[64:] = 255 - images[64:]
    again = run(tmp_path, ready.experiment, replace(data, images=images, table=96))
    once = run(tmp_path / "once", ready.experiment, replace(data, table=96))
    assert once.trained.weights.tensors.keys() == again.trained.weights.tensors.keys()
    for name, tensor in once.trained.weights.tensors.items():
        np.testing.assert_array_equal(tensor, again.trained.weights.tensors[name])


def test_an_interrupted_cascade_with_maps_ends_as_one_never_interrupted(tmp_path, mapped):
    ready, data = mapped
    with killed_at(13):
        run(tmp_path, ready.experiment, data, minutes=0.0)
    again = run(tmp_path, ready.experiment, data)
    for name, tensor in ready.trained.weights.tensors.items():
        np.testing.assert_array_equal(tensor, again.trained.weights.tensors[name])


def test_every_view_gets_the_same_auxiliary_features(trained, tmp_path):
    """All images look alike here, however they are turned: the mean over views equals one view."""
    alike = np.full_like(IMAGES, 90)
    alike[0] = 91  # so that the deviation is not 0
    once, four = (
        run(tmp_path / str(tta), EXPERIMENT.model_copy(update={"tta": tta}), replace(DATA, images=alike)).predict(alike, NEW, VECTORS)
        for tta in (1, 4)
    )
    np.testing.assert_allclose(once, four, rtol=1e-4, atol=1e-4)


def test_copies_of_rare_images_get_the_auxiliary_features_of_the_images(tmp_path):
    rare = RareLabels(below=30, target=40, augmentation={"name": "none"})
    batches = DATA.batches(EXPERIMENT.model_copy(update={"rare": rare}), 0)
    assert len(batches.copies.rows)
    row_of = {vector.tobytes(): row for row, vector in enumerate(VECTORS)}
    for step in range(len(batches)):
        _, labels, _, features = batches.epoch(0)(step)
        np.testing.assert_array_equal(labels, LABELS[[row_of[vector.tobytes()] for vector in features]])


def test_what_cannot_be_trained_is_an_error():
    single = EXPERIMENT.model_copy(update={"train": TorchTraining(batch_size=1)})
    with pytest.raises(ConfigError, match="tiny normalises vectors over a batch, which has a single image: use SET="):
        cascade_trainer.check(single, 4, weights=False)
    with pytest.raises(ConfigError, match="timm has no backbone"):
        cascade_trainer.check(EXPERIMENT.model_copy(update={"backbone": "resnet999"}), 4, weights=False)
