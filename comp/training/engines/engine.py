"""What all engines share. An engine is a module `comp.training.engines.<name>_engine` with

- `check(jobs)`: raises CompError if it cannot train them, before any work;
- `train(jobs, options)`: trains jobs that `prepare` has checked. The first error stops those that have not started; folds under way are
  finished, and complete folds stay. Ctrl-C stops at once. The same command then goes on from the last checkpoints.
"""

import importlib
from dataclasses import dataclass
from types import ModuleType

from comp.base.errors import ConfigError
from comp.base.missing_packages import install
from comp.competition.experiments.dependent_experiment import DependentExperiment
from comp.training.fold_job import FoldJob

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class EngineOptions:
    """How an engine trains.

    Attributes:
        workers: folds trained side by side at most; None: as many as there is room for.
        ship: copy what a fold needs to the node that trains it, even if the node sees this folder; only for engines with nodes.
    """

    workers: int | None = None
    ship: bool = False


def engine_of(name: str) -> ModuleType:
    """The engine of this name.

    Raises:
        ConfigError: there is none, or the package it needs is not installed.
    """
    if name not in ENGINES:
        raise ConfigError(f"there is no engine {name!r}", f"choose one of: {', '.join(ENGINES)}")
    try:
        return importlib.import_module(f"comp.training.engines.{name}_engine")
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigError(f"ENGINE={name} needs the Python package {name!r}, which is not installed", install([name])) from None


def in_stages(jobs: list[FoldJob]) -> list[list[FoldJob]]:
    """The jobs in stages, each of which needs the files of the earlier ones alone: models that depend on others come last."""
    depends = [isinstance(job.load()[1], DependentExperiment) for job in jobs]
    stages = [[job for job, later in zip(jobs, depends, strict=True) if later == stage] for stage in (False, True)]
    return [stage for stage in stages if stage]
