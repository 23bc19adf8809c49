"""Draw the channels that images of a folder lack, because a file is missing or black.

    make fill MODEL=channels-unet DATA=dir OUT=new-dir

Files are named as the competition's images are; some may be missing. Drawn channels go to the new folder as PNG, 8 bits each, as large as
the image's other channels. imputed.csv there marks each of them, with the channels that were given. No file of DATA is changed.

All folds draw an image, and their mean is taken. An image of the competition is drawn by the one network that never saw it.
"""

from pathlib import Path

from comp.base.errors import ConfigError
from comp.base.progress import say
from comp.imputation.filling import Painters, fill_folder
from comp.imputation.gaps import TABLE, partial_files
from comp.imputation.trained_generators import trained_generators
from comp.predictions.task import load_task
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", default="channels-unet", metavar="NAME", help="a model that draws channels (default: channels-unet)")
    arguments.add_argument("--data", type=Path, metavar="DIR", help="a folder of images, some of which lack channels")
    arguments.add_argument("--out", type=Path, metavar="DIR", help="a new folder for the drawn channels")
    options = arguments.parse_args()
    if options.data is None or options.out is None:
        again = f"make fill COMP={options.competition} MODEL={options.model} DATA=dir OUT=new-dir"
        raise ConfigError("DATA and OUT are needed", f"type: {again}")
    if options.out.resolve().is_relative_to(options.data.resolve()):
        raise ConfigError(
            f"OUT={options.out} lies in DATA={options.data}", "choose another OUT, so that drawn channels are not taken for real"
        )

    task = load_task(options.competition)
    generators = trained_generators(task, options.model)
    images = task.competition.images
    assert images is not None
    files = partial_files(options.data, images, task.competition.name)
    held_out = {image_id: int(fold) for image_id, fold in zip(task.folds.ids, task.folds.fold, strict=True)}
    report = task.paths.drawn_channels(options.model).with_name("unusable-images.csv")
    painters = Painters(task.competition.name, options.model, generators, held_out)
    table = fill_folder(painters, files, images.file, options.out, report)
    if table.empty:
        say(f"none of {len(files):,} images lacks a channel; nothing was written")
        return
    images_of = f"{table['id'].nunique():,} of {len(files):,} images"
    say(f"wrote {len(table):,} channels of {images_of} to {options.out}; {TABLE} there marks them as imputed")


if __name__ == "__main__":
    run(main)
