import itertools

import numpy as np
import pytest
import torch

from comp.base import registry
from comp.images.batches import Batches, Copies
from comp.images.input_channels import InputChannels
from comp.images.torch_batches import epoch_of

GENERATOR = np.random.default_rng(0)
IMAGES = GENERATOR.integers(0, 256, (50, 8, 8, 4), dtype=np.uint8)
LABELS = GENERATOR.random((50, 3)) < 0.3
ROWS = np.arange(5, 42)
IDENTITY = GENERATOR.integers(9, size=50)


def make(batch_size=8, augmentation=None, columns=(0, 1, 2, 3), copies=None):
    sampler, augment = (
        registry.build("samplers", {"name": "shuffle"}),
        augmentation or registry.build("augmentations", {"name": "dihedral"}),
    )
    return Batches(IMAGES, LABELS, IDENTITY, ROWS, InputChannels(columns), batch_size, sampler, augment, (7, 0), copies)


def test_an_epoch_shows_every_row_once_but_for_the_last_small_batch():
    batches = make()
    _, labels, identity = (torch.cat(each) for each in zip(*epoch_of(batches, 0), strict=True))
    assert len(batches) == 4
    np.testing.assert_array_equal(labels, LABELS[ROWS[batches.order(0)[:32]]])
    np.testing.assert_array_equal(identity, IDENTITY[ROWS[batches.order(0)[:32]]])
    assert sorted(batches.order(0)) == list(range(37))


def test_fewer_rows_than_a_batch_are_one_batch():
    assert [len(images) for images, *_ in epoch_of(make(batch_size=64), 0)] == [37]


def test_an_epoch_entered_in_the_middle_goes_on_as_if_never_left():
    batches = make()
    whole = list(epoch_of(batches, 3))
    for first, threads in itertools.product(range(4), (1, 3)):
        for batch, expected in zip(epoch_of(batches, 3, first, threads), whole[first:], strict=True):
            assert all(map(torch.equal, batch, expected))


def test_images_stay_with_their_labels_and_epochs_differ():
    batches = make()
    order = batches.order(1)
    for step, (images, *_) in enumerate(epoch_of(batches, 1)):
        for image, place in zip(images.numpy(), order[step * 8 :], strict=False):
            assert sorted(image[..., 0].ravel()) == sorted(IMAGES[ROWS[place], ..., 0].ravel())  # turned, not changed
    assert not np.array_equal(batches.order(0), order)


def test_copies_come_with_their_labels_and_have_an_augmentation_of_their_own():
    rows = np.array([6, 6, 40])
    batches = make(batch_size=40, augmentation=lambda images, _: images, copies=Copies(rows, lambda images, _: 255 - images))
    (images, labels, _), order = batches.epoch(2)(0), batches.order(2)
    assert len(batches) == 1
    assert sorted(order) == list(range(40))
    for image, label, place in zip(images, labels, order, strict=True):
        row = ROWS[place] if place < 37 else rows[place - 37]
        np.testing.assert_array_equal(image, IMAGES[row] if place < 37 else 255 - IMAGES[row])
        np.testing.assert_array_equal(label, LABELS[row])


def test_only_the_chosen_channels_are_in_a_batch():
    images, *_ = make(columns=(1,)).epoch(0)(0)
    assert images.shape == (8, 8, 8, 1)


def test_an_error_while_a_batch_is_made_reaches_the_loop():
    def broken(images, generator):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        list(epoch_of(make(augmentation=broken), 0))
