"""Segment the nuclei and the cells of all images in a folder, or of a competition.

    make cells DATA=dir OUT=dir                     masks, a table of all cells, a sheet of outlines
    make cells DATA=dir OUT=dir CROPS=1             a picture of each cell too
    make cells DATA=dir STAINS="nuclei=dapi"        files such as a_dapi.png show the nuclei
    make cells COMP=practice                        train and test images: masks and tables below data/practice.cells/, and cell facts

Images are single-channel files that show nuclei, or one file for each channel: a_blue.png shows the nuclei, a_red.png and a_yellow.png the
cells around them. Nothing has to be trained: a small network is part of the package.
"""

from pathlib import Path

from comp.base.command_line import positive
from comp.base.errors import ConfigError
from comp.base.paths import Paths
from comp.base.processes import cores
from comp.base.progress import say
from comp.base.text_table import aligned
from comp.cells.cell_facts import summary
from comp.cells.fact_table import write_facts
from comp.cells.image_files import OUTLINES, find_cell_images, left_out, parse_stains
from comp.cells.packaged import PACKAGED
from comp.cells.segment_folder import TABLE, CellJob, segment_folder
from comp.competition.competition import load_competition
from comp.competition.data import ensure_data
from comp.competition.file_finder import FileFinder
from comp.inference.torch_device import devices, pick_device
from pipelines.command import parser, run

FOR_A_FOLDER = ("out", "stains", "diameter", "segmenter", "crops", "workers")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, metavar="DIR", help="a folder of images")
    arguments.add_argument("--out", type=Path, metavar="DIR", help="the folder to write (default: runs/cells/<name of DATA>)")
    arguments.add_argument(
        "--stains",
        default="",
        metavar="'nuclei=blue ...'",
        help="names of channels (default: nuclei=blue microtubules=red reticulum=yellow)",
    )
    arguments.add_argument("--diameter", type=positive, metavar="PX", help="diameter of nuclei in pixels (default: measured in each image)")
    arguments.add_argument("--segmenter", type=Path, default=PACKAGED, metavar="FILE", help="another trained segmenter")
    arguments.add_argument("--crops", action="store_true", help="write a picture of each cell")
    arguments.add_argument("--workers", type=positive, metavar="N", help="processes (default: one per core, one with a GPU)")
    options = arguments.parse_args()
    if options.data is None:
        given = [name for name in FOR_A_FOLDER if getattr(options, name) != arguments.get_default(name)]
        if given:
            raise ConfigError(
                f"{given[0].upper()} is for the images in a folder", "add DATA=dir, or leave it out for a competition's images"
            )
        cells_of_competition(options.competition)
        return

    stains = parse_stains(options.stains)
    images = find_cell_images(options.data, stains)
    others = left_out(options.data, FileFinder(options.data).names, stains)
    if others:
        say(f"left out as masks, crops or sheets: {len(others):,} files, such as {others[0]}")
    job = CellJob(images, stains, options.out or default_out(options.data), options.segmenter, options.diameter, options.crops)
    table = segment_folder(job, options.workers or (1 if devices() else cores()), pick_device(0))
    say(f"{len(table):,} cells in {len(images):,} images: {job.out / TABLE}, masks beside it; look at {job.out / OUTLINES}")


def cells_of_competition(name: str) -> None:
    """Find the cells of all images of a competition, and say what is known of them."""
    competition, paths = load_competition(name), Paths(name)
    ensure_data(competition, paths)
    columns = write_facts(competition, paths)
    for line in aligned([["", "10 %", "median", "90 %"], *summary(columns)]):
        say(line)
    say(f"{int(columns['cells'].sum()):,} cells in {len(columns['cells']):,} images: masks in {paths.cells('train').parent}")
    say(f"a stack can use these numbers, with `features: [{paths.cell_facts()}]` in its YAML")


def default_out(data: Path) -> Path:
    return Path("runs", "cells", data.resolve().name)


if __name__ == "__main__":
    run(main)
