"""The devices of TensorFlow: which there are, and what it accepts only once in a process."""

from functools import cache

from comp.base.errors import CompError
from comp.base.processes import cores
from comp.base.quiet_tensorflow import tensorflow as tf


def devices() -> int:
    return len(tf.config.list_physical_devices("GPU"))


def pick_device(slot: int) -> str:
    return f"gpu:{slot % devices()}" if devices() else "cpu"


@cache
def configure(threads: int, device: str) -> None:
    """Set what TensorFlow accepts only once in a process: its threads, and the one GPU it may use.

    Raises:
        CompError: TensorFlow has started with other settings.
    """
    gpus = tf.config.list_physical_devices("GPU")
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        if device == "cpu":
            # optimising the graph takes a minute for each of the large networks, and gains nothing here
            tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        else:
            mine = gpus[int(device.partition(":")[2])]
            tf.config.set_visible_devices(mine, "GPU")
            tf.config.experimental.set_memory_growth(mine, True)
    except RuntimeError:
        raise CompError(
            f"TensorFlow has started here with other threads than {threads}", "train this model by a command of its own"
        ) from None


def reading_threads(device: str) -> int:
    """How many threads read images: one keeps up with a core, a GPU needs several. They change nothing but the speed."""
    return 1 if device == "cpu" else max(min(8, cores() - 1), 1)


def gpu_memory(device: str) -> None:
    """TensorFlow does not say how much memory a GPU has."""
