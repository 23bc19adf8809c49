"""The only place that spells a path: where every stage reads and writes, below the project's root."""

import glob
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from tempfile import gettempdir

from comp.base.errors import ConfigError
from comp.base.files import hash_of

LONGEST_NAME = 100  # bytes of a name; a file name has room for 255, and names get additions
CURVE = "curve.csv"  # beside the checkpoint
RENDEZVOUS = "rendezvous"  # of several processes, beside the checkpoint
SHIPPED = ".shipped"  # in the root of a copy on a node of a cluster
HUB = "hub"  # there: ImageNet weights, as the cache of timm's hub has them
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f\ud800-\udfff]|^\.{0,2}$|^[A-Za-z]:")


def check_name(what: str, name: str) -> str:
    """The name of a competition, model or stack, if it can be the name of a file or a folder, and leads nowhere else.

    Raises:
        ConfigError: it is empty, `..`, longer than 100 bytes, or holds a slash or a control character.
    """
    if _UNSAFE.search(name) or len(name.encode()) > LONGEST_NAME:
        shown = name if len(name) <= LONGEST_NAME else f"{name[:40]}..."
        raise ConfigError(f"{shown!r} is no name of a {what}", f"use letters, digits, '_', '-' and '.', at most {LONGEST_NAME} characters")
    return name


def file_of(folder: Path, image_id: str, ending: str) -> Path:
    """The file for an image in `folder`, always in the folder itself: characters that do not belong into file names become `_`.

    Args:
        ending: with its dot. Ids that differ get files that differ.
    """
    name = re.sub(r"[^\w.+=@-]|^\.", "_", image_id).encode()[:LONGEST_NAME].decode(errors="ignore")
    return folder / f"{name}{'' if name == image_id else f'-{hash_of(image_id, digits=8)}'}{ending}"


def _source(data: Path) -> str:
    """The name of a folder of images, with digits that depend on its whole path."""
    return f"{data.resolve().name}-{hash_of(str(data.resolve()), digits=8)}"


def gpu_lock(gpu: str) -> Path:
    """The lock of a GPU, which all projects of a user on this machine share."""
    return Path(gettempdir()) / f"hpa-toolkit-{getuser()}" / f"gpu-{gpu}.lock"


