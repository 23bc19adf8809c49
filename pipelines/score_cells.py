"""Score a segmenter on images with true masks, next to Otsu's threshold with a watershed.

    make score-cells DATA=dir                  a_labels.png (nuclei) beside a.png
    make score-cells DATA=dir MASKS=dir        a_nuclei.png and a_cells.png in another folder, a_blue.png and others in the first

Average precision is TP / (TP + FP + FN) at that IoU, F1 is 2 TP / (2 TP + FP + FN); both are means over images, with standard errors.
`held out` are the images that make segmenter leaves out by their name.
"""

from pathlib import Path

import cv2
import torch

from comp.base.errors import ConfigError
from comp.base.progress import say, track
from comp.base.text_table import aligned
from comp.cells.classical import segment_classically
from comp.cells.image_files import parse_stains
from comp.cells.labelled_fields import find_labelled
from comp.cells.packaged import PACKAGED
from comp.cells.scores import HEADING, row, score_images
from comp.cells.segmenter_file import read_segmenter
from comp.inference.torch_device import pick_device
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, metavar="DIR", help="a folder of images")
    arguments.add_argument("--masks", type=Path, metavar="DIR", help="the folder of their true masks (default: the same)")
    arguments.add_argument("--stains", default="", metavar="'nuclei=blue ...'", help="names of channels, as in make cells")
    arguments.add_argument("--segmenter", type=Path, default=PACKAGED, metavar="FILE", help="another trained segmenter")
    options = arguments.parse_args()
    if options.data is None:
        raise ConfigError("DATA is missing", "type: make score-cells DATA=dir")

    stains = parse_stains(options.stains)
    images = find_labelled(options.data, stains, options.masks)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    segmenter = read_segmenter(options.segmenter, pick_device(0))
    lines = [HEADING]
    for name, segment in (("segmenter", segmenter), ("Otsu and watershed", segment_classically)):
        scores = score_images(track(images, label=name, unit="image"), stains, segment)
        for part, of_part in scores.items():
            if of_part:
                lines.append(row(f"{name}, {part}", of_part))
        held_out = [score for image, score in zip(images, scores["nuclei"], strict=True) if image.held_out]
        if held_out and options.masks is None:
            lines.append(row(f"{name}, nuclei, held out", held_out))
    for line in aligned(lines):
        say(line)


if __name__ == "__main__":
    run(main)
