import numpy as np
import pytest

from comp.base.errors import ConfigError
from comp.images.input_channels import ChannelRecipe, InputChannels, statistics

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 4), dtype=np.uint8)


def test_channels_are_picked_in_their_order():
    np.testing.assert_array_equal(InputChannels((2, 0)).read(IMAGES, np.array([3, 1])), IMAGES[[3, 1]][..., [2, 0]])


@pytest.mark.parametrize("channels", [InputChannels((3, 0)), InputChannels((0, 1, 2), ((0.5, 0, 0.5), (0, 0.2, 0)))])
def test_statistics_are_those_of_all_pixels(channels):
    pixels = channels.read(IMAGES, np.arange(50)).astype(float)
    mean, deviation = statistics(IMAGES, channels)
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(deviation, pixels.std(axis=(0, 1, 2)), rtol=1e-6)


def test_mixed_channels_are_weighted_sums_rounded_and_clipped():
    mix = np.array([[0.5, 0.0, 0.5], [0.5, 1.0, 0.5], [0.0, 2.0, 0.0]])
    found = InputChannels((0, 1, 3), tuple(map(tuple, mix))).read(IMAGES, np.arange(50))
    expected = np.clip(IMAGES[..., [0, 1, 3]] @ mix.T, 0, 255)
    assert found.dtype == np.uint8
    assert found.shape == (50, 8, 8, 3)
    assert np.abs(found - expected).max() <= 0.5


def test_a_recipe_names_channels_and_refuses_unknown_ones():
    assert ChannelRecipe(None).of(("red", "green"), "x.yaml") == InputChannels((0, 1))
    assert ChannelRecipe(("green",)).of(("red", "green"), "x.yaml") == InputChannels((1,))
    with pytest.raises(ConfigError, match=r"x.yaml: there is no channel 'blue': this competition has red, green"):
        ChannelRecipe(("blue",)).of(("red", "green"), "x.yaml")
