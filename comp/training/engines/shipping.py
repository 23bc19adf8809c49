"""Files between this machine and the nodes of a cluster that do not see them: which a fold needs, and those that come back."""

import json
import os
import platform
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from comp.base.errors import CompError
from comp.base.files import atomic_write, hash_of
from comp.base.locks import lock
from comp.base.paths import HUB, SHIPPED, PackagePaths, Paths, code_root, config, configs, copied_competition, copied_data
from comp.cells.packaged import PACKAGED
from comp.competition.competition import Competition
from comp.competition.experiments.cell_experiment import CellExperiment
from comp.competition.experiments.dependent_experiment import SEGMENTER, CascadeExperiment, DependentExperiment
from comp.competition.experiments.experiment import Experiment, NetworkExperiment
from comp.competition.extra_rows import MANIFEST, TABLE
from comp.competition.image_cache import splits_of
from comp.training.engines.ray_copy import Files
from comp.training.fold_job import FoldJob


def copy_name() -> str:
    """The name of a copy of this project on a node."""
    return f"{Path.cwd().name[:40]}-{hash_of([platform.node(), str(Path.cwd())], digits=8)}"


def texts_of(competition: Competition) -> dict[str, str]:
    """Files that only a copy has: the competition's YAML, whose data folder lies in the copy, and the mark of a copy."""
    values = competition.model_dump(mode="json", exclude_unset=True, exclude={"name"})
    here = values | {"data": str(copied_data(competition.name))}
    return {str(copied_competition(competition.name)): json.dumps(here, ensure_ascii=False), SHIPPED: ""}


def shared_files(job: FoldJob) -> Files:
    """What a fold needs and never changes, by its name in the copy: library, YAMLs, tables, folds, image caches, embeddings, weights."""
    competition, experiment, paths = job.load()
    found = {str(file.relative_to(code_root())): file for file in PackagePaths(code_root()).code().rglob("*.py")}
    found |= {str(file): file for file in (config("models", model) for model in configs("models"))}
    if isinstance(experiment, CascadeExperiment) and SEGMENTER in experiment.maps:
        found[str(PACKAGED.relative_to(code_root()))] = PACKAGED
    for table in (competition.tables.train, competition.tables.test):
        found[str(copied_data(competition.name) / table)] = competition.folder(paths) / table
    found[str(paths.folds())] = paths.folds()
    found |= {str(file): file for pattern in paths.image_patterns() for file in Path().glob(pattern)}
    for file in needed_for(experiment, paths, job.fold):
        found[str(file)] = file
    if isinstance(experiment, NetworkExperiment) and experiment.initial_weights == "timm":
        from comp.models.timm_weights import cache_files

        found |= {f"{HUB}/{name}": file for name, file in cache_files(experiment.backbone).items()}
    return described(found)


def needed_for(experiment: Experiment, paths: Paths, fold: int) -> list[Path]:
    """The caches, extra rows, embeddings, networks that draw maps and initial weights of an experiment, all below the project's folder."""
    files = []
    if isinstance(experiment, NetworkExperiment):
        for split in splits_of(experiment):
            plan = experiment.plan.name if isinstance(experiment, CellExperiment) else None
            files += list((paths.crops(split, plan) if plan else paths.cache(split, experiment.size)).glob("*"))
        if experiment.extra:
            folder = paths.extra(experiment.extra)
            files += [folder / TABLE, *folder.glob(MANIFEST), paths.extra_duplicates(experiment.extra)]
        weights = Path(experiment.initial_weights)
        if weights.is_file() and not weights.is_absolute() and ".." not in weights.parts:
            files.append(weights)
    if isinstance(experiment, DependentExperiment):
        files += [paths.embeddings(model, fold) for model in experiment.embeddings]
    if isinstance(experiment, CascadeExperiment):
        files += [paths.weights(model, fold) for model in experiment.drawing]
    return files


def own_files(job: FoldJob) -> Files:
    """What the fold's earlier runs left, by its name in the copy: checkpoints, curves, weights, predictions."""
    patterns = Paths(job.competition).fold_patterns(job.model, job.fold)
    files = (file for pattern in patterns for file in Path().glob(pattern) if file.is_file())
    return described({str(file): file for file in files if not file.name.startswith(("lock", "."))})


def described(files: dict[str, Path]) -> Files:
    found = {}
    for name, file in files.items():
        status = file.stat()
        found[name] = (str(file.absolute()), status.st_size, status.st_mtime_ns)
    return found


class Incoming:
    """The files of one fold that come back from a node, and the lock on that fold as long as they may come.

    A file takes its place when it is whole. What a node that died has sent in part is removed by `close`.
    """

    def __init__(self, job: FoldJob) -> None:
        paths = Paths(job.competition)
        self._allowed = (paths.run(job.model, job.fold), paths.model(job.model), paths.oof())
        self._locked, self._file = ExitStack(), ExitStack()
        self._locked.enter_context(lock(paths.run(job.model, job.fold) / "lock", f"training of {job.name} on a cluster"))
        self._to: IO[bytes] | None = None

    def begin(self, name: str) -> None:
        self._to = self._file.enter_context(atomic_write(self._path(name)))

    def add(self, piece: bytes) -> None:
        assert self._to is not None
        self._to.write(piece)

    def end(self) -> None:
        self._to = None
        self._file.close()

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def close(self) -> None:
        """Give up a file that is not whole, and the lock."""
        if self._to is not None:
            self._to = None
            gone = CompError("the node was lost", "wait for the next attempt")
            self._file.__exit__(type(gone), gone, None)
        self._locked.close()

    def _path(self, name: str) -> Path:
        path = Path(name)
        if path.parent not in self._allowed:
            raise CompError(f"a node sent {os.fspath(path)!r}, which is no file of this fold", "use a cluster that you trust")
        return path
