"""Several processes that train one network together, each with a device and an equal part of every batch (PyTorch's DDP).

The first process leads: it holds the fold's lock, writes checkpoints and curve, validates and predicts. The others only train. All of
them make the same batches and take their part of each, so that the images of a batch do not depend on the number of processes.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed

from comp.training.trainer import Run

PATIENCE = timedelta(hours=1)  # while the first process validates, the others wait


@contextmanager
def together(run: Run, device: torch.device) -> Iterator[None]:
    """Join the processes that train the network of `run`; does nothing if there is only one."""
    if run.processes == 1:
        yield
        return
    if device.type != "cuda" and sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all are on this machine, whose name may not lead to it
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo", init_method=run.rendezvous.resolve().as_uri(), timeout=PATIENCE,
        world_size=run.processes, rank=run.rank,
    )  # fmt: skip
    try:
        yield
    finally:
        distributed.destroy_process_group()


def seed_step(run: Run, seed: int, step: int) -> None:
    """Give each process its own random numbers for a step (dropout). Those of the first one are in the checkpoint."""
    if run.rank:
        torch.manual_seed(hash((seed, run.fold, step, run.rank)) % 2**63)
