"""What a fold asks of a cluster: the `resources` of its experiment, with the defaults filled in."""

from comp.competition.experiments.experiment import Experiment, NetworkExperiment, Resources


def demand_of(experiment: Experiment, has_gpus: bool) -> Resources:
    """The resources of one fold; `gpus` and `cpus` are numbers.

    Args:
        has_gpus: whether the cluster has any. A network then gets as many as `train.devices`, unless its experiment says otherwise.
    """
    asked, gpus, cpus = experiment.resources, 0, 1
    if isinstance(experiment, NetworkExperiment):
        gpus = experiment.devices if has_gpus else 0
        cpus = experiment.devices * experiment.train.threads
    return asked.model_copy(update={"gpus": gpus if asked.gpus is None else asked.gpus, "cpus": cpus if asked.cpus is None else asked.cpus})
