"""Training on bags of cells: what it learns, that it resumes, and that it sees nothing of held-out images."""

import numpy as np
import pytest
import torch

from comp.base.errors import ConfigError
from comp.competition.experiments.cell_experiment import CellExperiment
from comp.competition.experiments.experiment import RareLabels
from comp.competition.experiments.torch_experiment import TorchTraining
from comp.images.bags import CropPlan
from comp.images.crops import CropContent, Crops, open_crops, write_crops
from comp.images.input_channels import InputChannels
from comp.inference.torch_network import turn
from comp.training import cells_trainer
from comp.training.trainer import FoldData, Run
from tests.unit.training.killed import killed_at
from tests.unit.training.ready import Ready

IMAGES, TRAIN = 96, np.arange(64)
NEW = np.arange(64, IMAGES)
FROZEN = CellExperiment(
    model="tiny", trainer="cells", backbone="test_resnet", initial_weights="scratch", size=32, cells=4, span=3.0, frozen=True,
    augmentation={"name": "none"}, hidden=32, attention=8, train=TorchTraining(epochs=12, batch_size=8, lr=5e-3, precision="fp32"),
)  # fmt: skip
WHOLE = FROZEN.model_copy(update={"frozen": False, "augmentation": {"name": "dihedral"}})


def drawn(seed=0):
    """Crops of images with one to four cells; the label says whether one of the cells is striped. And labels (N, 1)."""
    generator = np.random.default_rng(seed)
    labels = generator.random((IMAGES, 1)) < 0.5
    every = []
    for is_striped in labels[:, 0]:
        crops = generator.integers(20, 80, (generator.integers(1, 5), 32, 32, 2)).astype(np.uint8)
        if is_striped:
            crops[generator.integers(len(crops)), ::4, :, 1] = 250
        every.append(crops)
    return every, labels


def data_of(folder, every, labels):
    content = CropContent(CropPlan(32, 4, 3.0), tuple(map(str, range(IMAGES))), ("a", "b"), None, np.ones(IMAGES, np.uint64))
    write_crops(folder / "crops", content, "", (Crops(np.arange(1, len(crops) + 1), crops) for crops in every))
    return FoldData(open_crops(folder / "crops").images, labels, TRAIN, InputChannels((0, 1)), tuple(map(str, range(IMAGES))))


def run(folder, experiment, data, minutes=60.0):
    torch.set_num_threads(1)
    run = Run(0, "cpu", folder / "checkpoint.pt", {"run": "this"}, "scratch", minutes)
    return Ready(cells_trainer.train(experiment, data, run), experiment, data)


@pytest.fixture(scope="module", params=[FROZEN, WHOLE], ids=["frozen", "whole"])
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    return run(folder, request.param, data_of(folder, *drawn()))


def test_it_learns_what_a_single_cell_shows_and_says_which(trained):
    every, labels = drawn()
    logits = trained.predict(trained.data.images, NEW)
    assert ((logits > 0) == labels[NEW]).mean() > 0.9
    cells = trained.fold.network.cells(trained.data.images, NEW)[:, 0]
    striped = np.concatenate([(every[row][:, ::4, :, 1] == 250).all(axis=(1, 2)) for row in NEW])
    assert np.median(cells[striped]) > cells[~striped].max()


def test_held_out_pixels_and_labels_change_no_bit_of_the_network(trained, tmp_path):
    every, labels = drawn()
    others, other_labels = drawn(seed=1)
    changed = data_of(tmp_path, [*every[: len(TRAIN)], *others[len(TRAIN) :]], np.concatenate([labels[TRAIN], other_labels[NEW]]))
    again = run(tmp_path, trained.experiment, changed)
    assert set(again.weights.tensors) == set(trained.weights.tensors)
    for name, tensor in trained.weights.tensors.items():
        assert tensor.tobytes() == again.weights.tensors[name].tobytes(), name


def test_training_images_do_change_it(trained, tmp_path):
    every, labels = drawn()
    every[3] = 255 - every[3]
    again = run(tmp_path, trained.experiment, data_of(tmp_path, every, labels))
    assert any(tensor.tobytes() != again.weights.tensors[name].tobytes() for name, tensor in trained.weights.tensors.items())


def test_an_interrupted_run_ends_as_one_never_interrupted(trained, tmp_path):
    data = data_of(tmp_path, *drawn())
    with killed_at(13):
        run(tmp_path, trained.experiment, data, minutes=0.0)
    again = run(tmp_path, trained.experiment, data)
    assert again.losses == trained.losses
    for name, tensor in trained.weights.tensors.items():
        assert tensor.tobytes() == again.weights.tensors[name].tobytes(), name


def test_frozen_features_are_computed_once_and_again_if_damaged(tmp_path, capsys):
    data = data_of(tmp_path, *drawn())
    first = run(tmp_path, FROZEN, data)
    [file] = (tmp_path / "crops").glob("features-*.safetensors")
    before = file.read_bytes()
    assert "features of" in capsys.readouterr().out
    run(tmp_path / "again", FROZEN.model_copy(update={"attention": 0}), data)
    assert "features of" not in capsys.readouterr().out
    file.write_bytes(before[:-1])
    expected = first.predict(data.images, NEW)
    assert "features of" in capsys.readouterr().out
    assert file.read_bytes() == before
    np.testing.assert_array_equal(first.predict(data.images, NEW), expected)


def test_views_turn_each_crop_in_its_place():
    bags = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 4, 4, 2), np.uint8))
    for view in range(8):
        for place in range(3):
            torch.testing.assert_close(turn(bags, view)[:, place], turn(bags[:, place], view))


def test_each_crop_of_a_bag_is_augmented_by_itself(tmp_path):
    data = data_of(tmp_path, *drawn())
    images, *_ = data.batches(WHOLE, 0).epoch(0)(0)
    plain, *_ = data.batches(WHOLE.model_copy(update={"augmentation": {"name": "none"}}), 0).epoch(0)(0)
    assert images.shape == plain.shape == (8, 4, 32, 32, 2)
    assert (images != plain).any()
    np.testing.assert_array_equal(np.sort(images.reshape(32, -1), axis=1), np.sort(plain.reshape(32, -1), axis=1))


@pytest.mark.parametrize("change", [{"augmentation": {"name": "dihedral"}}, {"tta": 2}, {"rare": RareLabels(below=2, target=3)}])
def test_changed_crops_of_a_frozen_backbone_are_refused(change):
    with pytest.raises(ConfigError, match="frozen features are of crops as they are"):
        cells_trainer.check(FROZEN.model_copy(update=change), 2, weights=False)
    cells_trainer.check(WHOLE.model_copy(update=change), 2, weights=False)
