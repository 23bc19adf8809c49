"""Batches for PyTorch, made by threads that run ahead of the training step."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from comp.data.batches import Arrays, Batches

Batch = tuple[Tensor, Tensor]
AHEAD = 2  # batches each thread makes while one is trained on


def epoch_of(batches: Batches, epoch: int, first_step: int = 0, threads: int = 1) -> Iterator[Batch]:
    """The batches of an epoch from `first_step` on: (B, H, W, planes) uint8 and (B, classes) float32."""
    return ahead(batches.epoch(epoch), range(first_step, len(batches)), threads)


def ahead(make: Callable[[int], Arrays], steps: range, threads: int) -> Iterator[Batch]:
    """`make(step)` as tensors for each step in order, some of them in the making while one is used."""

    def tensors(step: int) -> Batch:
        images, labels = make(step)
        return torch.from_numpy(images), torch.from_numpy(labels)

    lead = AHEAD * threads
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(tensors, step) for step in steps[:lead])
        for step in steps:
            batch = waiting.popleft().result()
            if step + lead in steps:
                waiting.append(pool.submit(tensors, step + lead))
            yield batch