@dataclass(frozen=True)
class Paths:
    """Paths of one competition. `root` is the folder that holds `configs/`; commands run in it.

    Raises:
        ConfigError: the name of the competition or of a model does not name a folder (see `check_name`).
    """

    competition: str
    root: Path = Path()

    def __post_init__(self) -> None:
        check_name("competition", self.competition)

    def downloads(self) -> Path:
        return self.root / "data" / f"{self.competition}.downloads"

    def extra(self, name: str) -> Path:
        """Folder of a set of extra rows, which are trained on only: a table, and images."""
        return self.root / "data" / f"{self.competition}.extra" / check_name("set of extra rows", name)

    def cache(self, split: str, size: int) -> Path:
        """Folder of the image cache of `split` ("train", "test", or a set of extra rows) at `size` pixels."""
        return self.root / "data" / f"{self.competition}.cache" / f"{split}-{size}"

    def caches(self, split: str) -> list[Path]:
        """The image caches of `split` at all sizes."""
        found = self.cache(split, 0).parent.glob(f"{split}-*")
        return sorted(path for path in found if path.name.removeprefix(f"{split}-").isdecimal())

    def cells(self, split: str) -> Path:
        """Folder of the masks and the table of cells of `split`."""
        return self.root / "data" / f"{self.competition}.cells" / split

    def crops(self, split: str, plan: str) -> Path:
        """Folder of the crop cache of `split`; `plan` is a `comp.images.crops.CropPlan.name`."""
        return self.cells(f"{split}-{plan}")

    def cell_facts(self) -> Path:
        """Numbers about the cells of each image, for a stack."""
        return self.cells("facts.parquet")

    def duplicates(self) -> Path:
        return self.root / "data" / f"{self.competition}.cache" / "duplicates.csv"

    def test_duplicates(self) -> Path:
        return self.duplicates().with_name("test-duplicates.csv")

    def extra_duplicates(self, name: str) -> Path:
        """The extra rows of a set that are near-duplicates of train images."""
        return self.duplicates().with_name(f"extra-{name}-duplicates.json")

    def oof(self) -> Path:
        return self.root / "oof" / self.competition

    def folds(self) -> Path:
        return self.oof() / "folds.csv"

    def model(self, model: str) -> Path:
        return self.oof() / check_name("model", model)

    def fold_predictions(self, model: str, fold: int) -> Path:
        return self.model(model) / f"fold-{fold}.parquet"

    def test_predictions(self, model: str, fold: int) -> Path:
        return self.model(model) / f"test-{fold}.parquet"

    def holdout_predictions(self, model: str, fold: int) -> Path:
        return self.model(model) / f"holdout-{fold}.parquet"

    def embeddings(self, model: str, fold: int) -> Path:
        """Vectors of all images by the network of a fold, of a model that embeds."""
        return self.model(model) / f"embeddings-{fold}.parquet"

    def cell_probabilities(self, model: str, fold: int) -> Path:
        """What the network of a fold says of each cell, of a model that looks at cells."""
        return self.model(model) / f"cells-{fold}.parquet"

    def training_record(self, model: str, fold: int) -> Path:
        """What is known of a training until its predictions are written."""
        return self.run(model, fold) / "training.json"

    def weights(self, model: str, fold: int) -> Path:
        """The network that was trained without a fold."""
        return self.model(model) / f"weights-{fold}.safetensors"

    def voters(self, model: str, fold: int) -> Path:
        """The images that vote for others in a fold of a model with neighbours."""
        return self.model(model) / f"voters-{fold}.safetensors"

    def imported(self, model: str) -> Path:
        """Predictions of a model trained elsewhere on the rows of the train table."""
        return self.model(model) / "imported.parquet"

    def imported_test(self, model: str) -> Path:
        return self.model(model) / "imported-test.parquet"

    def label_only(self, model: str) -> Path:
        """Labels of the test images, decided elsewhere, without predictions of the train table's rows."""
        return self.model(model) / "label-only.parquet"

    def stack(self, name: str) -> Path:
        """A stack's own predictions of the rows in folds, each by a stack that was fitted without the row's fold."""
        return self.model(name) / "stack.parquet"

    def new_labels(self, name: str, data: Path | None) -> Path:
        """The CSV with the labels of new images, by a stack or a mean of models, if no other is asked for; in a folder of its own.

        Args:
            data: where the images come from; None: the test images. Folders of equal names get CSVs of their own.
        """
        source = _source(data) if data else "test"
        return file_of(self.submissions() / "predict", f"{name}-{source}", ".csv")

    def stack_test(self, name: str) -> Path:
        return self.model(name) / "stack-test.parquet"

    def fitted_stack(self, name: str) -> Path:
        """A finished stack with everything it fitted, to label new images."""
        return self.model(name) / "fitted.json"

    def images(self, fingerprint: str) -> Path:
        """The checksums of the images that models were trained on."""
        return self.oof() / f"images-{fingerprint}.parquet"

    def run_record(self, model: str, fold: int) -> Path:
        return self.model(model) / f"run-{fold}.json"

    def experiment(self, model: str) -> Path:
        return self.model(model) / "experiment.yaml"

    def run(self, model: str, fold: int) -> Path:
        """Folder of the checkpoints and the log of one fold."""
        return self.root / "runs" / self.competition / check_name("model", model) / f"fold-{fold}"

    def curve(self, model: str, fold: int) -> Path:
        """The losses and scores of one fold's run, while it trains."""
        return self.run(model, fold) / CURVE

    def fold_patterns(self, model: str, fold: int) -> tuple[str, ...]:
        """Patterns of the files that training one fold reads and writes, relative to the root: its run, then what it makes.

        Of a network that is trained, the checkpoint is removed after its weights are written. Who lists the files in this order finds one.
        """
        run, made = (glob.escape(str(path.relative_to(self.root))) for path in (self.run(model, fold), self.model(model)))
        return f"{run}/*", f"{made}/*-{fold}.*", f"{made}/experiment.yaml"

    def image_patterns(self) -> tuple[str, ...]:
        """Patterns of the checksums of images, relative to the root."""
        return (f"{glob.escape(str(self.oof().relative_to(self.root)))}/images-*.parquet",)

    def is_shipped(self) -> bool:
        """Whether the root is a copy of a project on a node of a cluster: it has image caches, and no images."""
        return (self.root / SHIPPED).exists()

    def job_log(self, model: str) -> Path:
        """The log of each fold that Slurm trains; Slurm puts its number in the place of %a."""
        return self.run(model, 0).with_name("slurm-%a.log")

    def run_records(self) -> dict[tuple[str, int], Path]:
        """The records of all finished runs, by model and fold."""
        found = self.oof().glob("*/run-*.json")
        return {(path.parent.name, int(fold)): path for path in found if (fold := path.stem.removeprefix("run-")).isdecimal()}

    def curves(self) -> dict[tuple[str, int], Path]:
        """The curves of all runs, by model and fold."""
        found = (self.root / "runs" / self.competition).glob(f"*/fold-*/{CURVE}")
        folders = [path.parent for path in found]
        return {(path.parent.name, int(fold)): path / CURVE for path in folders if (fold := path.name.removeprefix("fold-")).isdecimal()}

    def rare_labels(self, model: str) -> Path:
        """The plot of the label counts, before and after rare labels were copied."""
        return self.run(model, 0).with_name("rare-labels.png")

    def features(self, models: Sequence[str]) -> Path:
        """What the neighbours of one or several models that embed say of each image, for a stack."""
        first, *others = sorted(check_name("model", model) for model in models)
        return self.model(first) / f"{'+'.join(['features', *others])}.parquet"

    def neighbours(self) -> Path:
        """Folder of the map, the images to review, and pictures of neighbours."""
        return self.root / "runs" / self.competition / "neighbours"

    def gallery(self) -> Path:
        """The picture of every channel recipe."""
        return self.root / "runs" / self.competition / "channels.png"

    def drawn_channels(self, model: str, data: Path | None = None) -> Path:
        """The scores of a model that draws missing channels; a picture lies beside them.

        Args:
            data: where the images come from; None: the held-out images. Folders of equal names get files of their own.
        """
        folder = self.root / "runs" / self.competition / "drawn-channels"
        return file_of(folder, check_name("model", model) + (f"-{_source(data)}" if data else ""), ".csv")

    def contact_sheet(self, name: str) -> Path:
        """The picture of some rows of a set of extra rows beside train images."""
        return self.root / "runs" / self.competition / f"extra-{name}.png"

    def submissions(self) -> Path:
        return self.root / "submissions" / self.competition

    def package(self, name: str) -> Path:
        """The folder that make package writes by default."""
        return file_of(self.root / "packages" / self.competition, name, "")


