"""Trained models on new images: every fold predicts, and a model's prediction is the mean over its folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from comp.base.errors import PredictionError
from comp.base.files import hash_of, read_text
from comp.base.paths import Paths
from comp.base.processes import in_own_process
from comp.base.progress import LogBar
from comp.images.bags import Bags, CropPlan
from comp.images.input_channels import Images
from comp.inference.fold import Network, TrainedFold, load_network
from comp.inference.settings import EMBEDDERS, PredictionSettings
from comp.inference.voters import read_voters
from comp.inference.weights import WeightsFile, read_weights
from comp.neighbours.nearest import Floats
from comp.neighbours.votes import Voters

OF_PREDICTION = {"tta", "votes"}  # settings that a trained network need not have been trained with


@dataclass(frozen=True)
class Pictures:
    """New images as uint8 in files, one for each size.

    Attributes:
        ids: (N,).
        channels: their names, in the order in which the files hold them.
        levels: the stored values of black and white, if the competition's YAML gives them.
        files: size in pixels -> file of (N, size, size, C).
        crops: plan -> the crops of the images' cells, for models that see cells.
    """

    ids: tuple[str, ...]
    channels: tuple[str, ...]
    levels: tuple[float, float] | None
    files: Mapping[int, Path]
    crops: Mapping[CropPlan, Bags] = field(default_factory=dict)

    def at(self, size: int) -> NDArray[np.uint8]:
        """(N, size, size, C)."""
        return np.memmap(self.files[size], np.uint8, "r", shape=(len(self.ids), size, size, len(self.channels)))


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a model says of N images.

    Attributes:
        classes: their names.
        logits: (N, classes), the mean over the folds.
    """

    classes: tuple[str, ...]
    logits: Floats


@dataclass(frozen=True)
class TrainedModels:
    """Models with weights or voters in their folders.

    Attributes:
        folds: how many each has.
        again: what to type if a file is missing or damaged.
        batch_size: images at once; None: twice the batch size of training.
    """

    paths: Paths
    folds: int
    again: str
    batch_size: int | None = None

    def experiment(self, model: str) -> dict[str, Any]:
        """The settings that a model was trained and predicts with.

        Raises:
            PredictionError: its file is missing or damaged.
        """
        path = self.paths.experiment(model)
        try:
            found = yaml.safe_load(read_text(path))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise PredictionError(f"{path} cannot be read ({' '.join(str(error).split())[:120]})", self.again) from None
        if not isinstance(found, dict) or "trainer" not in found:
            raise PredictionError(f"{path} holds no settings of a model", self.again)
        return found

    def settings(self, model: str) -> PredictionSettings:
        """How a model predicts.

        Raises:
            PredictionError: its settings are not those of a model.
        """
        try:
            return PredictionSettings.of(self.experiment(model), self.batch_size)
        except (KeyError, TypeError):
            raise PredictionError(f"{self.paths.experiment(model)} holds no settings of a model", self.again) from None

    def with_dependencies(self, models: Sequence[str]) -> list[str]:
        """The models, and before them those whose embeddings they use."""
        found: list[str] = []
        for model in models:
            found += [*self.experiment(model).get("embeddings", ()), model]
        return list(dict.fromkeys(found))

    def sizes(self, models: Sequence[str]) -> list[int]:
        """The sizes, in pixels, of the images that the models and those they depend on take."""
        experiments = map(self.experiment, self.with_dependencies(models))
        return sorted({each["size"] for each in experiments if "size" in each and each["trainer"] != "cells"})

    def crop_plans(self, models: Sequence[str]) -> list[CropPlan]:
        """The crops of cells that the models take."""
        plans = {crop_plan(each) for each in map(self.experiment, models) if each["trainer"] == "cells"}
        return sorted(plans, key=lambda plan: plan.name)

    def weights(self, model: str, fold: int) -> WeightsFile:
        """The network of a fold.

        Raises:
            PredictionError: its file is missing, damaged, or was trained with other settings.
        """
        path, experiment = self.paths.weights(model, fold), self.experiment(model)
        found = read_weights(path, self.again)
        own = {key: value for key, value in experiment.items() if key in found.settings or key not in OF_PREDICTION}
        if own != found.settings:
            raise PredictionError(f"{path} was trained with other settings than {self.paths.experiment(model)}", self.again)
        self._check_place(path, found.provenance, model, fold)
        return found

    def voters(self, model: str, fold: int) -> tuple[Voters, Mapping[str, Any]]:
        """The voters of a fold, and what they were made from.

        Raises:
            PredictionError: their file is missing, damaged, or was made with other settings.
        """
        path = self.paths.voters(model, fold)
        voters, made = read_voters(path, self.again)
        if made.get("experiment") != hash_of(self.experiment(model)):
            raise PredictionError(f"{path} was made with other settings than {self.paths.experiment(model)}", self.again)
        self._check_place(path, made, model, fold)
        return voters, made

    def _check_place(self, path: Path, made: Mapping[str, Any], model: str, fold: int) -> None:
        """Raise PredictionError if a file was made for another place."""
        for key, value in {"competition": self.paths.competition, "model": model, "fold": fold}.items():
            if made.get(key) != value:
                raise PredictionError(f"{path} was made as {key} {made.get(key)}, not {value}", self.again)

    def predict(self, models: Sequence[str], pictures: Pictures) -> dict[str, Predicted]:
        """What each model says of the images.

        Raises:
            PredictionError: a file is missing or damaged, or was made for other channels.
        """
        keras = [model for model in models if self.experiment(model)["trainer"] == "keras"]
        others = [model for model in models if model not in keras]
        if not others:
            return predict_together(self, keras, pictures)
        # TensorFlow and PyTorch get a process each
        found: dict[str, Predicted] = in_own_process(predict_together, self, keras, pictures) if keras else {}
        return found | predict_together(self, others, pictures)


