"""The networks of a model that draws channels, of all folds that are trained."""

from collections.abc import Callable

from comp.base.errors import ConfigError, PredictionError
from comp.competition.experiments.channels_experiment import ChannelsExperiment
from comp.competition.experiments.load import load_experiment
from comp.inference.channel_generator import ChannelGenerator, load_generator
from comp.inference.tensor_file import read_about
from comp.predictions.task import Task


def trained_generators(task: Task, model: str, done: Callable[[int], object] = lambda images: None) -> dict[int, ChannelGenerator]:
    """Fold -> its network, for all folds whose weights are there.

    Args:
        done: told after each batch how many images it had.

    Raises:
        ConfigError: the competition has no images, or the model draws no channels.
        PredictionError: no fold is trained, or one was trained on another fold map or train table, for another fold, or at another size.
    """
    name = task.competition.name
    if task.competition.images is None:
        raise ConfigError(f"competition {name} has tables and no images", "name another one with COMP=")
    if not isinstance(load_experiment(model, task.competition), ChannelsExperiment):
        raise ConfigError(f"{model} draws no channels", "name a model with `trainer: channels`, such as MODEL=channels-unet")
    again = f"make model COMP={name} MODEL={model}"
    paths = {fold: task.paths.weights(model, fold) for fold in range(task.folds.count)}
    there = {fold: path for fold, path in paths.items() if path.exists()}
    if not there:
        raise PredictionError(f"{model} has no trained network in {task.paths.model(model)}", f"train it: {again}")
    for fold, path in there.items():
        made = (read_about(path) or {"provenance": {}})["provenance"]
        if made and (made.get("folds"), made.get("data")) != (task.folds.fingerprint, task.data):
            raise PredictionError(f"{path} was trained on another fold map or train table", f"train it again: {again} RETRAIN=1")
        if made and (made.get("model"), made.get("fold")) != (model, fold):
            what = f"{path} was trained as fold {made.get('fold')} of {made.get('model')}"
            raise PredictionError(what, f"train it again: {again} RETRAIN=1")
    found = {fold: load_generator(path, f"train it again: {again} RETRAIN=1", done) for fold, path in there.items()}
    if len(sizes := {generator.size for generator in found.values()}) > 1:
        what = f"the folds of {model} draw images of {' and '.join(map(str, sorted(sizes)))} px"
        raise PredictionError(what, f"train all of them alike: {again} RETRAIN=1")
    return found
