"""Train the network that make cells uses.

    make segmenter DATA=dir OUT=file.safetensors             on images with true masks, a_labels.png beside a.png, and on painted fields
    make segmenter DATA=dir OUT=file SEGMENTER=trained       going on with a trained one, at half the learning rate

Half of the images are left out by their name (an odd CRC-32), to score it on: make score-cells. The one in the package was trained so, on
150 CC0 fields of the 2018 Data Science Bowl.
"""

from dataclasses import asdict, replace
from pathlib import Path

import torch

from comp.base.command_line import positive
from comp.base.errors import ConfigError
from comp.base.progress import say
from comp.cells.image_files import parse_stains
from comp.cells.segmenter_file import read_segmenter, segmenter_hash, write_segmenter
from comp.inference.torch_device import pick_device
from comp.models.precision import resolve_precision
from comp.training.segmenter_fields import field_hash, labelled_fields, painted_fields
from comp.training.segmenter_training import Settings, train_segmenter
from comp.training.trainer import Run
from pipelines.command import parser, run


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, metavar="DIR", help="a folder of images with true masks")
    arguments.add_argument("--out", type=Path, metavar="FILE", help="the file to write (default: runs/segmenter.safetensors)")
    arguments.add_argument("--stains", default="", metavar="'nuclei=blue ...'", help="names of channels, as in make cells")
    arguments.add_argument("--segmenter", type=Path, metavar="FILE", help="a trained segmenter to go on with (default: random weights)")
    arguments.add_argument("--steps", type=positive, metavar="N", help=f"batches to train on (default: {Settings.steps:,})")
    arguments.add_argument("--threads", type=positive, default=1, metavar="N", help="threads of the CPU (default: 1)")
    options = arguments.parse_args()
    if options.data is None:
        raise ConfigError("DATA is missing", "type: make segmenter DATA=dir")

    out = options.out or Path("runs", "segmenter.safetensors")
    if out.is_dir():
        raise ConfigError(f"OUT={out} is a folder", f"name a file: OUT={out / 'segmenter.safetensors'}")
    device = pick_device(0)
    bf16 = resolve_precision("auto", torch.device(device)) == "bf16"
    settings, start = Settings(steps=options.steps or Settings.steps, threads=options.threads, bf16=bf16), None
    if options.segmenter:
        start = read_segmenter(options.segmenter).network
        other_crops = int(segmenter_hash(options.segmenter)[:8], 16)
        settings = replace(settings, backbone=start.backbone, decoder=start.decoder, lr=settings.lr / 2, seed=other_crops)
    labelled = labelled_fields(options.data, parse_stains(options.stains))
    made_from = {"settings": asdict(settings), "fields": field_hash(labelled), "count": len(labelled)}
    job = Run(0, device, out.with_suffix(".checkpoint"), made_from, "scratch")
    network = train_segmenter(settings, labelled, painted_fields(), job, start=start)
    write_segmenter(out, network, made_from)
    job.checkpoint.unlink(missing_ok=True)
    say(f"wrote {out}; score it: make score-cells DATA={options.data} SEGMENTER={out}")


if __name__ == "__main__":
    run(main)
