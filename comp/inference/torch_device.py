"""The devices of PyTorch: which there are, what they are called, when their memory is full, and how many threads read images for one."""

import platform

import torch

from comp.base.processes import cores

OUT_OF_MEMORY = (  # in the errors of devices that have no class for it
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "could not create a primitive",  # oneDNN on a CPU
)


def devices() -> int:
    """How many GPUs there are."""
    return torch.cuda.device_count() or int(torch.backends.mps.is_available())


def pick_device(slot: int) -> str:
    """The GPU for a slot if there is one, else the CPU."""
    if torch.cuda.is_available():
        return f"cuda:{slot % torch.cuda.device_count()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_name(device: str) -> str:
    """What a person calls a device."""
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{'Apple GPU' if kind == 'mps' else 'CPU'} {platform.machine()}"


def use(device: torch.device) -> None:
    """Make a device the current one, with the settings of a GPU that cost no accuracy which a network would notice."""
    if device.type == "cuda":
        torch.cuda.set_device(device)  # checkpoints hold the random generator of this device
        torch.set_float32_matmul_precision("high")  # TF32, from Ampere on
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True  # all batches of a run have one shape


def reading_threads(device: torch.device) -> int:
    """How many threads read images: one keeps up with a core, a GPU needs several. They change nothing but the speed."""
    return 1 if device.type == "cpu" else max(min(8, cores() - 1), 1)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of PyTorch says that a device has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in OUT_OF_MEMORY)


def free_memory(device: torch.device) -> None:
    """Give cached memory back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def gpu_memory(device: str) -> tuple[int, int] | None:
    """The most bytes that this process has had of a GPU, and all that it has; None for devices without memory of their own."""
    if torch.device(device).type != "cuda":
        return None
    return torch.cuda.max_memory_reserved(device), torch.cuda.mem_get_info(device)[1]
