"""What a plan needs of a fold: its inputs, without a fold map, a cache or files of other models where these are not made yet."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.paths import Paths
from comp.base.processes import cores
from comp.competition.competition import Competition
from comp.competition.experiments.channels_experiment import ChannelsExperiment
from comp.competition.experiments.dependent_experiment import SEGMENTER, CascadeExperiment, DependentExperiment
from comp.competition.experiments.embedding_experiment import EmbeddingExperiment
from comp.competition.experiments.experiment import Experiment, NetworkExperiment
from comp.competition.experiments.load import load_experiment
from comp.competition.image_cache import SPLITS, image_files, splits_of
from comp.competition.tables import read_groups, read_test_ids, read_train
from comp.folds.competition_folds import check_plan
from comp.folds.fold_map import HOLDOUT, FoldMap
from comp.images.cache import bytes_of_cache, open_cache
from comp.images.input_channels import Images
from comp.images.problems import Files, missing_files
from comp.images.read import one_thread_an_image, read_image, resize
from comp.inference.weights import Weights
from comp.training.fold_inputs import Dependencies, FoldInputs, TrainingTables, columns_of, extra_rows_of, segmenter_of
from comp.training.fold_job import FoldJob

READ_PER_CORE = 8  # images that are read to find out how long it takes
NO_NETWORK = "0" * 16  # stands for the hash of a network that is not trained yet


def planned_inputs(job: FoldJob, experiment: NetworkExperiment, root: Path) -> FoldInputs:
    """The inputs of a fold whose files would lie below `root`. Of its extra rows, near-duplicates of held-out images are not looked for.

    Raises:
        DataError: there are no tables; the message says how to get them.
        FoldError: the present fold map is none, or of another table.
    """
    competition, _, paths = job.load()
    ids, labels = read_train(competition, paths)
    tables = TrainingTables(ids, labels, read_test_ids(competition, paths), _folds(competition, paths, ids))
    columns = columns_of(competition, experiment, labels)
    extra = extra_rows_of(competition, paths, experiment.extra, tables.folds, job.fold, near=()) if experiment.extra else None
    return FoldInputs(
        job, competition, experiment, Paths(competition.name, root), tables, columns, _vectors(competition, experiment, tables), extra
    )


def _folds(competition: Competition, paths: Paths, ids: tuple[str, ...]) -> FoldMap:
    """The fold map; before there is one, folds of equal sizes."""
    if paths.folds().exists():
        return FoldMap.read(paths.folds()).in_order(ids)
    check_plan(competition)
    fold = (np.arange(len(ids)) % competition.folds.count).astype(np.int8)
    fold[: int(len(ids) * competition.folds.holdout)] = HOLDOUT
    return FoldMap(ids, fold, read_groups(competition, paths, ids) or ids)


def _vectors(competition: Competition, experiment: NetworkExperiment, tables: TrainingTables) -> Dependencies | None:
    """Random vectors in place of the embeddings of other models, and untrained networks in place of those that draw maps."""
    if not isinstance(experiment, DependentExperiment):
        return None
    models = [load_experiment(model, competition) for model in experiment.embeddings]
    width = sum(model.embedding for model in models if isinstance(model, EmbeddingExperiment))
    rows = {"train": len(tables.ids), "test": len(tables.test_ids)}
    named = experiment.maps if isinstance(experiment, CascadeExperiment) else ()
    known = {each.model: each for each in models}
    maps = [segmenter_of(competition) if name == SEGMENTER else _untrained(competition, known[name]) for name in named]
    vectors = {split: unit_vectors(rows[split], width) for split in SPLITS}
    return Dependencies(vectors, dict.fromkeys(experiment.embeddings, NO_NETWORK), tuple(maps))


def _untrained(competition: Competition, experiment: Experiment) -> Weights:
    """The network of an experiment that draws channels, before it is trained."""
    from comp.training import channels_trainer  # imported here: other models need no package for U-Nets

    assert isinstance(experiment, ChannelsExperiment)
    assert competition.images is not None
    count = len(competition.images.channels)
    return channels_trainer.described(experiment, channels_trainer.build_model(experiment, "scratch", channels_trainer.unit_moments(count)))


def unit_vectors(count: int, width: int) -> NDArray[np.float32]:
    """(count, width) random vectors of length 1."""
    drawn = np.random.default_rng(0).standard_normal((count, width), np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@dataclass(frozen=True)
class PlanImages:
    """The train images at the size of an experiment.

    Attributes:
        cache: the folder of their cache, if it is complete.
        file: in place of it, pixels of some images, and zeros for the others: a file with holes.
        shape: (N, size, size, C).
        bytes: of the caches of train images, test images and extra rows, `missing_bytes` of them not written yet.
        missing: how many of these images are not in a cache yet.
        seconds: the time in which one of them is read, on all cores; None if none is missing, or their files are not there.
    """

    cache: Path | None
    file: Path
    shape: tuple[int, int, int, int]
    bytes: int
    missing_bytes: int
    missing: int
    seconds: float | None

    def open(self) -> Images:
        """(N, size, size, C), read-only."""
        return open_cache(self.cache).images if self.cache else np.memmap(self.file, np.uint8, "r", shape=self.shape)


def planned_images(competition: Competition, experiment: NetworkExperiment, folder: Path) -> PlanImages:
    """The train images of a competition; `folder` is for the file in place of a cache."""
    paths, images, size = Paths(competition.name), competition.images, experiment.size
    assert images is not None
    files = {split: image_files(competition, paths, split) for split in splits_of(experiment)}
    missing = [split for split in files if not _is_cached(paths.cache(split, size), files[split])]
    shape = (len(files["train"]), size, size, len(images.channels))
    file = folder / "images.u8"
    chosen = [(split, row) for split in files for row in _spread(len(files[split]), READ_PER_CORE * cores())]
    some = {(split, row): _nth(files[split], row) for split, row in chosen if split in missing}
    seconds = None
    if "train" in missing:
        pixels = np.memmap(file, np.uint8, "w+", shape=shape)
        generator = np.random.default_rng(0)
        for row in _spread(shape[0], READ_PER_CORE * cores()):
            pixels[row] = generator.integers(0, 256, shape[1:], np.uint8)
    if some and not missing_files({str(key): each for key, each in some.items()}):
        started = monotonic()
        with one_thread_an_image(), ThreadPoolExecutor(cores()) as pool:
            read = list(pool.map(lambda each: _pixels(each, competition, size), some.values()))
        seconds = (monotonic() - started) / len(some)
        for (split, row), image in zip(some, read, strict=True):
            if split == "train":
                pixels[row] = image
    cache = None if "train" in missing else paths.cache("train", size)
    every, count = sum(map(len, files.values())), sum(len(files[split]) for split in missing)
    return PlanImages(
        cache, file, shape, bytes_of_cache(every, size, shape[-1]), bytes_of_cache(count, size, shape[-1]), count, seconds
    )  # fmt: skip


def _is_cached(folder: Path, files: Files) -> bool:
    try:
        cache = open_cache(folder)
    except DataError:
        return False
    return cache.ids == tuple(files) and bool(cache.records["stamp"].all())


def _spread(count: int, most: int) -> list[int]:
    """Up to `most` evenly spaced numbers below `count`."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(int)).tolist()


def _nth(files: Files, row: int) -> Sequence[Path]:
    return list(files.values())[row]


def _pixels(files: Sequence[Path], competition: Competition, size: int) -> NDArray[np.uint8]:
    """(size, size, C) as a cache holds them."""
    assert competition.images is not None
    channels = read_image(files, len(competition.images.channels), competition.images.levels).channels
    return np.asarray(cv2.merge([resize(channel, size) for channel in channels]), np.uint8).reshape(size, size, -1)
