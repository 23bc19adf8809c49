"""What a fold asks of a cluster: the `resources` of its experiment, with the defaults filled in."""

from comp.competition.experiments.experiment import Experiment, NetworkExperiment, Resources


def demand_of(experiment: Experiment, has_gpus: bool) -> Resources:
    """The resources of one fold; `gpus` and `cpus` are numbers.

    Args:
        has_gpus: whether the cluster has any. A network then gets one, unless its experiment says otherwise.
    """
    network = isinstance(experiment, NetworkExperiment)
    asked, threads = experiment.resources, experiment.train.threads if isinstance(experiment, NetworkExperiment) else 1
    gpus = int(network and has_gpus) if asked.gpus is None else asked.gpus
    return asked.model_copy(update={"gpus": gpus, "cpus": threads if asked.cpus is None else asked.cpus})
