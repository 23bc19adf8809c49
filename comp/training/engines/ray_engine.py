"""The engine on Ray: a task for each fold, on the cluster that RAY_ADDRESS names, else on this machine.

Ray's own retries are off. This module makes the attempts, so that they are seen, and so that an attempt on another node is given the files
that have come back so far.
"""

import os
import pickle
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from comp.base.errors import CompError
from comp.training.engines import ray_copy, ray_node
from comp.training.engines.demand import demand_of
from comp.training.engines.engine import EngineOptions, in_stages
from comp.training.engines.fold_table import FAILED, FINISHED, RUNNING, STOPPED, WAITING, FoldTable
from comp.training.engines.quiet_ray import NodeAffinitySchedulingStrategy, exceptions, ray
from comp.training.engines.ray_cluster import ADDRESS, GB, Cluster, connected
from comp.training.engines.ray_fold import Fold, Token, token
from comp.training.engines.shipping import Incoming
from comp.training.fold_job import FoldJob

ATTEMPTS = 4
AHEAD = 8  # messages of a fold that wait to be read
SECONDS = 0.5
BRIEF = 0.05  # seconds
PATIENCE = 10.0  # seconds


def check(jobs: list[FoldJob]) -> None:
    """Raise CompError if RAY_ADDRESS names no cluster that answers, or one that has no node large enough for a job."""
    if os.environ.get(ADDRESS):
        with connected() as cluster:
            cluster.check_fits(jobs)


def train(jobs: list[FoldJob], options: EngineOptions) -> None:
    """Train the jobs as tasks of Ray, as `comp.training.engines.engine` says."""
    with connected() as cluster, token() as made:
        cluster.check_fits(jobs)
        folds = [Fold(job) for job in jobs]
        table = FoldTable([fold.state for fold in folds])
        crew = Crew(cluster, options, made, table)
        by_job = dict(zip(jobs, folds, strict=True))
        for stage in in_stages(jobs):
            crew.train([by_job[job] for job in stage])


