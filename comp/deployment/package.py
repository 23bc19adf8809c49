"""Writing a package: a folder with trained models, a finished stack and the code that labels images with them, without this repository."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from comp.base import registry
from comp.base.errors import ConfigError, DataError, PredictionError
from comp.base.files import atomic_folder, write_json, write_text
from comp.base.needed_modules import needed_modules, other_packages
from comp.base.paths import PackagePaths, Paths, code_root
from comp.base.progress import track
from comp.base.schema import read_yaml
from comp.cells.packaged import PACKAGED
from comp.deployment import package_texts
from comp.deployment.package_description import PackageDescription, fingerprint_of
from comp.deployment.trained_here import models_here
from comp.images.read import DECODERS, FORMATS
from comp.inference.models import check_same_images
from comp.predictions.task import Task
from comp.stacking.fitted_stack import FittedStack, write_fitted
from comp.stacking.stack import Stack
from comp.stacking.test_duplicates import test_duplicates

ENTRY = "comp.deployment.packaged"
CELLS = ("comp.cells.new_cells", "comp.inference.cells_network")
OTHER_FORMATS = (".jpg", ".jpeg", ".tif", ".tiff")  # endings of files that OpenCV does not read here
NOT_ALWAYS = {
    "lightgbm",
    "pydantic",
    "scipy",
    "cma",
    "faiss",
    "keras",
    "segmentation_models_pytorch",
    *DECODERS,
}  # packages that the code imports, and needs for some stacks and images, if at all


def write_package(task: Task, stack: FittedStack, name: str, out: Path) -> float:
    """Write a package; one that is there already is replaced. Returns its size in MB.

    Args:
        stack: as `comp.deployment.trained_here` gives it.
        name: of the stack's folder inside.
        out: the folder.

    Raises:
        ConfigError: the competition has no images.
        DataError: there is something else at `out`.
        PredictionError: the stack uses tables of features, or a file of a model is missing or damaged.
    """
    _check(task, stack, out)
    trained = models_here(task, None)
    models = trained.with_dependencies(stack.needed)
    experiments = {model: trained.experiment(model) for model in models}
    about = _description(task, stack, name)
    with atomic_folder(out.resolve()) as folder:
        for path, copy in track(list(_model_files(task, stack, experiments, folder)), "copying", unit="file"):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        write_fitted(Paths(task.competition.name, folder).fitted_stack(name), stack)
        _write_code(PackagePaths(folder), stack, experiments, about)
        _write_texts(PackagePaths(folder), task, stack, about)
        if (own := PackagePaths(out).dataset()).is_file():  # the user's name may be in it
            shutil.copyfile(own, PackagePaths(folder).dataset())
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6


def _check(task: Task, stack: FittedStack, out: Path) -> None:
    name = task.competition.name
    if task.competition.images is None:
        raise ConfigError(f"competition {name} has tables and no images", "name another one with COMP=")
    if stack.features:
        what = f"the stack {stack.name} uses tables of features ({', '.join(stack.features)}), which new images lack"
        raise PredictionError(what, f"package another one, without `features` in its YAML: make package COMP={name} STACK=...")
    if out.exists() and not is_package(out):
        raise DataError(f"{out} exists and is no package", "remove it, or choose another OUT")


def is_package(folder: Path) -> bool:
    """Whether a folder is a package: other programs have a package.yaml too."""
    try:
        found = read_yaml(PackagePaths(folder).description())
    except ConfigError:
        return False
    return found.keys() >= {"competition", "stack", "models"}


def _description(task: Task, stack: FittedStack, name: str) -> PackageDescription:
    competition, images, ids = task.competition, task.competition.images, task.test_ids
    assert images is not None
    # what a stack says of the test images has to agree with its submission; a mean of models has none
    groups = test_duplicates(task.paths, ids) if stack.files else np.arange(len(ids))
    repeated = [np.flatnonzero(groups == group) for group in np.flatnonzero(np.bincount(groups) > 1)]
    return PackageDescription(
        competition=competition.name,
        title=competition.title,
        id_column=competition.columns.id,
        label_column=competition.columns.predicted,
        form=competition.columns.form,
        classes=competition.labels.names,
        tokens=competition.labels.tokens,
        separator=competition.labels.separator,
        pattern=images.test_file or images.file,
        channels=images.channels,
        levels=images.levels,
        stack=name,
        folds=task.folds.count,
        models=stack.needed,
        test_images=fingerprint_of(ids),
        copies=tuple(tuple(ids[row] for row in rows) for rows in repeated),
    )


def _model_files(task: Task, stack: FittedStack, experiments: Mapping[str, Any], folder: Path) -> Iterator[tuple[Path, Path]]:
    """The files of models, each with its place in the package. All are read, so that a damaged one raises PredictionError.

    So does a network that was trained on other channels, or other values of black and white, than the competition's YAML names now.
    """
    trained, here, there = models_here(task, None), task.paths, Paths(task.competition.name, folder)
    images = task.competition.images
    assert images is not None
    for model, experiment in experiments.items():
        yield here.experiment(model), there.experiment(model)
        for fold in range(task.folds.count):
            if "size" in experiment:
                check_same_images(here.weights(model, fold), trained.weights(model, fold), images.channels, images.levels)
                yield here.weights(model, fold), there.weights(model, fold)
            if "votes" in experiment and model in stack.needed:  # the others only embed
                trained.voters(model, fold)
                yield here.voters(model, fold), there.voters(model, fold)


def _write_code(package: PackagePaths, stack: FittedStack, experiments: Mapping[str, Any], about: PackageDescription) -> None:
    """Copy the modules that the script needs, and name the packages that they need."""
    keras = [experiment["trainer"] == "keras" for experiment in experiments.values() if "size" in experiment]
    trainers = {experiment["trainer"] for experiment in experiments.values()}
    frameworks = ["keras"] * any(keras) + ["torch"] * (not all(keras))
    entries = [
        ENTRY,
        *(f"comp.inference.{framework}_network" for framework in frameworks),
        *(CELLS if "cells" in trainers else ()),
        *(f"{registry.PACKAGES['blenders']}.{name}" for name in registry.names("blenders")),
        *(f"comp.images.formats.{name}" for name in FORMATS),
    ]
    modules = needed_modules(entries).values()
    for path in modules:
        write_text(package.module(path), path.read_text())
    used = {"lightgbm"} if _uses("lightgbm", stack.stack) else set()
    with_maps = any(experiment.get("maps") for experiment in experiments.values())
    used |= {"segmentation_models_pytorch"} if trainers & {"channels", "cells"} or with_maps else set()
    if "cells" in trainers:
        used |= {"scipy"}
        shutil.copyfile(PACKAGED, package.module(PACKAGED))
    used |= set(DECODERS) if about.pattern.lower().endswith(OTHER_FORMATS) else set()
    write_text(package.requirements(), package_texts.requirements(other_packages(modules) - NOT_ALWAYS | used))


def _write_texts(package: PackagePaths, task: Task, stack: FittedStack, about: PackageDescription) -> None:
    images, slug = task.competition.images, task.competition.slug or task.competition.name
    assert images is not None
    dataset = package_texts.dataset(about, stack.name)
    inputs = (slug, images.test, task.competition.tables.test)
    about.write(package.description())
    write_text(package.script(), package_texts.SCRIPT)
    write_json(package.notebook(), package_texts.notebook(about, dataset["id"].partition("/")[2], inputs))
    write_json(package.dataset(), dataset)
    write_text(package.readme(), package_texts.page(about, stack.name))
    write_text(package.licence(), PackagePaths(code_root()).licence().read_text())


def _uses(blender: str, stack: Stack) -> bool:
    """Whether a blender is part of a stack, or of a stack inside it."""
    return _names(blender, stack.spec) or any(_uses(blender, each) for each in stack.substacks.values())


def _names(blender: str, spec: Any) -> bool:
    if isinstance(spec, Mapping):
        return spec.get("name") == blender or _names(blender, list(spec.values()))
    return isinstance(spec, Sequence) and not isinstance(spec, str) and any(_names(blender, each) for each in spec)
