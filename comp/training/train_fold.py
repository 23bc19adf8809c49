"""Training one fold of a model, from its checkpoint if there is one, and writing its files: first its weights, then its predictions."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from comp.base.files import remove_leftovers
from comp.base.locks import lock
from comp.base.progress import say
from comp.competition.experiments.dependent_experiment import DependentExperiment
from comp.competition.experiments.experiment import NetworkExperiment
from comp.models.weight_sources import weights_source
from comp.predictions.image_identity import ImageIdentity
from comp.training.checkpoint_file import what_it_holds
from comp.training.fold_inputs import FoldInputs
from comp.training.fold_job import FoldJob
from comp.training.fold_outputs import write_fold
from comp.training.fold_weights import finished_weights
from comp.training.gpus import free_gpu
from comp.training.is_complete import check_places, is_complete
from comp.training.made_otherwise import what_differs
from comp.training.predict_fold import neighbours_vote, network_predicts, prediction_bar
from comp.training.train_network import train_network
from comp.training.trainer import trainer_of


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
        source = ""
        if isinstance(experiment, NetworkExperiment):
            source = weights_source(experiment.initial_weights, experiment.backbone, experiment.hub)
        if is_complete(inputs, source or None):
            say(f"{job.name}: complete, nothing to do")
            drop_checkpoint(inputs)
            return
        if isinstance(experiment, NetworkExperiment):
            cv2.setNumThreads(1)
            seen = ImageIdentity.of(inputs.images(verify=True))
            seen.keep(inputs.paths)
            trained_before = finished_weights(inputs, seen.hash, source)
            with first_gpu(experiment, slot) as gpu:
                file = trained_before or train_network(inputs, experiment, source, (slot, gpu), seen)
                drop_checkpoint(inputs)
                keep = job.keep or trained_before is not None
                with prediction_bar(inputs, slot) as bar:
                    write_fold(inputs, network_predicts(inputs, experiment, file, gpu, seen, bar.update), keep)
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


@contextmanager
def first_gpu(experiment: NetworkExperiment, slot: int) -> Iterator[int]:
    """The number of the GPU that a slot's fold trains on; the first of them if several train one network."""
    if experiment.devices > 1:
        yield slot * experiment.devices
        return
    with free_gpu(trainer_of(experiment).devices(), slot) as gpu:
        yield gpu
