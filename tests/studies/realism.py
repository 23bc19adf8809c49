"""How much of real microscopy a network learns from synthetic images alone.

    python -m tests.studies.realism --data DIR

DIR is a folder of real images in Kaggle's layout; its tables include `test_labels.csv` (Id, Target). The protocol was fixed before the
first run. `efficientnet-lite0` is trained for 6 epochs on 3,000 synthetic images of 128 px (seed 0, other settings as in its YAML). It
then ranks all real images, train and test, at 128 px, for every label with at least five of them. The result is the mean AUROC over
these labels; its interval resamples the real images 1,000 times. No real image is used before that.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from comp.base.paths import Paths
from comp.base.processes import cores
from comp.base.progress import say
from comp.competition.competition import Tables, load_competition
from comp.competition.experiments.load import load_experiment
from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.competition.tables import read_train
from comp.images.cache_sources import CacheContent
from comp.images.cache_writer import fill_cache
from comp.images.input_channels import InputChannels
from comp.inference.fold import load_network
from comp.metrics.auroc import mean_auroc
from comp.models.weight_sources import weights_source
from comp.practice.tables import PracticeSpec
from comp.practice.writer import write
from comp.training.torch_trainer import pick_device, train
from comp.training.trainer import FoldData, Run, prediction_settings
from pipelines.command import run

SYNTHETIC, SIZE, EPOCHS, LEAST, RESAMPLES = 3000, 128, 6, 5, 1000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True, type=Path, metavar="DIR", help="real images in Kaggle's layout, with test_labels.csv")
    given = arguments.parse_args()

    hpa = load_competition("hpa").model_copy(update={"data": str(given.data.resolve())})
    settings = {"size": SIZE, "train": {"epochs": EPOCHS}}
    experiment = load_experiment("efficientnet-lite0", hpa, settings)
    assert isinstance(experiment, TorchExperiment)
    channels = hpa.images.channels if hpa.images else ()
    real_labels = []
    real_files: dict[str, list[Path]] = {}
    for split, table in (("train", "train.csv"), ("test", "test_labels.csv")):
        ids, labels = read_train(hpa.model_copy(update={"tables": Tables(train=table)}), Paths("hpa"))
        real_files |= {image_id: hpa.image_files(Paths("hpa"), split, image_id) for image_id in ids}
        real_labels.append(labels)
    labels = np.concatenate(real_labels)

    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder / "synthetic", PracticeSpec(train=SYNTHETIC, test=1, unshifted=1, size=SIZE, seed=0), cores())
        synthetic = hpa.model_copy(update={"data": str(folder / "synthetic")})
        synthetic_ids, synthetic_labels = read_train(synthetic, Paths("hpa"))
        synthetic_files = {image_id: synthetic.image_files(Paths("hpa"), "train", image_id) for image_id in synthetic_ids}
        again = "python -m tests.studies.realism"
        images = fill_cache(folder / "train", CacheContent(synthetic_files, SIZE, channels), again, announce).images
        real = fill_cache(folder / "real", CacheContent(real_files, SIZE, channels), again, announce).images
        data = FoldData(images, synthetic_labels, np.arange(len(images)), InputChannels(tuple(range(len(channels)))))
        source = weights_source(experiment.initial_weights, experiment.backbone)
        job = Run(0, pick_device(0), folder / "checkpoint", {"run": "realism"}, source, float("inf"))
        network = load_network(train(experiment, data, job).weights, prediction_settings(experiment))
        logits = network(real, np.arange(len(real)))

    columns = [column for column in range(len(hpa.labels)) if labels[:, column].sum() >= LEAST]
    for column in columns:
        alone = mean_auroc(labels[:, [column]], logits[:, [column]])
        say(f"{hpa.classes[column]:<28}{labels[:, column].sum():>4} images  AUROC {alone:.3f}")
    generator = np.random.default_rng(0)
    labels, logits = labels[:, columns], logits[:, columns]
    resamples = generator.integers(len(labels), size=(RESAMPLES, len(labels)))
    low, high = np.nanquantile([mean_auroc(labels[rows], logits[rows]) for rows in resamples], [0.025, 0.975])
    found = mean_auroc(labels, logits)
    say(f"mean AUROC over {len(columns)} labels, {len(labels)} real images: {found:.3f} ({low:.3f} to {high:.3f})")


def announce(rows: int) -> None:
    say(f"reading {rows:,} images")


if __name__ == "__main__":
    run(main)
