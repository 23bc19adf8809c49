import importlib
import inspect

import pytest

from comp.base import registry
from comp.base.errors import ConfigError


@pytest.mark.parametrize("kind", registry.PACKAGES)
def test_every_plug_in_has_a_documented_build_with_annotated_options(kind):
    assert registry.names(kind)
    for name in registry.names(kind):
        module = importlib.import_module(f"{registry.PACKAGES[kind]}.{name}")
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
        registry.build("losses", spec)


def test_yaml_11_numbers_in_quotes_are_numbers():
    assert registry.build("losses", {"name": "focal", "gamma": "3e-1"}) is not None


def test_checked_options_are_those_that_are_passed_on():
    spec = {"name": "calibrated", "blender": {"name": "logistic", "clip": "1e1", "base": {"name": "greedy", "steps": "5"}}}
    found = registry.checked("blenders", spec)
    assert found == {"name": "calibrated", "blender": {"name": "logistic", "clip": 10.0, "base": {"name": "greedy", "steps": 5}}}
    assert registry.checked("blenders", found) == found
    assert registry.checked("blenders", {"name": "committee", "of": [spec]}) == {"name": "committee", "of": [found]}


def test_a_model_may_be_called_name():
    assert registry.checked("blenders", {"name": "weights", "weights": {"name": 1}}) == {"name": "weights", "weights": {"name": 1.0}}


def test_checked_options_of_inner_plug_ins_are_refused_like_others():
    with pytest.raises(ConfigError, match=r"blenders\.logistic: clip = 0 does not fit"):
        registry.checked("blenders", {"name": "committee", "of": [{"name": "mean"}, {"name": "logistic", "clip": 0}]})
