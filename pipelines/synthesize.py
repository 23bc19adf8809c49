"""Draw synthetic images of rare labels, as a set of extra rows that any model is trained on by one line of its YAML.

    make synthesize                                painted fields for the practice competition
    make synthesize SOURCE=recombined MODEL=channels-unet
    make model MODEL=resnet18 SET="extra=painted" AS=resnet18-painted

A label is rare if fewer than `below` train images carry it; it gets synthetic images up to `target`. The set is
data/<competition>.extra/<name>/: a table, images, and a manifest of what they were made from. A contact sheet shows some of them beside
train images. See docs/extra-rows.md.

Sources:
    painter      fields of the practice competition, each of a new antibody; for the classes and channels of HPA
    recombined   cells of each fold's training images in new fields; MODEL of the same fold draws their reference channels

An interrupted command resumes, and ends with the same bytes.
"""

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from comp.base.errors import ConfigError, DataError
from comp.base.files import hash_file
from comp.base.paths import Paths
from comp.base.processes import cores
from comp.base.progress import say
from comp.base.schema import Strict, parse
from comp.competition.competition import Competition, load_competition
from comp.competition.data import ensure_data
from comp.competition.experiments.experiment import LARGEST_SEED, RareLabels
from comp.competition.image_cache import full_size, prepare_cache
from comp.competition.tables import read_train
from comp.imputation.trained_generators import trained_generators
from comp.predictions.image_identity import ImageIdentity
from comp.predictions.provenance import data_fingerprint
from comp.predictions.task import load_task
from comp.synthesis import painter
from comp.synthesis.contact_sheet import write_sheet
from comp.synthesis.recombined_rows import recombined_rows
from comp.synthesis.set_writer import Draw, check_form, check_set_name, write_set
from comp.synthesis.synthetic_row import SyntheticRow
from pipelines.command import parser, run


class Numbers(Strict):
    """What the numbers that a user gives may be."""

    seed: int = Field(ge=0, le=LARGEST_SEED)
    size: int | None = Field(ge=16, le=4096)


@dataclass(frozen=True, eq=False)
class Job:
    """The rows of a set, how they are drawn, and all that the images depend on besides the options."""

    rows: Sequence[SyntheticRow]
    draw: Draw
    made_from: dict[str, Any]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--source", choices=SOURCES, default="painter", help="what draws (default: painter)")
    arguments.add_argument("--name", metavar="NAME", help="of the set (default: painted, or recombined)")
    arguments.add_argument("--below", type=int, default=20, metavar="N", help="a label with fewer train images is rare (default: 20)")
    arguments.add_argument("--target", type=int, default=40, metavar="N", help="images that a rare label comes up to (default: 40)")
    arguments.add_argument("--seed", type=int, default=0, help="of the random numbers (default: 0)")
    painting = arguments.add_argument_group("the painter")
    painting.add_argument("--size", type=int, metavar="PX", help="pixels of a side (default: those of the first train image)")
    painting.add_argument("--workers", type=int, default=cores(), metavar="N", help="processes (default: one per core)")
    recombining = arguments.add_argument_group("recombined cells")
    recombining.add_argument("--model", default="channels-unet", metavar="NAME", help="draws the references (default: channels-unet)")
    recombining.add_argument("--segmenter", type=Path, metavar="FILE", help="finds cells (default: the one in the package)")
    given = arguments.parse_args()

    competition, paths = load_competition(given.competition), Paths(given.competition)
    parse(Numbers, {"seed": given.seed, "size": given.size}, "make synthesize")
    rare = parse(RareLabels, {"below": given.below, "target": given.target}, "make synthesize")
    default_name, job_of = SOURCES[given.source]
    name = check_set_name(default_name if given.name is None else given.name)
    check_form(competition)
    ensure_data(competition, paths)
    job = job_of(given, competition, paths, rare, name)
    if not job.rows:
        raise DataError(f"no label of {competition.name} has fewer than {rare.below} train images", "give a larger number: BELOW=...")
    made_from = {"source": given.source, "below": rare.below, "target": rare.target, "seed": given.seed} | job.made_from
    new = write_set(competition, paths, name, job.rows, made_from, job.draw)
    say(f"{paths.extra(name)}: {len(job.rows)} images of rare labels{'' if new else ', complete, nothing to do'}")
    shown = write_sheet(competition, paths, name)
    say(f"{paths.contact_sheet(name)}: the {shown} rarest of these labels, train images beside synthetic ones")
    say(f'train with them: make model COMP={competition.name} MODEL=... SET="extra={name}" AS=...')


def painted(given: Namespace, competition: Competition, paths: Paths, rare: RareLabels, name: str) -> Job:
    ids, labels = read_train(competition, paths)
    paints = painter.Painter.of(competition, given.size or len(full_size(competition, paths, "train", ids[0])[0]))
    made_from = {"size": paints.size, "data": data_fingerprint(ids, labels), "code": painter.code_hash()}
    draw = partial(painter.painted, paints, max(given.workers, 1))
    return Job(painter.painted_rows(name, labels, rare, given.seed), draw, made_from)


def recombined(given: Namespace, competition: Competition, paths: Paths, rare: RareLabels, name: str) -> Job:
    if given.size:
        raise ConfigError(f"recombined images are as large as those that {given.model} was trained on", "leave out --size")
    # imported here: the painter's processes need no PyTorch
    from comp.cells.packaged import PACKAGED
    from comp.cells.segmenter_file import read_segmenter, segmenter_hash
    from comp.inference.torch_device import pick_device
    from comp.synthesis.recombined_images import RecombinedImages, Stains, code_hash

    stains, task, segmenter = Stains.of(competition), load_task(competition.name), given.segmenter or PACKAGED
    generators = trained_generators(task, given.model)
    if missing := [fold for fold in range(task.folds.count) if fold not in generators]:
        folds = f"fold{'s' * (len(missing) > 1)} {', '.join(map(str, missing))}"
        say(f"note: no rows for {folds}: {given.model} is not trained there; make model COMP={competition.name} MODEL={given.model}")
    size = next(iter(generators.values())).size
    cache = prepare_cache(competition, paths, "train", size)
    rows = [row for fold in generators for row in recombined_rows(name, task.folds, task.labels, rare, fold, given.seed)]
    counts = [task.labels[task.folds.trained_on(fold)].sum(axis=0) for fold in generators]
    if not rows and any(((count > 0) & (count < rare.below)).any() for count in counts):
        what = f"no image of a rare label can be a source: their groups in {paths.folds()} are held out in part"
        raise DataError(what, "use a fold map that keeps groups whole (a smaller `split_groups`), or another SOURCE")
    made_from = {
        "size": size, "data": task.data, "folds": task.folds.fingerprint, "images": ImageIdentity.of({"train": cache}).hash,
        "segmenter": segmenter_hash(segmenter), "code": code_hash(), "model": given.model,
        "networks": {str(fold): hash_file(paths.weights(given.model, fold)) for fold in generators},
    }  # fmt: skip
    images = RecombinedImages(cache.images, cache.ids, stains, read_segmenter(segmenter, pick_device(0)), generators)
    return Job(rows, images.draw, made_from)


JobOf = Callable[[Namespace, Competition, Paths, RareLabels, str], Job]
SOURCES: dict[str, tuple[str, JobOf]] = {"painter": ("painted", painted), "recombined": ("recombined", recombined)}

if __name__ == "__main__":
    run(main)
