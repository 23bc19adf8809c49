import importlib
import inspect

import pytest

from comp import parts
from comp.errors import ConfigError

KINDS = ["losses", "samplers", "augmentations", "blenders", "thresholds"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_has_a_documented_build_with_annotated_options(kind):
    assert parts.names(kind)
    for name in parts.names(kind):
        module = importlib.import_module(f"comp.{kind}.{name}")
        assert module.__doc__
        for option in inspect.signature(module.build).parameters.values():
            assert option.annotation is not option.empty, f"{kind}.{name}: {option}"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "focal", "gama": 2}, r"losses\.focal: unknown option 'gama': it takes gamma: float = 2\.0"),
        ({"name": "focal", "gamma": "much"}, r"losses\.focal: gamma = 'much' does not fit"),
        ({"name": "fokal"}, r"losses: there is no 'fokal': choose one of: bce, focal"),
        ({}, r"losses: there is no None"),
    ],
)
def test_mistakes_say_what_fits(spec, message):
    with pytest.raises(ConfigError, match=message):
        parts.build("losses", spec)


def test_yaml_11_numbers_in_quotes_are_numbers():
    assert parts.build("losses", {"name": "focal", "gamma": "3e-1"}) is not None
