"""The table of `make runs`, and what differs between the runs of two models."""

from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any

from comp.base.errors import ConfigError, PredictionError
from comp.base.schema import changed_values
from comp.base.text_table import aligned
from comp.competition.competition import Competition
from comp.competition.experiments.load import load_experiment
from comp.training.runs import FoldRun

WIDTH = 100
HEADS = ["model", "fold", "macro F1", "hours", "device", "finished, or epoch reached"]


def run_table(runs: Sequence[FoldRun], competition: Competition) -> str:
    """A line for each run. Below the folds of a model: in which settings they differ from its YAML. At the end: versions that differ."""
    head, *lines = aligned([HEADS, *map(_cells, runs)])
    table, left = [head], iter(lines)
    for (_, note), group in groupby(runs, lambda run: (run.model, _changed(run, competition))):
        table += [next(left) for _ in group]
        table += _wrapped(note)
    return "\n".join([*table, *_versions(runs)])


def difference_table(runs: Sequence[FoldRun], one: str, other: str) -> str:
    """Settings and versions that differ between the runs of two models, one a line; of each model the first finished fold counts.

    Raises:
        PredictionError: a model has no finished run.
    """
    first, second = (_finished(runs, model) for model in (one, other))
    settings = [change for change in changed_values(first.settings, second.settings) if change[0] != "model"]
    both = first.versions.keys() & second.versions.keys()
    versions = [(name, first.versions[name], second.versions[name]) for name in sorted(both)]
    differing = settings + [each for each in versions if each[1] != each[2]]
    heads = ["setting", *(f"{run.model} fold {run.fold}" for run in (first, second))]
    if not differing:
        return f"{heads[1]} and {heads[2]} have the same settings and versions"
    return "\n".join(aligned([heads, *(list(map(_text, change)) for change in differing)]))


def _finished(runs: Sequence[FoldRun], model: str) -> FoldRun:
    for run in runs:
        if run.model == model and run.epoch is None:
            return run
    raise PredictionError(f"no run of {model} is finished, so its settings are not known", "wait for its first fold")


def _cells(run: FoldRun) -> list[str]:
    score = "-" if run.score is None else f"{run.score:.3f}"
    date = run.date if run.epoch is None else f"epoch {run.epoch}, {run.date}"
    return [run.model, str(run.fold), score, f"{run.hours:.2f}", run.device.removeprefix("NVIDIA ") or "-", date]


def _changed(run: FoldRun, competition: Competition) -> str:
    """In which settings a run differs from its model's YAML; empty if in none, or if its settings are not known."""
    if not run.settings:
        return ""
    try:
        now = load_experiment(run.model, competition).model_dump(mode="json")
    except ConfigError as error:
        return f"its YAML cannot be read ({error.what})"
    changed = [f"{key}={_text(made)} (its YAML: {_text(value)})" for key, made, value in changed_values(run.settings, now)]
    return f"with {', '.join(changed)}" if changed else ""


def _versions(runs: Sequence[FoldRun]) -> list[str]:
    """For each package with several versions: which runs have which."""
    lines = []
    for name in sorted({name for run in runs for name in run.versions}):
        having = sorted((run.versions[name], run.model, run.fold) for run in runs if name in run.versions)
        if len({version for version, _, _ in having}) < 2:
            continue
        parts = []
        for version, same in groupby(having, lambda each: each[0]):
            of_model = ((model, [str(fold) for _, _, fold in group]) for model, group in groupby(same, lambda each: each[1]))
            named = [f"{model} {','.join(folds)}" for model, folds in of_model]
            parts.append(f"{version} ({'; '.join(named)})")
        lines += ["", *_wrapped(f"{name}: {', '.join(parts)}", indent="")]
    return lines


def _wrapped(text: str, indent: str = "    ") -> list[str]:
    return wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)


def _text(value: Any) -> str:
    return "-" if value is None else str(value)
