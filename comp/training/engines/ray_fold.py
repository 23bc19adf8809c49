"""One fold that a Ray cluster trains: its task, its attempts, and what comes back of it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from comp.base.files import write_text
from comp.base.paths import HUB, code_root, token_file
from comp.competition.experiments.experiment import NetworkExperiment
from comp.training.checkpoint_file import what_it_holds
from comp.training.engines.fold_table import WAITING, FoldState
from comp.training.engines.ray_node import Task
from comp.training.engines.shipping import Incoming, copy_name, own_files, shared_files, texts_of
from comp.training.fold_job import FoldJob

PASSED_ON = ("HF_HUB_OFFLINE",)  # variables that a fold's process gets from here


@dataclass(frozen=True)
class Token:
    """A file and its content, by which a node knows that it sees this project's folder."""

    path: Path
    secret: str


@contextmanager
def token() -> Iterator[Token]:
    """A token, which is removed in the end."""
    secret = secrets.token_hex(16)
    made = Token(token_file(secret[:8]), secret)
    write_text(made.path, secret)
    try:
        yield made
    finally:
        made.path.unlink(missing_ok=True)


class Fold:
    """A fold.

    Attributes:
        state: what the table shows of it.
        stream: what its present task yields; None if there is none.
        incoming: where its files go, if its node works in a copy.
    """

    def __init__(self, job: FoldJob) -> None:
        self.job = job
        self._competition, self.experiment, self._paths = job.load()
        network = self.experiment if isinstance(self.experiment, NetworkExperiment) else None
        self._threads = network.train.threads if network else 1
        self.state = FoldState(job.name, network.train.epochs if network else None, self._paths.curve(job.model, job.fold))
        self.stream: Any = None
        self.incoming: Incoming | None = None

    def task(self, token: Token, ship: bool, sends: bool, gpus: int) -> Task:
        """The present attempt, for a node.

        Args:
            ship: work in a copy in any case.
            sends: whether there is something that sends files to nodes that need them.
        """
        job, paths = self.job, self._paths
        environment = {"OMP_NUM_THREADS": str(self._threads), **{name: os.environ[name] for name in PASSED_ON if name in os.environ}}
        if not gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves all of them visible
        return Task(
            job=asdict(job),
            environment=environment,
            project=str(Path.cwd()),
            code=str(code_root()),
            token=str(token.path),
            secret=token.secret,
            ship=ship,
            name=copy_name(),
            texts=texts_of(self._competition),
            shared=shared_files(job) if sends else {},
            own=own_files(job) if sends else {},
            patterns=paths.fold_patterns(job.model, job.fold),
            added=paths.image_patterns(),
            last=str(paths.fold_predictions(job.model, job.fold)),
            hub=HUB,
        )

    def close(self) -> None:
        """The attempt is over."""
        self.stream = None
        if self.incoming:
            self.incoming.close()
            self.incoming = None

    def next_attempt(self) -> None:
        """Get ready for another attempt, which goes on from the files that are here."""
        job, state = self.job, self.state
        held = what_it_holds(self._paths.run(job.model, job.fold) / f"checkpoint.{self.experiment.trainer}")
        if held and "epochs" in held:
            state.resumed = f"from epoch {held['epochs'] + 1}"
        elif self._paths.weights(job.model, job.fold).exists() and not job.retrain:
            state.resumed = "from its weights"
        else:
            state.resumed = "from the start"
        state.state, state.node, state.detail = WAITING, "", ""
        state.attempt += 1
        state.begin()
