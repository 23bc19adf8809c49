"""Everything that one fold of a model needs, except the images: tables, folds, classes, embeddings of other models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base import registry
from comp.base.errors import ConfigError
from comp.base.files import hash_file
from comp.base.paths import Paths
from comp.cells.input_maps import segmenter_weights
from comp.cells.packaged import PACKAGED
from comp.competition.competition import Competition
from comp.competition.experiments.dependent_experiment import SEGMENTER, CascadeExperiment, DependentExperiment
from comp.competition.experiments.embedding_experiment import EmbeddingExperiment
from comp.competition.experiments.experiment import Experiment, NetworkExperiment, Top
from comp.competition.experiments.metric_experiment import MetricExperiment
from comp.competition.extra_rows import TABLE, check_made_for, read_extra
from comp.competition.image_cache import splits_of
from comp.competition.tables import read_test_ids, read_train
from comp.folds.fold_map import HOLDOUT, FoldMap
from comp.folds.near_duplicates import read_extra_duplicates
from comp.folds.train_only_rows import Pairs, TrainOnlyRows
from comp.images.cache import Cache
from comp.images.crops import CropCache
from comp.images.input_channels import InputChannels
from comp.inference.map_networks import read_map_network
from comp.inference.weights import Weights
from comp.predictions.embeddings import read_network, side_by_side
from comp.predictions.provenance import Provenance, data_fingerprint
from comp.training.fold_job import FoldJob
from comp.training.image_inputs import prepare_images


@dataclass(frozen=True, eq=False)
class TrainingTables:
    """The train ids with labels (N, C) and folds, and the test ids."""

    ids: tuple[str, ...]
    labels: NDArray[np.bool_]
    test_ids: tuple[str, ...]
    folds: FoldMap

    @classmethod
    def read(cls, competition: Competition, paths: Paths) -> "TrainingTables":
        ids, labels = read_train(competition, paths)
        return cls(ids, labels, read_test_ids(competition, paths), FoldMap.read(paths.folds()).in_order(ids))

    @property
    def has_holdout(self) -> bool:
        return bool((self.folds.fold == HOLDOUT).any())

    @property
    def fingerprint(self) -> str:
        """A hash of the train ids and their labels."""
        return data_fingerprint(self.ids, self.labels)


@dataclass(frozen=True, eq=False)
class Dependencies:
    """The embeddings that a model depends on, by the networks of the same fold.

    Attributes:
        vectors: "train" and "test" -> (N, D) for the rows of that table.
        networks: model -> its `Provenance.network`; and the hash of the packaged segmenter if it draws maps.
        maps: the networks whose maps are further input channels.
    """

    vectors: dict[str, NDArray[np.float32]]
    networks: dict[str, str]
    maps: tuple[Weights, ...] = ()

    @classmethod
    def read(cls, competition: Competition, experiment: DependentExperiment, fold: int, tables: TrainingTables) -> "Dependencies":
        """The embeddings of all models that the experiment names, concatenated.

        Raises:
            PredictionError: as `read_network` and `read_map_network`.
        """
        paths = Paths(competition.name)
        networks = [read_network(paths, model, fold, tables.folds.fingerprint, tables.fingerprint) for model in experiment.embeddings]
        joined = side_by_side(networks)
        made = {each.provenance.model: each.provenance.network for each in networks}
        named = experiment.maps if isinstance(experiment, CascadeExperiment) else ()
        of = (tables.folds.fingerprint, tables.fingerprint)
        maps = [read_map_network(paths, name, fold, of) if name != SEGMENTER else segmenter_of(competition) for name in named]
        made |= {SEGMENTER: hash_file(PACKAGED)} if SEGMENTER in named else {}
        return cls({"train": joined.of(tables.ids), "test": joined.of(tables.test_ids)}, made, tuple(maps))


@dataclass(frozen=True, eq=False)
class FoldInputs:
    """A fold job with everything it needs, except the images.

    Attributes:
        columns: the classes that are predicted, as columns of `tables.labels`.
        depends_on: the embeddings of other models; None for a model that uses none.
        extra: the extra rows of the experiment; None if it has none.
    """

    job: FoldJob
    competition: Competition
    experiment: Experiment
    paths: Paths
    tables: TrainingTables
    columns: list[int]
    depends_on: Dependencies | None
    extra: TrainOnlyRows | None = None

    @classmethod
    def read(cls, job: FoldJob) -> "FoldInputs":
        """Read tables, fold map, embeddings and the table of extra rows.

        Raises:
            ConfigError, DataError, FoldError, PredictionError: a file is missing or does not fit.
        """
        competition, experiment, paths = job.load()
        tables = TrainingTables.read(competition, paths)
        depends_on = Dependencies.read(competition, experiment, job.fold, tables) if isinstance(experiment, DependentExperiment) else None
        columns = columns_of(competition, experiment, tables.labels)
        extra = None
        if isinstance(experiment, NetworkExperiment) and experiment.extra:
            check_made_for(paths, experiment.extra, tables.folds.fingerprint, tables.fingerprint)
            near = read_extra_duplicates(paths, experiment.extra)
            extra = extra_rows_of(competition, paths, experiment.extra, tables.folds, job.fold, near)
        return cls(job, competition, experiment, paths, tables, columns, depends_on, extra)

    @property
    def labels(self) -> NDArray[np.bool_]:
        """(N, classes) of the train table, for the classes that are predicted."""
        return self.tables.labels[:, self.columns]

    @property
    def train_rows(self) -> NDArray[np.int64]:
        """The rows of the train table that this fold is trained on; its extra rows are apart."""
        return self.tables.folds.trained_on(self.job.fold)

    @property
    def checkpoint(self) -> Path:
        """Each trainer has its own checkpoint format."""
        return self.paths.run(self.job.model, self.job.fold) / f"checkpoint.{self.experiment.trainer}"

    @property
    def weights(self) -> Path:
        return self.paths.weights(self.job.model, self.job.fold)

    @property
    def voters(self) -> Path:
        return self.paths.voters(self.job.model, self.job.fold)

    @property
    def files(self) -> list[Path]:
        """Every file of the finished fold, what predicts new images and the experiment's YAML apart."""
        paths = self.paths
        kinds = [paths.fold_predictions, paths.test_predictions, paths.holdout_predictions, paths.run_record]
        if isinstance(self.experiment, EmbeddingExperiment):
            kinds.append(paths.embeddings)
        return [path(self.job.model, self.job.fold) for path in kinds]

    def origin(self) -> dict[str, Any]:
        """What a prediction file says of its origin, as hashes."""
        networks = self.depends_on.networks if self.depends_on else None
        folds, data = self.tables.folds.fingerprint, self.tables.fingerprint
        extra = {"extra": self.extra.fingerprint} if self.extra else {}
        return {"experiment": self.experiment.hash, "folds": folds, "data": data, "depends_on": networks, **extra}

    def made_from(self) -> dict[str, Any]:
        """What the fold is made from, images and weights apart: settings, classes and hashes."""
        made_from = {**self.origin(), "classes": list(self.classes), "fold": self.job.fold, "settings": self.experiment.training_settings}
        return {key: value for key, value in made_from.items() if key != "experiment"}  # its hash counts the settings of prediction too

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that are predicted."""
        return tuple(self.competition.classes[column] for column in self.columns)

    def images(self, verify: bool = False) -> dict[str, Cache | CropCache]:
        """The caches of the images that the network sees: "train", "test" and its extra rows' split; none for a model without images.

        Args:
            verify: check the pixels of every row too; damaged rows are read again.

        Raises:
            DataError: image files are missing or unreadable.
        """
        if not isinstance(self.experiment, NetworkExperiment):
            return {}
        splits = splits_of(self.experiment)
        return {split: prepare_images(self.competition, self.paths, split, self.experiment, verify) for split in splits}

    def provenance(self, **more: Any) -> Provenance:
        """Where the out-of-fold predictions come from; `more` holds the fields that depend on the trainer."""
        embedder = self.experiment.embedder_hash if isinstance(self.experiment, EmbeddingExperiment) else None
        return Provenance(
            embedder=embedder,
            competition=self.competition.name, model=self.job.model, kind="oof", fold=self.job.fold, classes=self.classes,
            **self.origin(), **more,
        )  # fmt: skip

    def identities(self) -> NDArray[np.int64]:
        """(N,) numbers, equal for images of one identity: of one group, or with the same set of labels.

        With extra rows (N + M,): theirs follow. Such a row is of the group of its own or of its sources; if it has several, or none, it is
        an identity of its own.
        """
        labels, groups = self.labels, self.tables.folds.group
        if self.extra:
            labels = np.concatenate([labels, self.extra.table.labels[:, self.columns]])
            groups = (*groups, *self.extra.identity)
        asked = self.experiment.identity if isinstance(self.experiment, MetricExperiment) else "auto"
        if asked == "labels" or (asked == "auto" and self.competition.groups is None):
            return np.unique(labels, axis=0, return_inverse=True)[1].ravel()
        return np.unique(groups, return_inverse=True)[1]


def segmenter_of(competition: Competition) -> Weights:
    """The packaged segmenter for a competition's images."""
    assert competition.images is not None
    return segmenter_weights(competition.images.channels)