def check_same_images(path: Path, found: WeightsFile, channels: tuple[str, ...], levels: tuple[float, float] | None) -> None:
    """Raise PredictionError if the network in `path` was trained on images with other channels, or other values of black and white."""
    if found.channels != channels:
        what = f"{path} was trained on the channels {', '.join(found.channels)}; the images have {', '.join(channels)}"
        raise PredictionError(what, "give images with the same channels, in the same order")
    if found.levels != levels:
        what = f"{path} was trained on images with the levels {found.levels or 'of their files'}, now {levels or 'none'}"
        raise PredictionError(what, "go back to `bits` and `range` of `images` in the competition's YAML, or train it again")


def crop_plan(experiment: Mapping[str, Any]) -> CropPlan:
    """The crops that a model of cells takes, of its settings as its YAML holds them."""
    return CropPlan(experiment["size"], experiment["cells"], experiment["span"])


def predict_together(trained: TrainedModels, models: Sequence[str], pictures: Pictures) -> dict[str, Predicted]:
    """What models of one framework say of the images."""
    networks = [model for model in trained.with_dependencies(models) if "size" in trained.experiment(model)]
    with LogBar(total=len(networks) * trained.folds * len(pictures.ids), unit="img", leave=False) as bar:
        predicting = _Predicting(trained, pictures, bar)
        return {model: predicting.model(model) for model in models}


@dataclass
class _Predicting:
    """The folds of models, one after the other. Embeddings are computed once, also for several models that use them."""

    trained: TrainedModels
    pictures: Pictures
    bar: LogBar
    embedded: dict[tuple[str, int], Floats] = field(default_factory=dict)

    def model(self, model: str) -> Predicted:
        every = [self.fold(model, fold) for fold in range(self.trained.folds)]
        if len({each.classes for each in every}) > 1:
            raise PredictionError(f"the folds of {model} predict other classes", self.trained.again)
        mean = np.stack([each.logits for each in every]).mean(axis=0, dtype=np.float64)
        return Predicted(every[0].classes, mean.astype(np.float32))

    def fold(self, model: str, fold: int) -> Predicted:
        experiment = self.trained.experiment(model)
        trainer, rows = experiment["trainer"], np.arange(len(self.pictures.ids))
        settings = self.trained.settings(model)
        made: Mapping[str, Any] = {}
        vectors = voters = network = None
        images: Images | None = None
        if "votes" in experiment:
            voters, made = self.trained.voters(model, fold)
            vectors = self.embeddings(model, fold) if trainer in EMBEDDERS else self.joined(experiment["embeddings"], fold)
        if trainer not in (*EMBEDDERS, "neighbours"):
            network, made = self.network(model, fold)
            images = self.pictures.crops[crop_plan(experiment)] if trainer == "cells" else self.pictures.at(experiment["size"])
        logits = TrainedFold(trainer, settings, network, voters).logits(images, rows, vectors)
        return Predicted(tuple(made["classes"]), logits)

    def embeddings(self, model: str, fold: int) -> Floats:
        """(N, D) of a model that embeds."""
        if (model, fold) not in self.embedded:
            experiment = self.trained.experiment(model)
            settings = self.trained.settings(model)
            embedder = TrainedFold(experiment["trainer"], settings, self.network(model, fold)[0])
            self.embedded[model, fold] = embedder.embed(self.pictures.at(experiment["size"]))
        return self.embedded[model, fold]

    def joined(self, models: Sequence[str], fold: int) -> Floats:
        """The embeddings of several models as one: the inner product of two vectors is the mean over the models."""
        vectors = [self.embeddings(model, fold) / np.float32(np.sqrt(len(models))) for model in models]
        return np.concatenate(vectors, axis=1)

    def network(self, model: str, fold: int) -> tuple[Network, Mapping[str, Any]]:
        """The network of a fold, and what it was made from."""
        found = self.trained.weights(model, fold)
        check_same_images(self.trained.paths.weights(model, fold), found, self.pictures.channels, self.pictures.levels)
        self.bar.set_description(f"{model} fold {fold}")
        settings = self.trained.settings(model)
        return load_network(found.weights, settings, done=self.bar.update), found.provenance
