"""Training one fold of a model, from its checkpoint if there is one, and writing its files: first its weights, then its predictions."""

import cv2
import numpy as np

from comp.base.files import remove_leftovers, write_json
from comp.base.locks import lock
from comp.base.progress import say
from comp.competition.experiments.dependent_experiment import DependentExperiment
from comp.competition.experiments.experiment import NetworkExperiment
from comp.inference.weights import WeightsFile
from comp.predictions.image_identity import ImageIdentity
from comp.training.checkpoint_file import what_it_holds
from comp.training.curve import validation_seconds
from comp.training.fold_inputs import FoldInputs, input_channels_of
from comp.training.fold_job import FoldJob
from comp.training.fold_outputs import circumstances, versions, write_fold
from comp.training.fold_weights import finished_weights, write_weights
from comp.training.is_complete import check_places, is_complete
from comp.training.made_otherwise import what_differs
from comp.training.predict_fold import check_images, neighbours_vote, network_predicts, prediction_bar
from comp.training.trainer import FoldData, Run, trainer_of


def train_fold(job: FoldJob, slot: int = 0) -> None:
    """Train, predict and write the files of one fold, unless they are complete already.

    Finished files that were made otherwise, and a checkpoint that was, are errors unless the job asks to replace them. A network that is
    trained already only predicts.

    Args:
        slot: the number of this process among those that train side by side; it decides the GPU and the line of the progress bar.
    """
    _, experiment, paths = job.load()
    with lock(paths.run(job.model, job.fold) / "lock", f"training of {job.name}"):
        inputs = FoldInputs.read(job)
        for path in (inputs.checkpoint, inputs.weights, inputs.voters, *inputs.files):
            remove_leftovers(path)
        check_places(inputs)
        source: str = trainer_of(experiment).initial_weights_source(experiment) if isinstance(experiment, NetworkExperiment) else ""
        if is_complete(inputs, source or None):
            say(f"{job.name}: complete, nothing to do")
            drop_checkpoint(inputs)
            return
        if isinstance(experiment, NetworkExperiment):
            cv2.setNumThreads(1)
            seen = ImageIdentity.of(inputs.images(verify=True))
            seen.keep(inputs.paths)
            trained_before = finished_weights(inputs, seen.hash, source)
            file = trained_before or train_network(inputs, experiment, source, slot, seen)
            drop_checkpoint(inputs)
            keep = job.keep or trained_before is not None
            with prediction_bar(inputs, slot) as bar:
                write_fold(inputs, network_predicts(inputs, experiment, file, slot, seen, bar.update), keep)
            if not keep:
                inputs.weights.unlink()
        elif isinstance(experiment, DependentExperiment):
            write_fold(inputs, neighbours_vote(inputs, experiment), job.keep)


def drop_checkpoint(inputs: FoldInputs) -> None:
    """Remove the checkpoint of a complete fold; one that was made otherwise stays, which is said."""
    found, now = what_it_holds(inputs.checkpoint), inputs.made_from()
    if found and (differs := what_differs(found["made_from"], now)):
        hours = f"{found['seconds'] / 3600:.2g} h of training"
        say(f"note: {inputs.checkpoint} holds {hours} that was done with {differs}; remove it if you need it no more")
    else:
        inputs.checkpoint.unlink(missing_ok=True)


def train_network(inputs: FoldInputs, experiment: NetworkExperiment, source: str, slot: int, seen: ImageIdentity) -> WeightsFile:
    """Train the network of one fold, from its checkpoint if there is one, and write its weights.

    Args:
        source: where its initial weights come from.
        seen: the images.
    """
    job, trainer = inputs.job, trainer_of(experiment)
    device = trainer.pick_device(slot)
    precision = trainer.precision(experiment, device)
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
        images=inputs.images()["train"].images,
        labels=inputs.labels,
        train=inputs.train_rows,
        channels=input_channels_of(inputs.competition, experiment),
        ids=inputs.tables.ids,
        identity=inputs.identities(),
        aux_features=inputs.depends_on.vectors["train"] if inputs.depends_on else None,
        held_out=np.flatnonzero(inputs.tables.folds.fold == job.fold),
    )
    trained = trainer.train(experiment, data, run)
    then = f"with the earlier ones back, the same command goes on from {inputs.checkpoint}; RESTART=1 trains with the present ones"
    check_images(inputs, seen, then)
    validated = validation_seconds(run.curve)
    write_json(inputs.paths.training_record(job.model, job.fold), {
        "device": trainer.device_name(device),
        "images_per_second": round(trained.images / trained.seconds, 1),
        "validation_seconds": round(validated, 1),
        "train_images": len(inputs.train_rows),
        "loss_by_epoch": trained.losses,
        "training_seconds": round(trained.seconds + validated, 1),
        "experiment": experiment.model_dump(mode="json"),
        **circumstances(trainer.VERSIONS),
    })  # fmt: skip
    provenance = inputs.provenance(
        seed=experiment.seed, threads=experiment.train.threads, precision=precision, initial_weights=source,
        checkpoint=trainer.CHECKPOINT, images=seen.hash,
    )  # fmt: skip
    made = provenance.model_copy(update={"kind": "weights", "experiment": None, "embedder": None})
    written = write_weights(inputs, trained.weights, made.model_dump(mode="json"))
    inputs.paths.fold_predictions(job.model, job.fold).unlink(missing_ok=True)  # of an earlier network, which RETRAIN=1 replaces
    return written