def extra_rows_of(competition: Competition, paths: Paths, name: str, folds: FoldMap, fold: int, near: Pairs) -> TrainOnlyRows:
    """The extra rows of a set, and which of them a fold may be trained on.

    Args:
        near: which of them are near-duplicates of train images.

    Raises:
        DataError: there is no such set, or its table does not fit the train table.
    """
    table = read_extra(competition, paths, name)
    table.check_ids(folds.ids, paths.extra(name) / TABLE)
    table.check_folds(folds.count, paths.extra(name) / TABLE)
    return TrainOnlyRows.of(table, folds, fold, near)


def columns_of(competition: Competition, experiment: Experiment, labels: NDArray[np.bool_]) -> list[int]:
    """The classes that the experiment predicts, as columns of `labels` (N, C), in the competition's order.

    Raises:
        ConfigError: a class that the competition does not have.
    """
    if experiment.labels is None:
        return list(range(len(competition.classes)))
    try:
        if isinstance(experiment.labels, Top):
            return competition.labels.most_frequent(labels, experiment.labels.top)
        return sorted(set(competition.labels.columns(experiment.labels)))
    except ConfigError as error:
        raise ConfigError(f"labels of {experiment.model}: {error.what}", error.then) from None


def input_channels_of(competition: Competition, experiment: NetworkExperiment) -> InputChannels:
    """What the experiment's network sees of the competition's channels.

    Raises:
        ConfigError: the competition has no images, or not such a channel.
    """
    if competition.images is None:
        raise ConfigError(f"competition {competition.name} has tables and no images", "import predictions with: make import")
    recipe = registry.build("channels", experiment.channels)
    found: InputChannels = recipe.of(competition.images.channels, f"configs/models/{experiment.model}.yaml")
    return found
