import numpy as np
import pytest

from comp.base import registry
from comp.base.errors import ConfigError

STAINS = ("red", "green", "blue", "yellow")
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 4), dtype=np.uint8)
RED, GREEN, BLUE = (IMAGES[..., column].astype(float) for column in range(3))
GREY = (RED + BLUE) / 2
MIXED = [name for name in registry.names("channels") if name != "pick"]  # which takes whatever channels there are

MIXTURES = [
    ({"name": "pick"}, np.moveaxis(IMAGES, -1, 0)),
    ({"name": "pick", "of": ("yellow", "red")}, [IMAGES[..., 3], RED]),
    ({"name": "rgb"}, [RED, GREEN, BLUE]),
    ({"name": "grey"}, [GREY, GREY + GREEN, GREY]),
    ({"name": "weakened"}, [RED / 2, GREEN, BLUE / 2]),
    ({"name": "weakened", "factor": 0.3}, [RED * 0.3, GREEN, BLUE * 0.3]),
    ({"name": "strengthened"}, [RED, GREEN + GREEN, BLUE]),
]


def seen(spec, channels=STAINS, images=IMAGES):
    return registry.build("channels", spec).of(channels, "net.yaml").read(images, np.arange(len(images)))


@pytest.mark.parametrize("name", registry.names("channels"))
def test_every_recipe_fits_four_stains(name):
    channels = registry.build("channels", {"name": name}).of(STAINS, "net.yaml")
    found = channels.read(IMAGES, np.array([4, 1, 4]))
    assert found.shape == (3, 5, 7, len(channels))
    assert found.dtype == np.uint8
    assert found.flags.c_contiguous
    assert len(channels) == (4 if name == "pick" else 3)
    assert name in [spec["name"] for spec, _ in MIXTURES]


@pytest.mark.parametrize(("spec", "expected"), MIXTURES, ids=[str(spec) for spec, _ in MIXTURES])
def test_recipes_are_what_they_say_in_floats_rounded_and_clipped(spec, expected):
    difference = seen(spec) - np.clip(np.stack(expected, axis=-1), 0, 255)
    assert np.abs(difference).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("name", MIXED)
def test_stains_are_found_by_name_wherever_they_lie(name):
    order = (3, 1, 0, 2)
    shuffled = tuple(STAINS[column] for column in order)
    np.testing.assert_array_equal(seen({"name": name}, shuffled, IMAGES[..., order]), seen({"name": name}))


@pytest.mark.parametrize("name", MIXED)
def test_a_competition_without_the_stains_is_refused(name):
    with pytest.raises(ConfigError, match=r"^net.yaml: there is no channel 'blue': this competition has red, green$"):
        seen({"name": name}, ("red", "green"))


def test_a_factor_vanishes_when_each_channel_is_normalised():
    def normalised(spec):
        images = seen(spec).astype(float)
        return (images - images.mean(axis=(0, 1, 2))) / images.std(axis=(0, 1, 2))

    red_and_blue = [0, 2]
    rounding = 0.5 / (RED / 2).std()
    weakened, plain = normalised({"name": "weakened"})[..., red_and_blue], normalised({"name": "rgb"})[..., red_and_blue]
    assert np.abs(weakened - plain).max() < 2 * rounding
    assert np.abs(normalised({"name": "grey"}) - normalised({"name": "rgb"})).max() > 10 * rounding


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "infrared"}, "channels: there is no 'infrared': choose one of: grey, pick, rgb, strengthened, weakened"),
        ({"name": "weakened", "factor": 0}, "channels.weakened: factor = 0 does not fit"),
        ({"name": "weakened", "factor": 2}, "channels.weakened: factor = 2 does not fit"),
        ({"name": "grey", "factor": 0.5}, "channels.grey: unknown option 'factor': it takes no options"),
    ],
)
def test_mistakes_are_one_line(spec, message):
    with pytest.raises(ConfigError) as caught:
        registry.build("channels", spec)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
