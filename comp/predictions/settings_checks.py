"""Whether the YAMLs of models are still those they were trained with."""

from collections.abc import Sequence

from comp.base.errors import ConfigError
from comp.base.schema import differences, read_yaml
from comp.competition.experiments.load import load_experiment
from comp.predictions.model_files import provenance_of
from comp.predictions.task import Task

NAMED = 5  # settings in a line


def changed_settings(task: Task, models: Sequence[str]) -> list[str]:
    """A line for each model whose YAML has other settings than it was trained with, by SET or because the YAML has changed since.

    Imported models, and models whose YAML is not here any more, are left out.
    """
    lines = []
    for model in models:
        made = provenance_of(task, model)
        try:
            experiment = load_experiment(model, task.competition, root=task.paths.root)
        except ConfigError:
            continue
        if made.experiment in (None, experiment.hash):
            continue
        try:
            changed = differences(read_yaml(task.paths.experiment(model)), experiment.model_dump(mode="json"))
        except ConfigError as error:
            changed = [f"settings that are not known any more ({error.what})"]
        more = ", ..." if len(changed) > NAMED else ""
        what = ", ".join(changed[:NAMED]) + more or "other settings"
        lines.append(f"note: {model} was trained with {what} (its YAML has changed, or SET was used); the stack takes it as it was trained")
    return lines
