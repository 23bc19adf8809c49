"""How much of real microscopy a network learns from drawn images alone.

    python -m pipelines.realism --data DIR

DIR is a folder in Kaggle's layout with real images and, beside its tables, `test_labels.csv` (Id, Target). The protocol, fixed before
the first run: 3,000 images drawn at 128 px with seed 0 train `efficientnet-lite0` for 6 epochs (seed 0, all else as its YAML has it);
it then ranks all real images of both parts, at 128 px, for every label that five or more of them carry. The figure is the mean AUROC
over these labels; its interval resamples the real images 1,000 times. No real image is seen before that.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.command import run, say

DRAWN, SIZE, EPOCHS, LEAST, RESAMPLES = 3000, 128, 6, 5, 1000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True, type=Path, metavar="DIR", help="real images in Kaggle's layout, with test_labels.csv")
    given = arguments.parse_args()

    import numpy as np

    from comp.competition import Tables, load_competition, read_train
    from comp.data.cache_filling import fill_cache
    from comp.data.planes import Planes
    from comp.experiment import TorchExperiment, load_experiment
    from comp.metrics import mean_auroc
    from comp.paths import Paths
    from comp.practice.tables import PracticeSpec
    from comp.practice.writer import write
    from comp.trainers.fold import FoldData, Run
    from comp.trainers.torch_trainer import first_weights, pick_device, train
    from comp.workers import cores

    hpa = load_competition("hpa").model_copy(update={"data": str(given.data.resolve())})
    settings = {"size": SIZE, "train": {"epochs": EPOCHS}}
    experiment = load_experiment("efficientnet-lite0", hpa, settings)
    assert isinstance(experiment, TorchExperiment)
    channels = hpa.images.channels if hpa.images else ()
    real_labels = []
    real_files: dict[str, list[Path]] = {}
    for part, table in (("train", "train.csv"), ("test", "test_labels.csv")):
        ids, labels = read_train(hpa.model_copy(update={"tables": Tables(train=table)}), Paths("hpa"))
        real_files |= {image_id: hpa.image_files(Paths("hpa"), part, image_id) for image_id in ids}
        real_labels.append(labels)
    labels = np.concatenate(real_labels)

    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder / "drawn", PracticeSpec(train=DRAWN, test=1, unshifted=1, size=SIZE, seed=0), cores())
        drawn = hpa.model_copy(update={"data": str(folder / "drawn")})
        drawn_ids, drawn_labels = read_train(drawn, Paths("hpa"))
        drawn_files = {image_id: drawn.image_files(Paths("hpa"), "train", image_id) for image_id in drawn_ids}
        again = "python -m pipelines.realism"
        images = fill_cache(folder / "train", drawn_files, SIZE, channels, again, announce).images
        real = fill_cache(folder / "real", real_files, SIZE, channels, again, announce).images
        data = FoldData(images, drawn_labels, np.arange(len(images)), Planes(tuple(range(len(channels)))))
        run = Run(0, pick_device(0), folder / "checkpoint", "realism", first_weights(experiment), float("inf"))
        logits = train(experiment, data, run).predict(real, np.arange(len(real)))

    columns = [column for column in range(len(hpa.labels)) if labels[:, column].sum() >= LEAST]
    for column in columns:
        alone = mean_auroc(labels[:, [column]], logits[:, [column]])
        say(f"{hpa.classes[column]:<28}{labels[:, column].sum():>4} images  AUROC {alone:.3f}")
    generator = np.random.default_rng(0)
    labels, logits = labels[:, columns], logits[:, columns]
    drawn_rows = generator.integers(len(labels), size=(RESAMPLES, len(labels)))
    low, high = np.nanquantile([mean_auroc(labels[rows], logits[rows]) for rows in drawn_rows], [0.025, 0.975])
    found = mean_auroc(labels, logits)
    say(f"mean AUROC over {len(columns)} labels, {len(labels)} real images: {found:.3f} ({low:.3f} to {high:.3f})")


def announce(rows: int) -> None:
    say(f"reading {rows:,} images")


if __name__ == "__main__":
    run(main)
