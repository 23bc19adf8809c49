"""A competition without images and the prediction files of three synthetic models, for the tests of `make stack`."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
import pytest

from comp.competition.competition import FoldPlan
from comp.competition.labels import LabelSpace
from comp.folds.assignment import assign_folds
from comp.predictions.prediction_file import Predictions, read_predictions
from comp.predictions.provenance import Provenance, data_fingerprint
from pipelines import stack
from pipelines.command import run

CLASSES = ("round", "bright", "striped", "absent")
YAML = "title: Tables\ndata: data/tables\nimages:\nclasses: [round, bright, striped, absent]\nfolds: {count: 4}\n"
SKILL = {"good": 2.5, "fair": 1.5, "coin": 0.0}
TRAIN, TEST = 200, 40


class Tables:
    """A competition without images, its fold map, and prediction files of three synthetic models.

    `shifted` is the share of the test images that are "round"; `apart` the standard deviation of each fold's own error in the logits;
    `unlabelled` says whether there are train images without a label.
    """

    def __init__(self, project, holdout=0.0, *, train=TRAIN, test=TEST, shifted=0.3, apart=0.0, unlabelled=True):
        self.project, self.root, self.apart = project, project.root, apart
        rng = np.random.default_rng(0)
        self.truth = rng.random((train + test, 4)) < [0.3, 0.5, 0.1, 0.0]
        if shifted != 0.3:
            self.truth[train:, 0] = rng.random(test) < shifted
        if not unlabelled:
            self.truth[:train, 1] |= ~self.truth[:train].any(axis=1)
        ids = [f"image-{number:03d}" for number in rng.permutation(train + test)]
        self.train_ids, self.test_ids = tuple(ids[:train]), tuple(ids[train:])
        (self.root / "configs/competitions/tables.yaml").write_text(YAML)
        data = self.root / "data/tables"
        data.mkdir(parents=True)
        strings = LabelSpace.numbered(CLASSES).strings(self.truth)
        pd.DataFrame({"Id": self.train_ids, "Target": strings[:train]}).to_csv(data / "train.csv", index=False)
        pd.DataFrame({"Id": self.test_ids, "Predicted": "0"}).to_csv(data / "sample_submission.csv", index=False)
        groups = [f"A{number // 4}" for number in range(train)]
        labels = self.truth[:train]
        plan = FoldPlan(count=4, split_groups=0.5, holdout=holdout)
        self.folds = assign_folds(self.train_ids, labels, plan, groups=groups, components=self.train_ids)
        self.folds.write(self.root / "oof/tables/folds.csv")
        self.logits = {}
        for model, skill in SKILL.items():
            self.logits[model] = (skill * self.truth + rng.normal(size=self.truth.shape) - 1).astype(np.float32)
            self.write(model, labels)

    def write(self, model, labels):
        number_of = {name: number for number, name in enumerate((*self.train_ids, *self.test_ids))}
        shared = {"competition": "tables", "model": model, "classes": CLASSES, "seed": 0}
        shared |= {"folds": self.folds.fingerprint, "data": data_fingerprint(self.train_ids, labels)}
        held = tuple(np.array(self.train_ids)[self.folds.fold == -1])
        for fold in range(4):
            own = tuple(np.array(self.train_ids)[self.folds.fold == fold])
            for kind, ids, number in (("oof", own, fold), ("test", self.test_ids, -1), ("holdout", held, -1)):
                if not ids:
                    continue
                logits = self.logits[model][[number_of[name] for name in ids]]
                logits = logits + self.apart * np.random.default_rng(fold).normal(size=logits.shape).astype(np.float32)
                name = "fold" if kind == "oof" else kind
                made = Predictions(ids, np.full(len(ids), number, np.int8), logits, Provenance(kind=kind, fold=fold, **shared))
                made.write(self.file(model, f"{name}-{fold}"))

    def file(self, model, name):
        return self.root / f"oof/tables/{model}/{name}.parquet"

    def change(self, model, name, **provenance):
        """Write a file again with another provenance."""
        found = read_predictions(self.file(model, name))
        Predictions(found.ids, found.fold, found.logits, found.provenance.model_copy(update=provenance)).write(self.file(model, name))

    def restrict(self, model, names, file="*"):
        """Write files of a model again as of one that was trained on these of its classes."""
        for path in self.file(model, "any").parent.glob(f"{file}.parquet"):
            found = read_predictions(path)
            columns = [found.provenance.classes.index(name) for name in names]
            made = found.provenance.model_copy(update={"classes": tuple(names)})
            Predictions(found.ids, found.fold, found.logits[:, columns], made).write(path)

    def drop_row(self, model, name):
        found = read_predictions(self.file(model, name))
        Predictions(found.ids[1:], found.fold[1:], found.logits[1:], found.provenance).write(self.file(model, name))

    def stack(self, *more):
        """Run the command in this process, which is faster than another Python."""
        code = 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            patch.chdir(self.root)
            patch.setattr(sys, "argv", ["stack", "--competition", "tables", *more])
            try:
                run(stack.main)
            except SystemExit as ended:
                code = ended.code
        return subprocess.CompletedProcess(sys.argv, code, out.getvalue(), err.getvalue())

    def submissions(self):
        return sorted((self.root / "submissions/tables").glob("*"))
