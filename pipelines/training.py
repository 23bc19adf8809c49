"""What training commands share: from a request to prediction files, one fold or several side by side."""

import multiprocessing
import os
import platform
import subprocess
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.queues import SimpleQueue
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from comp.competition import Competition, load_competition, read_test_ids, read_train
from comp.errors import CompError, ConfigError, FoldError, PredictionError
from comp.experiment import Experiment, load_experiment
from comp.files import hash_of, lock, write_json, write_text
from comp.folds import Folds
from comp.metrics import macro_f1
from comp.paths import Paths
from comp.predictions import Kind, Predictions, Provenance, data_fingerprint, read_predictions
from comp.schema import parse_settings
from pipelines.cache import prepare_cache
from pipelines.command import say
from pipelines.data import ensure_data
from pipelines.folds import ensure_folds

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Request:
    """One fold of one model, as typed."""

    competition: str
    model: str
    fold: int
    settings: str = ""
    checkpoint_minutes: float = 5.0

    def load(self) -> tuple[Competition, Experiment, Paths]:
        competition = load_competition(self.competition)
        return competition, load_experiment(self.model, competition, parse_settings(self.settings)), Paths(self.competition)


def prepare(requests: list[Request]) -> None:
    """Make what the requests need and lack: data, folds, caches. Mistakes are refused before any work.

    Raises:
        ConfigError, FoldError, DataError: a request that cannot be trained.
    """
    for request in requests:
        competition, experiment, paths = request.load()
        channel_numbers(competition, experiment)
        refuse_unknown_parts(experiment)
        if not 0 <= request.fold < competition.folds.count and not paths.folds().exists():
            raise FoldError(f"there is no fold {request.fold}", f"folds are 0 to {competition.folds.count - 1}")
        ensure_data(competition, paths)
        folds = ensure_folds(competition, paths)
        if not 0 <= request.fold < folds.count:
            raise FoldError(f"there is no fold {request.fold} in {paths.folds()}", f"folds are 0 to {folds.count - 1}")
        for part in ("train", "test"):
            prepare_cache(competition, paths, part, experiment.size)


def refuse_unknown_parts(experiment: Experiment) -> None:
    """Raise ConfigError if the experiment names a backbone, loss, sampler or augmentation, or an option, that does not exist."""
    from comp import parts
    from comp.models.backbone import refuse_unknown_backbone

    refuse_unknown_backbone(experiment)
    for kind, spec in (("losses", experiment.loss), ("samplers", experiment.sampler), ("augmentations", experiment.augmentation)):
        parts.build(kind, spec)


def channel_numbers(competition: Competition, experiment: Experiment) -> tuple[int, ...]:
    """Which of the competition's channels the experiment sees, in its order."""
    if competition.images is None:
        raise ConfigError(f"competition {competition.name} has tables and no images", "import predictions with: make import")
    known = competition.images.channels
    for channel in experiment.channels or ():
        if channel not in known:
            what = f"configs/models/{experiment.model}.yaml: there is no channel {channel!r}"
            raise ConfigError(what, f"this competition has {', '.join(known)}")
    return tuple(known.index(channel) for channel in experiment.channels or known)


