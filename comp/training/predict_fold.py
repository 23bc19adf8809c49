"""What the trained network of a fold predicts: its held-out rows, the hold-out, the test images, and the embeddings of all."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.progress import LogBar
from comp.competition.experiments.cell_experiment import CellExperiment
from comp.competition.experiments.dependent_experiment import DependentExperiment
from comp.competition.experiments.embedding_experiment import EmbeddingExperiment
from comp.competition.experiments.experiment import NetworkExperiment
from comp.competition.image_cache import SPLITS
from comp.folds.fold_map import HOLDOUT
from comp.images.crops import CropCache
from comp.inference.fold import Network, TrainedFold, load_network
from comp.inference.weights import WeightsFile
from comp.metrics.logits import sigmoid
from comp.neighbours.votes import Voters
from comp.predictions.image_identity import ImageIdentity, changes
from comp.training.fold_inputs import FoldInputs
from comp.training.fold_outputs import Cells, FoldResult
from comp.training.run_record import read_record
from comp.training.trainer import prediction_settings, trainer_of


def prediction_bar(inputs: FoldInputs, slot: int) -> LogBar:
    """A progress bar over the images that a fold's network predicts."""
    tables, fold = inputs.tables, inputs.job.fold
    rows = len(tables.ids) if isinstance(inputs.experiment, EmbeddingExperiment) else np.isin(tables.folds.fold, (fold, HOLDOUT)).sum()
    label = f"{inputs.job.name}, predicting"
    return LogBar(desc=label, total=int(rows) + len(tables.test_ids), unit="img", position=slot, leave=False)


def network_predicts(
    inputs: FoldInputs, experiment: NetworkExperiment, file: WeightsFile, slot: int, seen: ImageIdentity, done: Callable[[int], object]
) -> FoldResult:
    """What a trained network predicts.

    Args:
        slot: decides the GPU.
        seen: the images it was trained on.
        done: told after each batch how many images it had.
    """
    settings, trainer = prediction_settings(experiment), trainer_of(experiment)
    network = load_network(file.weights, settings, slot, done)
    caches = inputs.images()
    images = {split: cache.images for split, cache in caches.items()}
    vectors, voters = dict(inputs.depends_on.vectors) if inputs.depends_on else {}, None
    if isinstance(experiment, EmbeddingExperiment):
        embedder = TrainedFold(experiment.trainer, settings, network)
        vectors = {split: embedder.embed(images[split]) for split in SPLITS}
    if vectors:
        voters = voters_of(inputs, vectors["train"])
    fold = TrainedFold(experiment.trainer, settings, network, voters)

    def predict(split: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return fold.logits(images[split], rows, vectors[split][rows] if vectors else None)

    def of_cells(split: str, rows: NDArray[np.int64]) -> Cells:
        cache = caches[split]
        assert isinstance(cache, CropCache)
        return cells_of(network, cache, rows)

    made = file.provenance
    known = {key: made[key] for key in ("seed", "threads", "precision", "initial_weights", "checkpoint", "images")}
    record = record_of_training(inputs)
    return FoldResult(
        provenance=inputs.provenance(tta=experiment.tta, **known),
        predict=predict,
        check=lambda: check_images(inputs, seen, f"put the earlier ones back to go on from {inputs.weights}, or train anew: RETRAIN=1"),
        embeddings=vectors if isinstance(experiment, EmbeddingExperiment) else None,
        voters=voters,
        cells=of_cells if isinstance(experiment, CellExperiment) else None,
        seconds=record.get("training_seconds", 0.0),
        record=record,
        packages=trainer.VERSIONS,
    )  # fmt: skip


def cells_of(network: Network, cache: CropCache, rows: NDArray[np.int64]) -> Cells:
    """What a network that sees cells says of each cell of some images: the row of the image, the cell's number, its probabilities."""
    bags = cache.images
    logits: NDArray[np.float32] = network.cells(bags, rows)  # type: ignore[attr-defined]
    return np.repeat(rows, bags.count[rows]), cache.cells[bags.places(rows)], sigmoid(logits).astype(np.float32)


def check_images(inputs: FoldInputs, seen: ImageIdentity, then: str) -> None:
    """Raise DataError if the images are not those that were there when the fold began."""
    if what := changes(seen, ImageIdentity.of(inputs.images())):
        what = f"images were replaced while {inputs.job.name} was trained ({what}), so nothing was written"
        raise DataError(what, then)


def record_of_training(inputs: FoldInputs) -> dict[str, Any]:
    """What is known of the training of a fold's network; empty if its records are lost, or are of other trainings."""
    paths, model, fold = inputs.paths, inputs.job.model, inputs.job.fold
    wanted = json.loads(json.dumps(inputs.experiment.training_settings))
    for path in (paths.training_record(model, fold), paths.run_record(model, fold)):
        record = read_record(path) or {}
        settings = {key: value for key, value in record.get("experiment", {}).items() if key not in inputs.experiment.of_prediction}
        if settings == wanted:
            return record
    return {}


def voters_of(inputs: FoldInputs, vectors: NDArray[np.float32]) -> Voters:
    """The images that the fold was trained on, which vote on others.

    Args:
        vectors: (N, D) of the train table.
    """
    rows = inputs.train_rows
    return Voters(vectors[rows], inputs.labels[rows], [inputs.tables.ids[row] for row in rows])


def neighbours_vote(inputs: FoldInputs, experiment: DependentExperiment) -> FoldResult:
    """Let the nearest neighbours of each image vote, among the images that the fold's networks were trained on."""
    assert inputs.depends_on is not None
    vectors = inputs.depends_on.vectors
    voters = voters_of(inputs, vectors["train"])
    fold = TrainedFold(experiment.trainer, prediction_settings(experiment), voters=voters)

    def predict(split: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return fold.logits(None, rows, vectors[split][rows])

    record = {"train_images": len(inputs.train_rows)}
    return FoldResult(inputs.provenance(), predict, seconds=0.0, record=record, packages=("numpy",), voters=voters)
