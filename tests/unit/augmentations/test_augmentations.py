import numpy as np
import pytest
import torch

from comp import parts
from comp.augmentations.dihedral import turn
from comp.trainers.torch_trainer import turn as turn_tensor

IMAGES = np.random.default_rng(0).integers(0, 256, (16, 12, 12, 4), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", parts.names("augmentations"))
def test_every_augmentation_keeps_shape_and_type_repeats_itself_and_spares_its_input(name, channels):
    images = np.ascontiguousarray(IMAGES[..., :channels])
    images.flags.writeable = False  # as the cache is
    augment = parts.build("augmentations", {"name": name})
    first, again, other = (augment(images, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first.shape == images.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) == (name == "none")


def test_the_eight_views_are_all_flips_and_quarter_turns_of_all_channels_together():
    image = IMAGES[0]
    expected = [np.rot90(flipped, quarter) for flipped in (image, image[::-1]) for quarter in range(4)]
    assert {turn(image, view).tobytes() for view in range(8)} == {turned.tobytes() for turned in expected}


@pytest.mark.parametrize("view", range(8))
def test_prediction_turns_tensors_as_training_turns_arrays(view):
    batch = turn_tensor(torch.from_numpy(IMAGES), view).numpy()
    np.testing.assert_array_equal(batch, np.stack([turn(image, view) for image in IMAGES]))


def test_words_and_bytes_turn_alike():
    augment = parts.build("augmentations", {"name": "dihedral"})
    whole = augment(IMAGES, np.random.default_rng(3))
    for channel in range(4):
        alone = augment(np.ascontiguousarray(IMAGES[..., channel : channel + 1]), np.random.default_rng(3))
        np.testing.assert_array_equal(whole[..., channel : channel + 1], alone)


def test_affine_without_range_only_mirrors():
    still = {"rotate": 0, "zoom": 0, "shift": 0, "gain": 0, "gamma": 0}
    changed = parts.build("augmentations", {"name": "affine", **still})(IMAGES, np.random.default_rng(0))
    for image, result in zip(IMAGES, changed, strict=True):
        assert min(np.abs(result.astype(int) - image).max(), np.abs(result.astype(int) - image[:, ::-1]).max()) <= 1


def test_affine_shifts_by_the_given_share():
    image = np.zeros((1, 64, 64, 1), np.uint8)
    image[0, 30:34, 30:34] = 255
    augment = parts.build("augmentations", {"name": "affine", "rotate": 0, "zoom": 0, "shift": 0.25, "gain": 0, "gamma": 0})
    offsets = []
    for seed in range(40):
        rows, columns = np.nonzero(augment(image, np.random.default_rng(seed))[0, ..., 0] > 100)
        offsets += [abs(rows.mean() - 31.5), abs(columns.mean() - 31.5)]
    assert 12 < max(offsets) <= 16.5
