"""The table of cell facts of a competition's images, which a stack can take as `features`."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from comp.base.paths import Paths
from comp.base.processes import cores
from comp.base.progress import track
from comp.cells.cell_facts import Facts, cell_facts
from comp.cells.cell_source import CellSource
from comp.cells.competition_cells import cell_source, segment_split
from comp.cells.segment_folder import CellJob, read_masks
from comp.competition.competition import Competition
from comp.competition.image_cache import SPLITS
from comp.images.read import one_thread_an_image, read_image
from comp.predictions.sealed_table import write_sealed

AT_ONCE = 64  # images in memory


def write_facts(competition: Competition, paths: Paths) -> dict[str, NDArray[np.float64]]:
    """Find the cells of all images, and write `paths.cell_facts()`: a row an image of train and test. Returns its columns, ids apart.

    Raises:
        ConfigError: the competition's channels do not show nuclei.
        DataError: images are missing or unreadable.
    """
    ids: list[str] = []
    facts: list[Facts] = []
    for split in SPLITS:
        source, job = cell_source(competition, paths, split), segment_split(competition, paths, split)
        facts += track(_facts(source, job), f"cell facts, {split}", len(job.images), "image")
        ids += source.files
    columns = {name: np.array([each[name] for each in facts]) for name in facts[0]}
    table = pa.table([ids, *(column.astype(np.float32) for column in columns.values())], names=[competition.columns.id, *columns])
    write_sealed(paths.cell_facts(), table)
    return columns


def _facts(source: CellSource, job: CellJob) -> Iterator[Facts]:
    def of_image(number: int) -> Facts:
        image = job.images[number]
        channels = read_image(source.files[image.id], len(source.channels), source.levels).channels
        return cell_facts(read_masks(job, image), None if source.green is None else channels[source.green])

    with one_thread_an_image(), ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(job.images), AT_ONCE):
            yield from pool.map(of_image, range(start, min(start + AT_ONCE, len(job.images))))
