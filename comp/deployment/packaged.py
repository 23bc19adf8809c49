"""The script of a package, a folder that `make package` wrote: it labels images with the networks and the stack that lie there."""

import argparse
from pathlib import Path

from comp.base.command_line import positive, run_command
from comp.base.errors import ConfigError, DataError, PredictionError
from comp.base.paths import PackagePaths, Paths
from comp.base.progress import say
from comp.competition.file_finder import FileFinder, files_of
from comp.competition.id_column import ids_of_rows
from comp.competition.labels import LabelSpace
from comp.deployment.image_folder import files_in_folder
from comp.deployment.labelling import NewImages, label_images, write_labels, write_probabilities
from comp.deployment.package_description import AGAIN, PackageDescription, read_description
from comp.images.problems import Files
from comp.inference.models import TrainedModels
from comp.stacking.averaged_copies import averaged
from comp.stacking.fitted_stack import FittedStack, read_fitted

MEMORY = "take fewer images at once (--batch 8), or close other programs"
STOPPED = "stopped; nothing was written"
SUBMISSION = Path("submission.csv")


def main(folder: Path) -> None:
    """Label images as the command line says; a mistake prints one line and exits with 2.

    Args:
        folder: of the package.
    """
    run_command(lambda: _predict(folder), MEMORY, STOPPED)


def _predict(folder: Path) -> None:
    options = _options()
    about, out = read_description(PackagePaths(folder).description()), options.out or SUBMISSION
    for path in (options.out, options.probabilities):
        if path and path.exists():
            raise DataError(f"{path} exists", "remove it, or choose another name")
        if path and path.suffix != ".csv":
            raise ConfigError(f"{path} is no name of a CSV", "let it end with .csv")
    if options.probabilities and options.probabilities.resolve() == out.resolve():
        raise ConfigError(f"labels and probabilities would both be {out}", "choose another name for one of them")
    files = _files(about, options.images, options.ids)
    paths = Paths(about.competition, folder)
    stack = _stack(paths, about)
    say(f"predicting {len(files):,} images with {about.folds} folds of {', '.join(stack.needed)}")
    trained = TrainedModels(paths, about.folds, AGAIN, options.batch)
    images = NewImages(files, about.channels, about.levels)
    labelled = label_images(trained, stack, images, out, lambda same: averaged(same, about.numbered(tuple(files))))
    if options.probabilities:
        write_probabilities(options.probabilities, labelled, about.id_column)
    write_labels(out, labelled, LabelSpace(about.classes, about.tokens, about.separator), about.id_column, about.label_column)
    say(f"wrote {out}: {labelled.decisions.sum(axis=1).mean():.2f} labels an image")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="predict.py", description="Label images with the trained networks in this folder.")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="a folder of images")
    parser.add_argument("--ids", type=Path, metavar="CSV", help="a table whose column of ids says which images, in which order")
    parser.add_argument("--out", type=Path, metavar="CSV", help=f"where the labels go (default: {SUBMISSION}, which is replaced)")
    parser.add_argument("--probabilities", type=Path, metavar="CSV", help="where the probability of every class goes (default: nowhere)")
    parser.add_argument("--batch", type=positive, metavar="N", help="images at once (default: twice the batch size of training)")
    return parser.parse_args()


def _files(about: PackageDescription, folder: Path, table: Path | None) -> Files:
    """The files of the images to label: of all in the folder, or of those in a table."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "correct --images")
    if table is None:
        return files_in_folder(folder, about.pattern, about.channels, about.competition)
    ids = ids_of_rows(table, about.id_column, about.form, about.tokens, "correct --ids")
    return files_of(ids, FileFinder(folder), about.pattern, about.channels)


def _stack(paths: Paths, about: PackageDescription) -> FittedStack:
    try:
        return read_fitted(paths.fitted_stack(about.stack))
    except PredictionError as error:
        raise PredictionError(error.what, AGAIN) from None
