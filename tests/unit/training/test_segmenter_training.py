"""Training of the segmenter: it learns, resumes to the byte, and never sees what its name holds out."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from comp.base.files import hash_file
from comp.cells.image_files import parse_stains
from comp.cells.labelled_fields import find_labelled
from comp.cells.samples import BETWEEN, draw_sample, field_of
from comp.cells.segmenter_file import read_segmenter, write_segmenter
from comp.training import segmenter_fields, segmenter_training
from comp.training.segmenter_fields import labelled_fields
from comp.training.segmenter_training import Settings, segmentation_loss, train_segmenter
from comp.training.trainer import Run
from tests.unit.cells.test_scale import field
from tests.unit.cells.test_targets import discs

TINY = Settings(backbone="test_resnet", decoder=(16, 8, 8), steps=4, batch=2)


def run(folder):
    return Run(0, "cpu", folder / "checkpoint", {"tiny": True}, "scratch")


def write_fields(folder, count=12, held_out_as=None):
    """Images of discs with true masks; those that are held out by their names can show anything."""
    folder.mkdir(parents=True)
    for number in range(count):
        truth = discs((70, 90), [(20, 20, 9), (45, 30 + number, 11), (30, 60, 10)])
        image = np.where(truth, 180, 20).astype(np.uint8)
        cv2.imwrite(str(folder / f"n{number}.png"), image)
        cv2.imwrite(str(folder / f"n{number}_labels.png"), truth.astype(np.uint16))
    if held_out_as is not None:
        for held_out in (image for image in find_labelled(folder, parse_stains("")) if image.held_out):
            cv2.imwrite(str(held_out.image.files[""]), np.full((70, 90), held_out_as, np.uint8))
            cv2.imwrite(str(held_out.nuclei), np.full((70, 90), held_out_as, np.uint16))
    return folder


def trained(folder, fields, settings=TINY):
    network = train_segmenter(settings, fields, fields, run(folder))
    write_segmenter(folder / "segmenter.safetensors", network, {})
    return hash_file(folder / "segmenter.safetensors")


def test_interrupted_at_any_step_it_ends_with_the_same_bytes(tmp_path, monkeypatch):
    fields = labelled_fields(write_fields(tmp_path / "data"), parse_stains(""))
    (tmp_path / "whole").mkdir()
    whole = trained(tmp_path / "whole", fields)
    save = segmenter_training._save

    def save_and_stop(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    for minutes, step in ((0, 1), (0, 2)):
        folder = tmp_path / f"resumed-{step}"
        folder.mkdir()
        monkeypatch.setattr(segmenter_training, "_save", save_and_stop)
        for _ in range(step):
            with pytest.raises(KeyboardInterrupt):
                train_segmenter(TINY, fields, fields, run(folder), minutes)
        monkeypatch.setattr(segmenter_training, "_save", save)
        assert trained(folder, fields) == whole


def test_what_is_held_out_by_its_name_changes_no_byte(tmp_path):
    hashes = set()
    for shown in (None, 0, 3):
        folder = tmp_path / f"fields-{shown}"
        images = find_labelled(write_fields(folder / "data", held_out_as=shown), parse_stains(""))
        assert 0 < sum(image.held_out for image in images) < len(images)
        hashes.add(trained(folder, labelled_fields(folder / "data", parse_stains(""))))
    assert len(hashes) == 1


def test_it_learns(tmp_path):
    fields = [field_of({"nuclei": image}, truth) for image, truth in map(disc_field, range(6))]
    settings = Settings(backbone="test_resnet", decoder=(32, 16, 16), steps=80, batch=2, lr=5e-3)
    network = train_segmenter(settings, fields, fields, run(tmp_path))
    write_segmenter(tmp_path / "segmenter.safetensors", network, {"fields": 6})
    image, truth = disc_field(7)
    found = read_segmenter(tmp_path / "segmenter.safetensors")({"nuclei": image}).nuclei
    assert ((found > 0) & (truth > 0)).sum() / ((found > 0) | (truth > 0)).sum() > 0.8


def test_it_goes_on_with_a_trained_network(tmp_path):
    fields = [field_of({"nuclei": image}, truth) for image, truth in map(disc_field, range(3))]
    (tmp_path / "first").mkdir()
    first = train_segmenter(TINY, fields, fields, run(tmp_path / "first"))
    nearly = train_segmenter(replace(TINY, lr=1e-7, seed=7), fields, fields, run(tmp_path), start=first)
    scratch = train_segmenter(replace(TINY, lr=1e-7, seed=7), fields, fields, run(tmp_path))
    own, trained_on, other = (dict(network.named_parameters()) for network in (first, nearly, scratch))
    assert all(torch.allclose(own[name], trained_on[name], atol=1e-5) for name in own)
    assert not all(torch.allclose(own[name], other[name], atol=1e-3) for name in own)


def disc_field(seed):
    image = field(120, 20, 8, seed)
    return image, cv2.connectedComponents((image > 0.3).astype(np.uint8))[1]


def test_samples_are_in_range_and_the_same_for_the_same_seed():
    truth = discs((60, 60), [(20, 20, 10), (40, 40, 9)])
    image = np.where(truth, 200, 10)
    with_cells = field_of({"nuclei": image, "microtubules": image, "reticulum": image}, truth, truth)
    for seed in range(40):
        sample, again = (draw_sample([with_cells], np.random.default_rng(seed)) for _ in range(2))
        assert np.array_equal(sample.planes, again.planes)
        assert np.array_equal(sample.targets, again.targets)
        assert 0 <= sample.planes.min() <= sample.planes.max() <= 2
        assert np.array_equal(sample.targets[..., :2], sample.targets[..., 2:])  # nuclei and cells are the same objects here
        assert np.array_equal(sample.weights[..., :2], sample.weights[..., 2:])
        assert sample.weights.min() == 1


def test_pixels_between_objects_count_more_and_unknown_cells_not_at_all():
    truth = discs((60, 60), [(30, 18, 12), (30, 42, 12)])
    image = np.where(truth, 200, 10)
    field_without_cells = field_of({"nuclei": image}, truth)
    samples = [draw_sample([field_without_cells], np.random.default_rng(seed)) for seed in range(20)]
    assert all(not sample.weights[..., 2:].any() for sample in samples if sample.targets.any())
    assert np.unique([sample.weights[..., :2] for sample in samples]).tolist() == [1, BETWEEN]


def test_the_loss_is_0_at_the_targets_and_skips_pixels_without_weight():
    wanted = torch.rand(2, 5, 5, 4, generator=torch.Generator().manual_seed(0)).clamp(0.05, 0.95)
    maps = torch.logit(wanted)
    weights = torch.ones(2, 5, 5, 4)
    weights[1, ..., 2:] = 0
    assert segmentation_loss(maps, wanted, weights).item() == pytest.approx(0, abs=1e-6)
    other = maps.clone()
    other[1, ..., 2:] += 3
    assert segmentation_loss(other, wanted, weights).item() == pytest.approx(0, abs=1e-6)
    other[0, ..., 2:] += 3
    assert segmentation_loss(other, wanted, weights).item() > 0.1


def test_painted_fields_hold_cells_and_nuclei(monkeypatch):
    monkeypatch.setattr(segmenter_fields, "PAINTED", segmenter_fields.PAINTED.model_copy(update={"train": 140}))
    monkeypatch.setattr(segmenter_fields, "MOST", 4)
    painted = segmenter_fields.painted_fields()
    assert len(painted) == 4
    assert all(each.cells is not None and each.nuclei.any() and each.planes.any(axis=(0, 1)).all() for each in painted)
