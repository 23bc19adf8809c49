"""Training the network of one fold and writing its weights, by one process or by several together."""

from dataclasses import replace
from multiprocessing.connection import wait

import numpy as np

from comp.base.errors import CompError
from comp.base.files import write_json
from comp.base.processes import beside, follow_parent
from comp.base.progress import say
from comp.competition.experiments.experiment import NetworkExperiment
from comp.competition.extra_rows import split_of
from comp.images.input_channels import Images
from comp.images.joined_images import JoinedImages
from comp.inference.weights import WeightsFile
from comp.predictions.image_identity import ImageIdentity
from comp.training.curve import validation_seconds
from comp.training.fold_inputs import FoldInputs, input_channels_of
from comp.training.fold_job import FoldJob
from comp.training.fold_outputs import circumstances, versions
from comp.training.fold_weights import write_weights
from comp.training.predict_fold import check_images
from comp.training.trainer import FoldData, Run, Trained, trainer_of

SECONDS_TO_END = 5.0  # a process that failed has ended by then


def train_network(
    inputs: FoldInputs, experiment: NetworkExperiment, source: str, place: tuple[int, int], seen: ImageIdentity
) -> WeightsFile:
    """Train the network of one fold, from its checkpoint if there is one, and write its weights.

    Args:
        source: where its initial weights come from.
        place: the slot, which is the line of the progress bar, and the number of the GPU.
        seen: the images.
    """
    slot, gpu = place
    job, trainer = inputs.job, trainer_of(experiment)
    device = trainer.pick_device(gpu)
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
        processes=experiment.devices,
    )  # fmt: skip
    if inputs.extra:
        say(f"{job.name} is also trained on {inputs.extra}")
    trained = _trained(inputs, experiment, run, gpu)
    then = f"with the earlier ones back, the same command goes on from {inputs.checkpoint}; RESTART=1 trains with the present ones"
    check_images(inputs, seen, then)
    validated = validation_seconds(run.curve)
    write_json(inputs.paths.training_record(job.model, job.fold), {
        "device": trainer.device_name(device),
        "images_per_second": round(trained.images / trained.seconds, 1),
        "validation_seconds": round(validated, 1),
        "train_images": len(inputs.train_rows),
        **({} if inputs.extra is None else {"extra_images": len(inputs.extra.rows)}),
        "loss_by_epoch": trained.losses,
        **({} if trained.skipped is None else {"skipped_steps": trained.skipped}),
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


def fold_data(inputs: FoldInputs, experiment: NetworkExperiment, images: Images, extra: Images | None = None) -> FoldData:
    """What the network of a fold is trained on.

    Args:
        images: (N, size, size, C), all of the train table.
        extra: (M, size, size, C), all of the set of extra rows, if the experiment has one.
    """
    data = FoldData(
        images=images,
        labels=inputs.labels,
        train=inputs.train_rows,
        channels=input_channels_of(inputs.competition, experiment),
        ids=inputs.tables.ids,
        identity=inputs.identities(),
        aux_features=inputs.depends_on.vectors["train"] if inputs.depends_on else None,
        maps=inputs.depends_on.maps if inputs.depends_on else (),
        held_out=np.flatnonzero(inputs.tables.folds.fold == inputs.job.fold),
    )
    return data if extra is None else _with_extra_rows(data, inputs, extra)


def _with_extra_rows(data: FoldData, inputs: FoldInputs, images: Images) -> FoldData:
    """The same with the extra rows that the fold may be trained on."""
    assert inputs.extra is not None
    own, table = len(data.labels), inputs.extra.table
    return replace(
        data,
        images=JoinedImages(data.images, images),
        labels=np.concatenate([data.labels, table.labels[:, inputs.columns]]),
        train=np.concatenate([data.train, own + inputs.extra.rows]),
        ids=(*data.ids, *table.ids),
        table=own,
    )


def _cached_data(inputs: FoldInputs, experiment: NetworkExperiment) -> FoldData:
    caches = inputs.images()
    extra = caches[split_of(experiment.extra)].images if experiment.extra else None
    return fold_data(inputs, experiment, caches["train"].images, extra)


def _trained(inputs: FoldInputs, experiment: NetworkExperiment, run: Run, gpu: int) -> Trained:
    """Train, together with other processes if the experiment asks for several devices."""
    run.rendezvous.unlink(missing_ok=True)
    with beside(experiment.devices - 1, _follow, inputs.job, run, gpu) as others:
        try:
            data = _cached_data(inputs, experiment)
            trained: Trained = trainer_of(experiment).train(experiment, data, run)
        except RuntimeError:
            ended = wait([other.sentinel for other in others], SECONDS_TO_END)
            for other in others:
                if other.sentinel in ended:
                    other.join()  # its files are closed a little before it has an exit code
            if not any(other.exitcode for other in others):
                raise
            what = f"a process that trained {inputs.job.name} together with others ended too early"
            raise CompError(what, "see above why; the same command resumes from the last checkpoint") from None
    return trained


def _follow(rank: int, job: FoldJob, run: Run, gpu: int) -> None:
    """Train the network of a fold together with the process that leads, which writes everything."""
    follow_parent()
    experiment = job.load()[1]
    assert isinstance(experiment, NetworkExperiment)
    device = trainer_of(experiment).pick_device(gpu + rank)
    try:
        inputs = FoldInputs.read(job)
        data = _cached_data(inputs, experiment)
        trainer_of(experiment).train(experiment, data, replace(run, rank=rank, device=device))
    except CompError as error:
        say(f"process {rank} of {job.name}: {error}")
        raise SystemExit(2) from None