def train_fold(request: Request, slot: int = 0) -> None:
    """Train, predict and write the files of one fold, unless they are there already."""
    competition, experiment, paths = request.load()
    fold, name = request.fold, f"{request.model} fold {request.fold}"
    with lock(paths.run(request.model, fold) / "lock", f"training of {name}"):
        ids, labels = read_train(competition, paths)
        test_ids = read_test_ids(competition, paths)
        folds = Folds.read(paths.folds()).in_order(ids)
        identity = {"experiment": experiment.hash, "folds": folds.fingerprint, "data": data_fingerprint(ids, labels)}
        if is_complete(paths, request, identity, test_ids):
            say(f"{name}: complete, nothing to do")
            return

        import torch

        from comp.models.backbone import resolve_precision
        from comp.trainers.torch_trainer import FoldData, predict, train

        started = time.time()
        torch.set_num_threads(experiment.train.threads)
        device = pick_device(slot)
        precision = f"{resolve_precision(experiment.train.precision, device)} on {device.type}"
        train_images = prepare_cache(competition, paths, "train", experiment.size)
        test_images = prepare_cache(competition, paths, "test", experiment.size)
        channels = channel_numbers(competition, experiment)
        held_out, kept_away = np.flatnonzero(folds.fold == fold), np.flatnonzero(folds.fold == -1)
        in_training = np.flatnonzero((folds.fold != fold) & (folds.fold != -1))
        data = FoldData(train_images.images, labels, in_training, channels)
        checkpoint = paths.run(request.model, fold) / "checkpoint.pt"
        trained = train(experiment, fold, data, device, checkpoint, hash_of([identity, fold, precision]), request.checkpoint_minutes, slot)

        provenance = Provenance(
            competition=competition.name, model=request.model, kind="oof", fold=fold, classes=competition.classes, seed=experiment.seed,
            threads=experiment.train.threads, precision=precision, weights=trained.weights, tta=experiment.tta,
            checkpoint="last epoch, averaged weights", **identity,
        )  # fmt: skip

        def predictions(kind: Kind, images: np.ndarray, rows: np.ndarray, of: tuple[str, ...], number: int) -> Predictions:
            logits = predict(trained.model, experiment, images, rows, channels, device)
            names = tuple(of[row] for row in rows)
            return Predictions(names, np.full(len(rows), number, np.int8), logits, provenance.model_copy(update={"kind": kind}))

        out_of_fold = predictions("oof", train_images.images, held_out, ids, fold)
        write_text(paths.experiment(request.model), yaml_of(experiment))
        if len(kept_away):
            predictions("holdout", train_images.images, kept_away, ids, -1).write(paths.holdout_predictions(request.model, fold))
        predictions("test", test_images.images, test_images.rows(test_ids), test_ids, -1).write(paths.test_predictions(request.model, fold))
        score = macro_f1(labels[held_out], out_of_fold.logits > 0)
        write_json(paths.run_record(request.model, fold), {
            "seconds": round(time.time() - started, 1), "images_per_second": round(trained.images_per_second, 1),
            "loss_by_epoch": trained.losses, "macro_f1_at_half": score, **circumstances(),
        })  # fmt: skip
        out_of_fold.write(paths.fold_predictions(request.model, fold))  # last: it makes the fold complete
        checkpoint.unlink()
        seconds = time.time() - started
        say(f"{name}: macro F1 {score:.3f} at threshold 0.5, {seconds:.0f} s, wrote {paths.fold_predictions(request.model, fold)}")


def is_complete(paths: Paths, request: Request, identity: dict[str, str], test_ids: tuple[str, ...]) -> bool:
    """Whether the fold's files are there, whole, and made by this experiment from these folds and data."""
    files = [paths.fold_predictions(request.model, request.fold), paths.test_predictions(request.model, request.fold)]
    if not all(file.exists() for file in files):
        return False
    try:
        out_of_fold, test = (read_predictions(file) for file in files)
    except PredictionError as error:
        say(f"{error.what}; training again")
        return False
    return set(test.ids) == set(test_ids) and all(getattr(out_of_fold.provenance, key) == value for key, value in identity.items())


def pick_device(slot: int) -> "torch.device":
    """The GPU for the slot's turn, where there is one; else the CPU."""
    import torch

    return torch.device("cuda", slot % torch.cuda.device_count()) if torch.cuda.is_available() else torch.device("cpu")


def circumstances() -> dict[str, str]:
    """What does not change the content but helps to find out about it: time, host, versions, git commit."""
    import timm
    import torch

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S"), "host": platform.node(), "python": platform.python_version(),
        "torch": torch.__version__, "timm": timm.__version__, "git": commit,
    }  # fmt: skip


def yaml_of(experiment: Experiment) -> str:
    import yaml

    return str(yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False))


def train_side_by_side(requests: list[Request], workers: int | None) -> None:
    """Train the requests on `workers` processes, each of which imports PyTorch once.

    The first error stops what has not started; folds under way end, and what is complete stays.
    """
    _, experiment, _ = requests[0].load()
    workers = min(workers or default_workers(experiment.train.threads), len(requests))
    if workers == 1:
        for request in requests:
            train_fold(request)
        return
    os.environ["OMP_NUM_THREADS"] = str(experiment.train.threads)  # read when a worker imports PyTorch: contended threads spin
    context = multiprocessing.get_context("spawn")
    slots = context.SimpleQueue()
    for slot in range(workers):
        slots.put(slot)
    with ProcessPoolExecutor(workers, context, initializer=start_worker, initargs=(slots, context.RLock())) as pool:
        waiting = [pool.submit(train_in_slot, request) for request in requests]
        try:
            for future in waiting:
                future.result()
        except BrokenProcessPool:
            then = "if memory ran out, use WORKERS=1; the same command goes on where this one was"
            raise CompError("a training process was killed from outside", then) from None
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def default_workers(threads: int) -> int:
    import torch

    return torch.cuda.device_count() or max(len(os.sched_getaffinity(0)) // threads, 1)


_slot = 0


def start_worker(slots: "SimpleQueue[int]", terminal: AbstractContextManager[bool]) -> None:
    """Take a slot (a GPU and a line of the terminal), and end when the parent ends, however it ends."""
    global _slot
    _slot = slots.get()
    tqdm.set_lock(terminal)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (wait([parent.sentinel]), os._exit(1)), daemon=True).start()


def train_in_slot(request: Request) -> None:
    train_fold(request, _slot)
