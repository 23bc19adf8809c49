import itertools

import numpy as np
import pytest
import torch

from comp import parts
from comp.data.torch_data import TrainBatches, channel_statistics, read

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (50, 8, 8, 4), dtype=np.uint8)
LABELS = GENERATOR.random((50, 3)) < 0.3
ROWS = np.arange(5, 42)


def make(batch_size=8, rows=ROWS, augmentation="dihedral", channels=(0, 1, 2, 3)):
    sampler, augment = parts.build("samplers", {"name": "shuffle"}), parts.build("augmentations", {"name": augmentation})
    return TrainBatches(IMAGES, LABELS, rows, channels, batch_size, sampler, augment, (7, 0))


def test_an_epoch_shows_every_row_once_but_for_the_last_small_batch():
    batches = make()
    seen = np.concatenate([labels.numpy() for _, labels in batches.epoch(0)])
    assert len(batches) == 4
    np.testing.assert_array_equal(seen, LABELS[batches.order(0)[:32]])
    assert set(batches.order(0)) == set(ROWS)


def test_fewer_rows_than_a_batch_are_one_batch():
    batches = make(batch_size=64)
    assert [len(images) for images, _ in batches.epoch(0)] == [37]


def test_an_epoch_entered_in_the_middle_goes_on_as_if_never_left():
    batches = make()
    whole = list(batches.epoch(3))
    for first, threads in itertools.product(range(4), (1, 3)):
        for (images, labels), (expected_images, expected_labels) in zip(batches.epoch(3, first, threads), whole[first:], strict=True):
            assert torch.equal(images, expected_images)
            assert torch.equal(labels, expected_labels)


def test_images_stay_with_their_labels_and_epochs_differ():
    batches = make()
    order = batches.order(1)
    for step, (images, _) in enumerate(batches.epoch(1)):
        for image, row in zip(images.numpy(), order[step * 8 :], strict=False):
            assert sorted(image[..., 0].ravel()) == sorted(IMAGES[row, ..., 0].ravel())  # turned, not changed
    assert not np.array_equal(batches.order(0), order)


def test_channels_are_picked_in_their_order():
    np.testing.assert_array_equal(read(IMAGES, np.array([3, 1]), (2, 0)), IMAGES[[3, 1]][..., [2, 0]])
    images, _ = next(make(channels=(1,)).epoch(0))
    assert images.shape == (8, 8, 8, 1)


def test_statistics_are_those_of_all_pixels():
    mean, deviation = channel_statistics(IMAGES, (3, 0))
    np.testing.assert_allclose(mean, IMAGES[..., [3, 0]].mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(deviation, IMAGES[..., [3, 0]].std(axis=(0, 1, 2)), rtol=1e-6)


def test_an_error_while_a_batch_is_made_reaches_the_loop():
    def broken(images, generator):
        raise RuntimeError("broken")

    batches = TrainBatches(IMAGES, LABELS, ROWS, (0,), 8, parts.build("samplers", {"name": "shuffle"}), broken, (0,))
    with pytest.raises(RuntimeError, match="broken"):
        list(batches.epoch(0))