@dataclass(frozen=True)
class PackagePaths:
    """Paths inside a package, a folder that predicts by itself. Its models lie as `Paths` of this root say."""

    root: Path

    def description(self) -> Path:
        return self.root / "package.yaml"

    def script(self) -> Path:
        return self.root / "predict.py"

    def notebook(self) -> Path:
        return self.root / "predict.ipynb"

    def readme(self) -> Path:
        return self.root / "README.md"

    def licence(self) -> Path:
        return self.root / "LICENSE"

    def requirements(self) -> Path:
        return self.root / "requirements.txt"

    def dataset(self) -> Path:
        """What Kaggle's client reads about a dataset."""
        return self.root / "dataset-metadata.json"

    def code(self) -> Path:
        return self.root / "comp"

    def module(self, path: Path) -> Path:
        """The copy of a file below `code_root`."""
        return self.root / path.relative_to(code_root())


def token_file(name: str) -> Path:
    """A file by which a node of a cluster knows that it sees this project's folder, relative to the root."""
    return Path("runs", f".ray-{name}")


def copied_data(competition: str) -> Path:
    """The data folder of a competition in a copy of the project on a node, relative to its root."""
    return Path("data", competition)


def copied_competition(competition: str) -> Path:
    """The YAML of a competition in a copy."""
    return Path("configs", "competitions", f"{competition}.yaml")


def code_root() -> Path:
    """The folder that holds comp/ and the licence."""
    return Path(__file__).parents[2]


def constraints() -> Path | None:
    """The exact versions of packages, if the environment in use is the one that make setup made; else None."""
    return Path("constraints.txt") if Path(sys.prefix, ".ready").exists() else None


def source_of(module: str) -> Path | None:
    """The file of a module of this project, or the `__init__.py` of one of its packages; None if there is none of this name."""
    path = code_root().joinpath(*module.split("."))
    found = (path.with_suffix(".py"), path / "__init__.py")
    return next((each for each in found if each.is_file()), None)


def config(kind: str, name: str, root: Path = Path()) -> Path:
    """The YAML of a competition, model or stack by its name.

    Competitions in `configs/local/` (written by `make competition`) are found next to the tracked ones.

    Raises:
        ConfigError: there is none, the message lists what exists; or it is no name.
    """
    check_name(kind.removesuffix("s"), name)
    for folder in _folders(kind, root):
        if (folder / f"{name}.yaml").exists():
            return folder / f"{name}.yaml"
    more = "; or: make competition COMP=name DATA=dir" if kind == "competitions" else ""
    then = f"choose one of: {', '.join(configs(kind, root)) or 'none here'}{more}"
    raise ConfigError(f"there is no configs/{kind}/{name}.yaml", then)


def configs(kind: str, root: Path = Path()) -> list[str]:
    """The names of all competitions, models or stacks that have a YAML."""
    return sorted(path.stem for folder in _folders(kind, root) for path in folder.glob("*.yaml"))


def _folders(kind: str, root: Path) -> list[Path]:
    return [root / "configs" / kind] + ([root / "configs" / "local"] if kind == "competitions" else [])
