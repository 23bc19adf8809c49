"""Training one fold of a model, from its checkpoint if there is one, and writing its prediction files."""

import cv2
import numpy as np
from numpy.typing import NDArray

from comp.base.errors import DataError
from comp.base.files import remove_leftovers
from comp.base.locks import lock
from comp.base.progress import say
from comp.competition.experiments.dependent_experiment import DependentExperiment
from comp.competition.experiments.experiment import NetworkExperiment
from comp.neighbours.votes import Voters
from comp.predictions.image_identity import ImageIdentity, changes
from comp.training.checkpoint_file import what_it_holds
from comp.training.curve import validation_seconds
from comp.training.fold_inputs import FoldInputs, input_channels_of
from comp.training.fold_job import FoldJob
from comp.training.fold_outputs import FoldResult, versions, write_fold
from comp.training.is_complete import check_places, is_complete
from comp.training.made_otherwise import what_differs
from comp.training.trainer import FoldData, Run, trainer_of


def train_fold(job: FoldJob, slot: int = 0) -> None:
    """Train, predict and write the files of one fold, unless they are complete already.

    Finished files that were made otherwise, and a checkpoint that was, are errors unless the job asks to replace them.

    Args:
        slot: the number of this process among those that train side by side; it decides the GPU and the line of the progress bar.
    """
    _, experiment, paths = job.load()
    with lock(paths.run(job.model, job.fold) / "lock", f"training of {job.name}"):
        inputs = FoldInputs.read(job)
        for path in (inputs.checkpoint, *inputs.files):
            remove_leftovers(path)
        check_places(inputs)
        source: str = trainer_of(experiment).initial_weights_source(experiment) if isinstance(experiment, NetworkExperiment) else ""
        if is_complete(inputs, source or None):
            say(f"{job.name}: complete, nothing to do")
            drop_checkpoint(inputs)
            return
        if isinstance(experiment, NetworkExperiment):
            write_fold(inputs, train_network(inputs, experiment, source, slot))
            inputs.checkpoint.unlink()
        elif isinstance(experiment, DependentExperiment):
            write_fold(inputs, neighbours_vote(inputs, experiment))


def drop_checkpoint(inputs: FoldInputs) -> None:
    """Remove the checkpoint of a complete fold; one that was made otherwise stays, which is said."""
    found, now = what_it_holds(inputs.checkpoint), inputs.made_from()
    if found and (differs := what_differs(found["made_from"], now)):
        hours = f"{found['seconds'] / 3600:.2g} h of training"
        say(f"note: {inputs.checkpoint} holds {hours} that was done with {differs}; remove it if you need it no more")
    else:
        inputs.checkpoint.unlink(missing_ok=True)


def train_network(inputs: FoldInputs, experiment: NetworkExperiment, source: str, slot: int) -> FoldResult:
    """Train the network of one fold, from its checkpoint if there is one.

    Args:
        source: where its initial weights come from.
    """
    job, trainer = inputs.job, trainer_of(experiment)
    cv2.setNumThreads(1)
    device = trainer.pick_device(slot)
    precision = trainer.precision(experiment, device)
    caches = inputs.images(verify=True)
    images, seen = {split: cache.images for split, cache in caches.items()}, ImageIdentity.of(caches)
    seen.keep(inputs.paths)
    vectors = inputs.depends_on.vectors if inputs.depends_on else {}
    train_rows = inputs.train_rows
    run = Run(
        fold=job.fold,
        device=device,
        checkpoint=inputs.checkpoint,
        made_from=inputs.made_from() | {
            "images": seen.hash, "precision": precision, "initial_weights": source, "versions": versions(trainer.VERSIONS),
        },
        initial_weights=source,
        minutes=job.checkpoint_minutes,
        position=slot,
        restart=job.restart,
    )  # fmt: skip
    data = FoldData(
        images=images["train"],
        labels=inputs.labels,
        train=train_rows,
        channels=input_channels_of(inputs.competition, experiment),
        ids=inputs.tables.ids,
        identity=inputs.identities(),
        aux_features=vectors.get("train"),
        held_out=np.flatnonzero(inputs.tables.folds.fold == job.fold),
    )
    trained = trainer.train(experiment, data, run)
    validated = validation_seconds(run.curve)

    def predict(split: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = trained.predict(images[split], rows, *([vectors[split]] if vectors else []))
        return logits

    def check_images() -> None:
        if what := changes(seen, ImageIdentity.of(inputs.images())):
            then = f"with the earlier ones back, the same command goes on from {inputs.checkpoint}; RESTART=1 trains with the present ones"
            raise DataError(f"images were replaced while {job.name} was trained ({what}), so nothing was written", then)

    return FoldResult(
        provenance=inputs.provenance(
            seed=experiment.seed, threads=experiment.train.threads, precision=precision, initial_weights=source, tta=experiment.tta,
            checkpoint=trainer.CHECKPOINT, images=seen.hash,
        ),
        predict=predict,
        check=check_images,
        embed=trained.embed and (lambda split: trained.embed(images[split])),
        seconds=trained.seconds + validated,
        record={
            "device": trainer.device_name(device),
            "images_per_second": round(trained.images / trained.seconds, 1),
            "validation_seconds": round(validated, 1),
            "train_images": len(train_rows),
            "loss_by_epoch": trained.losses,
        },
        packages=trainer.VERSIONS,
    )  # fmt: skip


def neighbours_vote(inputs: FoldInputs, experiment: DependentExperiment) -> FoldResult:
    """Let the nearest neighbours of each image vote, among the images that the fold's networks were trained on."""
    assert inputs.depends_on is not None
    vectors, train_rows = inputs.depends_on.vectors, inputs.train_rows
    labels = inputs.tables.labels[train_rows][:, inputs.columns]
    voters = Voters(vectors["train"][train_rows], labels, [inputs.tables.ids[row] for row in train_rows])

    def predict(split: str, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return voters.logits(vectors[split][rows], experiment.votes)

    return FoldResult(inputs.provenance(), predict, seconds=0.0, record={"train_images": len(train_rows)}, packages=("numpy",))