@dataclass
class Crew:
    """Trains folds of one stage after another."""

    cluster: Cluster
    options: EngineOptions
    token: Token
    table: FoldTable

    def __post_init__(self) -> None:
        for module in (ray_node, ray_copy):
            ray.cloudpickle.register_pickle_by_value(module)
        self.source = None
        if self.options.ship or os.environ.get(ADDRESS):
            here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            options = {"num_cpus": 0, "scheduling_strategy": here, "max_restarts": -1, "max_task_retries": -1}
            self.source = ray.remote(ray_copy.Source).options(**options).remote()
        self.messages: queue.Queue[tuple[Fold, Any, Any]] = queue.Queue(AHEAD)
        self.followers: list[threading.Thread] = []

    def train(self, folds: list[Fold]) -> None:
        """Train independent folds.

        Raises:
            CompError: the first error of a fold; then all folds under way are finished.
        """
        waiting, running = list(folds), list[Fold]()
        error: Exception | None = None
        try:
            while waiting or running:
                while waiting and len(running) < (self.options.workers or len(folds)):
                    running.append(waiting.pop(0))
                    self._start(running[-1])
                self.table.show()
                with suppress(queue.Empty):
                    fold, stream, message = self.messages.get(timeout=SECONDS)
                    if fold.stream is not stream:
                        continue  # of an attempt that is over
                    try:
                        over = self._handle(fold, message)
                    except Exception as raised:
                        over, error = True, error or raised
                        fold.state.state = FAILED
                        self._stop(fold, waiting, running)
                        waiting = []
                    if over:
                        fold.close()
                        running.remove(fold)
        finally:
            for fold in running:
                if fold.stream is not None:
                    ray.cancel(fold.stream)
                fold.close()
            self._end()
        self.table.show(now=True)
        if error:
            raise error

    def _start(self, fold: Fold) -> None:
        """Give an attempt of a fold to Ray, which starts it where and when there is room."""
        demand = demand_of(fold.experiment, self.cluster.has_gpus)
        memory = {"memory": int(demand.memory_gb * GB)} if demand.memory_gb else {}
        remote = ray.remote(ray_node.train).options(
            num_cpus=demand.cpus, num_gpus=demand.gpus, max_retries=0, scheduling_strategy="SPREAD",
            _generator_backpressure_num_objects=AHEAD, **memory,
        )  # fmt: skip
        task = fold.task(self.token, self.options.ship, sends=self.source is not None, gpus=demand.gpus or 0)
        fold.stream = remote.remote(task, self.source)
        self.followers.append(threading.Thread(target=self._follow, args=(fold, fold.stream), daemon=True))
        self.followers[-1].start()

    def _follow(self, fold: Fold, stream: Any) -> None:
        """Put what a task yields into the queue, and its error if it ends by one."""
        try:
            for ref in stream:
                self.messages.put((fold, stream, ray.get(ref)))
        except Exception as error:
            self.messages.put((fold, stream, error))

    def _end(self) -> None:
        """Wait until no thread asks Ray for messages: while Ray shuts down, that would crash."""
        last = time.monotonic() + PATIENCE
        while any(thread.is_alive() for thread in self.followers) and time.monotonic() < last:
            with suppress(queue.Empty):
                self.messages.get(timeout=BRIEF)
        self.followers.clear()

    def _handle(self, fold: Fold, message: Any) -> bool:
        """Do what a message says; true if the fold is over."""
        state = fold.state
        match message:
            case ("node", node, copied):
                state.state, state.node = RUNNING, self.cluster.name(node)
                if copied:
                    fold.incoming = Incoming(fold.job)
            case ("fetching", here, total):
                state.detail = f"fetching {here / GB:.1f} of {total / GB:.1f} GB"
            case ("line", line):
                self.table.say(line)
            case ("file", name) if fold.incoming:
                fold.incoming.begin(name)
            case ("piece", piece) if fold.incoming:
                fold.incoming.add(piece)
            case ("whole", _) if fold.incoming:
                fold.incoming.end()
            case ("gone", name) if fold.incoming:
                fold.incoming.remove(name)
            case ("ended", 0, _, _):
                state.state = FINISHED
                return True
            case ("ended", _, bytes() as error, _):
                raise pickle.loads(error)
            case ("ended", int(code), _, _) if code < 0:
                return self._try_again(fold, f"its process was killed (signal {-code})")
            case ("ended", code, _, said):
                what = f"{fold.job.name} failed on {state.node} (code {code}: {' '.join(said.split())[-300:]})"
                raise CompError(what, "correct that, then type the command again")
            case exceptions.TaskCancelledError():
                state.state = STOPPED
                return True
            case exceptions.OutOfMemoryError():
                return self._try_again(fold, "memory ran out")
            case exceptions.WorkerCrashedError() | exceptions.NodeDiedError() | exceptions.ObjectLostError():
                return self._try_again(fold, "its node or process was lost")
            case exceptions.RayError():
                reason = message.cause if isinstance(message, exceptions.RayTaskError) else message
                what = f"{fold.job.name} failed on {state.node or 'Ray'} ({type(reason).__name__}: {' '.join(str(reason).split())[:300]})"
                raise CompError(what, "correct that, then type the command again")
            case Exception():
                raise message
        if message[0] != "fetching":
            state.detail = ""
        return False

    def _try_again(self, fold: Fold, reason: str) -> bool:
        """Start the next attempt.

        Raises:
            CompError: there were enough.
        """
        if fold.state.state == STOPPED:
            return True
        fold.close()
        if fold.state.attempt == ATTEMPTS:
            then = "if memory ran out, ask for more: resources: {memory_gb: ...}; the same command resumes from the last checkpoint"
            raise CompError(f"{fold.job.name} was tried {ATTEMPTS} times, and {reason}", then)
        self.table.say(f"{fold.job.name}: {reason}{f' on {fold.state.node}' if fold.state.node else ''}")
        fold.next_attempt()
        self._start(fold)
        return False

    def _stop(self, failed: Fold, waiting: list[Fold], running: list[Fold]) -> None:
        """Stop a fold that failed, and those that have not started."""
        for fold in waiting:
            fold.state.state = STOPPED
        for fold in running:
            if fold.stream is not None and (fold is failed or fold.state.state == WAITING):
                ray.cancel(fold.stream)
