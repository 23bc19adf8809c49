import numpy as np
import pytest
import torch

from comp.base import registry
from comp.images.augmentations.dihedral import turn
from comp.inference.torch_network import turn as turn_tensor

IMAGES = np.random.default_rng(0).integers(0, 256, (16, 12, 12, 4), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", registry.names("augmentations"))
def test_every_augmentation_keeps_shape_and_type_repeats_itself_and_spares_its_input(name, channels):
    images = np.ascontiguousarray(IMAGES[..., :channels])
    images.flags.writeable = False  # as the cache is
    augment = registry.build("augmentations", {"name": name})
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
    augment = registry.build("augmentations", {"name": "dihedral"})
    whole = augment(IMAGES, np.random.default_rng(3))
    for channel in range(4):
        alone = augment(np.ascontiguousarray(IMAGES[..., channel : channel + 1]), np.random.default_rng(3))
        np.testing.assert_array_equal(whole[..., channel : channel + 1], alone)


def affine(**options):
    """It without any change but a mirror image, and with these options."""
    return registry.build("augmentations", {"name": "affine", "rotate": 0, "zoom": 0, "shift": 0, "gain": 0, "gamma": 0, **options})


def test_affine_without_range_only_mirrors_and_keeps_every_grey_level():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(20, axis=0)
    found = {image.tobytes() for image in affine()(levels, np.random.default_rng(0))}
    assert found == {levels[0].tobytes(), levels[0][:, ::-1].tobytes()}


def test_affine_turns_scales_crops_and_flips_both_ways():
    """A corner marked by a bright square: where it comes to lie, and how large it is, tells what was done."""
    image = np.zeros((1, 65, 65, 1), np.uint8)
    image[0, 8:16, 8:16] = 200
    seen = np.stack([affine(rotate=180)(image, np.random.default_rng(seed))[0, ..., 0] for seed in range(400)])
    quadrants = {(rows.mean() > 32, columns.mean() > 32) for rows, columns in (np.nonzero(one > 100) for one in seen)}
    assert len(quadrants) == 4  # turned, or flipped horizontally, vertically or both
    flips = [image[0, ..., 0][::down, ::right].astype(int) for down, right in ((1, -1), (-1, 1), (-1, -1))]
    assert all(np.abs(seen.astype(int) - flip).mean(axis=(1, 2)).min() < 0.5 for flip in flips)
    sizes = [(affine(zoom=0.2)(image, np.random.default_rng(seed)) > 100).sum() / 64 for seed in range(100)]
    assert np.exp(-0.45) < min(sizes) < 0.8
    assert 1.25 < max(sizes) < np.exp(0.45)
    cropped = [(affine(zoom=1)(image, np.random.default_rng(seed)) > 100).any() for seed in range(100)]
    assert 0 < sum(cropped) < 100  # enlarged, the corner lies outside


def test_affine_shifts_by_the_given_share():
    image = np.zeros((1, 64, 64, 1), np.uint8)
    image[0, 30:34, 30:34] = 255
    augment = affine(shift=0.25)
    offsets = []
    for seed in range(40):
        rows, columns = np.nonzero(augment(image, np.random.default_rng(seed))[0, ..., 0] > 100)
        offsets += [abs(rows.mean() - 31.5), abs(columns.mean() - 31.5)]
    assert 12 < max(offsets) <= 16.5
