"""Which modules a module needs, next to the graph that import-linter makes."""

import sys

import grimp
import pytest

from comp.base import registry
from comp.base.needed_modules import needed_modules, other_packages
from tests.tiny_competition import REPOSITORY

PACKAGED = "comp.deployment.packaged"


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("comp", include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None)


@pytest.mark.parametrize("entry", [PACKAGED, "comp.inference.torch_network", "comp.inference.keras_network", "comp.training.train_fold"])
def test_they_are_those_of_the_graph_of_imports(graph, entry):
    found = needed_modules([entry])
    upstream = {name for name in graph.find_upstream_modules(entry) if name.partition(".")[0] == "comp"}
    around = {name.rpartition(".")[0] for name in upstream | {entry}}
    around |= {name.rpartition(".")[0] for name in around}
    assert set(found) == upstream | {entry} | around - {""}
    for name, path in found.items():
        file = path.parent if path.name == "__init__.py" else path.with_suffix("")
        assert file == REPOSITORY.joinpath(*name.split("."))


def test_other_packages_are_those_of_the_graph(graph):
    found = needed_modules([PACKAGED])
    imported = {other for name in found for other in graph.find_modules_directly_imported_by(name)}
    expected = {name for name in imported if name.partition(".")[0] != "comp" and graph.is_module_squashed(name)}
    assert other_packages(found.values()) == expected - sys.stdlib_module_names


def test_a_script_without_its_networks_needs_few_packages():
    blenders = [f"comp.stacking.blenders.{name}" for name in registry.names("blenders")]
    modules = needed_modules([PACKAGED, *blenders])
    optional = {"pydantic", "scipy", "lightgbm", "faiss", "cma"}
    assert other_packages(modules.values()) - optional == {"numpy", "pandas", "cv2", "yaml", "safetensors", "tqdm"}
    importing = {name for name, path in modules.items() if "pydantic" in other_packages([path])}
    assert importing == {"comp.base.registry"}


def test_imports_inside_functions_and_those_a_module_can_do_without_can_be_left_out():
    modules = needed_modules(["comp.base.registry", "comp.stacking.blenders.lightgbm"], late=False)
    assert not {"pydantic", "lightgbm"} & other_packages(modules.values(), late=False)
    assert {"pydantic", "lightgbm"} <= other_packages(modules.values())


def test_a_command_needs_the_library():
    modules = needed_modules(["pipelines.stack"], late=False)
    assert {"pipelines", "pipelines.command", "comp.stacking.evaluation", "comp.base.paths"} <= set(modules)
    assert not any(name.startswith(("comp.training", "comp.models")) for name in modules)


def test_a_name_that_is_no_module_needs_nothing():
    assert needed_modules(["comp.nothing", "numpy"]) == {}
