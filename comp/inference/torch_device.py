"""The devices of PyTorch: which there are, and how many threads read images for one."""

import torch

from comp.base.processes import cores


def devices() -> int:
    return torch.cuda.device_count()


def pick_device(slot: int) -> str:
    """The GPU for a slot if there is one, else the CPU."""
    return f"cuda:{slot % devices()}" if torch.cuda.is_available() else "cpu"


def reading_threads(device: torch.device) -> int:
    """How many threads read images: one keeps up with a core, a GPU needs several. They change nothing but the speed."""
    return max(min(8, cores() - 1), 1) if device.type == "cuda" else 1
