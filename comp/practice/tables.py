"""The tables of the practice competition: labels, antibody, well, cell line and usage of every image."""

import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import Field

from comp.base.errors import ConfigError
from comp.base.schema import Strict
from comp.practice.catalogue import CELL_LINES, STRUCTURES, label_sets

Usage = Literal["train", "public", "private", "unshifted"]
LabelSet = tuple[int, ...]


class PracticeSpec(Strict):
    """The settings that determine the practice competition, byte for byte.

    Attributes:
        train, test, unshifted: numbers of images. `test` has another label distribution than train, `unshifted` has the same.
        size: pixels of a side.
        images_per_antibody: mean in train.
        groups_per_class: minimum number of antibodies of each class in train.
        shared_antibodies: share of the images of test and of unshifted whose antibody occurs in train.
        wrong_labels: share of the images, each in train, test and unshifted, with published labels that differ from what is drawn.
        near_duplicates: share of the images, each in train, test and unshifted, that show the same cells as another one of them.
        faint: share of the wells in which the protein is almost invisible.
        shift: difference between the label distributions of test and train: standard deviation of the log of the factor of each class.
        public: share of the test images for the public score; on Kaggle it was 29 %.
    """

    train: int = Field(700, ge=1)
    test: int = Field(350, ge=1)
    unshifted: int = Field(350, ge=1)
    size: int = Field(128, ge=32, le=2048)
    seed: int = Field(0, ge=0)
    images_per_antibody: float = Field(3.0, ge=1)
    groups_per_class: int = Field(5, ge=1)
    shared_antibodies: float = Field(0.6, ge=0, le=1)
    wrong_labels: float = Field(0.03, ge=0, le=1)
    near_duplicates: float = Field(0.05, ge=0, le=0.3)
    faint: float = Field(0.06, ge=0, le=1)
    shift: float = Field(0.6, ge=0)
    public: float = Field(0.29, gt=0, lt=1)


@dataclass
class _Antibody:
    name: int
    labels: LabelSet
    wells: list["_Well"] = field(default_factory=list)


@dataclass
class _Well:
    name: int
    cell_line: str
    faint: bool


def draw_tables(spec: PracticeSpec) -> pd.DataFrame:
    """One row for each image, ordered by id.

    Columns: id, usage, antibody, well, cell_line, labels (tuple: what is drawn), target (string: what is published), faint,
    duplicate_of (an id or ""), moved_x and moved_y (micrometres), and the seeds antibody_seed, well_seed, field_seed, take_seed.

    Raises:
        ConfigError: `train` is too small for `groups_per_class`.
    """
    return _Draw(spec).table()


class _Draw:
    """A random generator, and the next numbers of antibodies and wells."""

    def __init__(self, spec: PracticeSpec) -> None:
        self.spec = spec
        self.rng = np.random.default_rng([spec.seed, 28])
        self.antibodies = 0
        self.wells = 0

    def table(self) -> pd.DataFrame:
        spec, rng = self.spec, self.rng
        known = [self._antibody(labels) for labels in _train_label_sets(spec, rng)]
        sizes = 1 + rng.multinomial(spec.train - len(known), rng.dirichlet(np.full(len(known), 2.0)))
        donors = np.repeat(np.arange(len(known)), sizes)
        train = [self._image("train", known[donor], 0.55) for donor in donors]

        protected = _rare(known, 2 * spec.groups_per_class)
        factors = np.exp(rng.normal(0, spec.shift, len(STRUCTURES)))
        tilt = np.array([np.exp(np.log(factors[list(known[donor].labels)]).mean()) for donor in donors])
        test = self._hidden("private", spec.test, known, donors, tilt)
        for image in rng.permutation(len(test))[: round(spec.public * spec.test)]:
            test[image]["usage"] = "public"
        unshifted = self._hidden("unshifted", spec.unshifted, known, donors, np.ones(len(donors)))

        frequency = np.bincount([label for image in train for label in image["labels"]], minlength=len(STRUCTURES)) / spec.train
        for images in (train, test, unshifted):
            _duplicate(images, spec.near_duplicates, rng)
            _publish(images, spec.wrong_labels, frequency, protected, rng)
        return self._finish(pd.DataFrame(train + test + unshifted))

    def _antibody(self, labels: LabelSet) -> _Antibody:
        self.antibodies += 1
        return _Antibody(self.antibodies - 1, labels)

    def _image(self, usage: Usage, antibody: _Antibody, same_well: float) -> dict[str, Any]:
        """A row. With probability `same_well` it is in a well that the antibody already has, else in a new one."""
        if not antibody.wells or self.rng.random() >= same_well:
            antibody.wells.append(_Well(self.wells, str(self.rng.choice(list(CELL_LINES))), bool(self.rng.random() < self.spec.faint)))
            self.wells += 1
        well = antibody.wells[int(self.rng.integers(len(antibody.wells)))]
        return {
            "id": str(uuid.UUID(bytes=self.rng.bytes(16), version=4)),
            "usage": usage,
            "antibody": antibody.name,
            "well": well.name,
            "cell_line": well.cell_line,
            "labels": antibody.labels,
            "faint": well.faint,
            "field_seed": int(self.rng.integers(2**62)),
            "take_seed": int(self.rng.integers(2**62)),
        }

    def _hidden(
        self, usage: Usage, count: int, known: list[_Antibody], donors: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> list[dict[str, Any]]:
        """Rows with hidden labels. Each takes its label set from a train row; its antibody is the one of that row, or a new one.

        Train rows are chosen by systematic sampling in the order of their rarest class, so that no rare class is missed by chance.

        Args:
            donors: the antibody of each train row, as a number in `known`.
            weights: of the train rows in the sampling.
        """
        frequency = np.bincount([label for antibody in known for label in antibody.labels], minlength=len(STRUCTURES))
        rarest = np.array([min(antibody.labels, key=lambda label: (frequency[label], label)) for antibody in known])
        order = np.lexsort((self.rng.permutation(len(known))[donors], rarest[donors]))
        edges = np.cumsum(weights[order]) / weights.sum()
        at = (np.arange(count) + self.rng.random()) / count
        chosen = donors[order][np.minimum(np.searchsorted(edges, at), len(donors) - 1)]

        images: list[dict[str, Any]] = []
        start, debt = 0, self.rng.uniform(-0.5, 0.5)
        while start < count:
            stop = start + 1
            while stop < count and chosen[stop] == chosen[start]:
                stop += 1
            debt += self.spec.shared_antibodies * (stop - start)
            shared = debt >= (stop - start) / 2
            antibody = known[chosen[start]] if shared else self._antibody(known[chosen[start]].labels)
            debt -= (stop - start) if shared else 0
            images += [self._image(usage, antibody, 0.65) for _ in range(start, stop)]
            start = stop
        return images

    def _finish(self, table: pd.DataFrame) -> pd.DataFrame:
        """Replace numbers by names, add the seeds, and sort by id."""
        rng = self.rng
        antibody = rng.permutation(max(10_000, self.antibodies))
        well = rng.permutation(max(96 * 100, self.wells))
        seeds = {"antibody": rng.integers(2**62, size=self.antibodies), "well": rng.integers(2**62, size=self.wells)}
        for column in ("antibody", "well"):
            table[f"{column}_seed"] = seeds[column][table[column]]
        table["antibody"] = [f"AB{antibody[number]:05d}" for number in table["antibody"]]
        table["well"] = [f"{well[n] // 96 + 1}_{'ABCDEFGH'[well[n] % 96 // 12]}{well[n] % 12 + 1}" for n in table["well"]]
        columns = ["id", "usage", "antibody", "well", "cell_line", "labels", "target", "faint", "duplicate_of", "moved_x", "moved_y"]
        columns += ["antibody_seed", "well_seed", "field_seed", "take_seed"]
        return table[columns].sort_values("id", ignore_index=True)


def _train_label_sets(spec: PracticeSpec, rng: Generator) -> list[LabelSet]:
    """The label set of each antibody in train, as frequent as in the real competition; then rare classes are filled up.

    Raises:
        ConfigError: `train` is too small for `groups_per_class`.
    """
    counted = label_sets()
    sets, weights = list(counted), np.array(list(counted.values()), float)
    wanted = max(1, min(spec.train, round(spec.train / spec.images_per_antibody)))
    drawn = [sets[index] for index in rng.choice(len(sets), wanted, p=weights / weights.sum())]
    groups = np.bincount([label for labels in drawn for label in labels], minlength=len(STRUCTURES))
    while (groups < spec.groups_per_class).any():
        lacking = int(np.argmin(groups))
        holding = [index for index, labels in enumerate(sets) if lacking in labels]
        new = sets[int(rng.choice(holding, p=weights[holding] / weights[holding].sum()))]
        spare = [index for index, labels in enumerate(drawn) if all(groups[label] > spec.groups_per_class for label in labels)]
        if spare and len(drawn) >= wanted:
            gone = drawn.pop(int(rng.choice(spare)))
            groups[list(gone)] -= 1
        drawn.append(new)
        groups[list(new)] += 1
        if len(drawn) > spec.train:
            raise ConfigError(
                f"practice: {spec.train} train images are too few for {spec.groups_per_class} antibodies of every class",
                "raise train, or lower groups_per_class",
            )
    return [drawn[index] for index in rng.permutation(len(drawn))]


def _rare(antibodies: list[_Antibody], fewer_than: int) -> set[int]:
    groups = np.bincount([label for antibody in antibodies for label in antibody.labels], minlength=len(STRUCTURES))
    return set(np.flatnonzero(groups < fewer_than).tolist())


def _duplicate(images: list[dict[str, Any]], share: float, rng: Generator) -> None:
    """Turn a share of the images into near-duplicates of an earlier image of the same antibody: same well and cells, shifted a little."""
    first: dict[int, dict[str, Any]] = {}
    later = []
    for image in images:
        image.update(duplicate_of="", moved_x=0.0, moved_y=0.0)
        if first.setdefault(image["antibody"], image) is not image:
            later.append(image)
    for index in rng.permutation(len(later))[: round(share * len(images))]:
        original = first[later[index]["antibody"]]
        same = {column: original[column] for column in ("well", "cell_line", "faint", "field_seed")}
        x, y = rng.normal(0, 2.0, 2)
        later[index].update(same, duplicate_of=original["id"], moved_x=float(x), moved_y=float(y))


def _publish(images: list[dict[str, Any]], wrong: float, frequency: NDArray[np.float64], protected: set[int], rng: Generator) -> None:
    """Write `target`, the published labels. In a share of the images one label is missing, added or replaced.

    Labels in `protected` are never removed: few antibodies have them, and every fold needs one.
    """
    mistaken = set(rng.permutation(len(images))[: round(wrong * len(images))].tolist())
    for index, image in enumerate(images):
        labels: set[int] = set(image["labels"])
        if index in mistaken:
            chance = np.where(np.isin(np.arange(len(frequency)), list(labels)), 0, frequency)
            added = int(rng.choice(len(frequency), p=chance / chance.sum()))
            removable = sorted(labels - protected)
            kind = rng.choice(["drop", "add", "swap"])
            if removable and not (kind == "add" or (kind == "drop" and len(labels) == 1)):
                labels.discard(removable[int(rng.integers(len(removable)))])
            if kind != "drop" or labels == set(image["labels"]):
                labels.add(added)
        image["target"] = " ".join(str(label) for label in sorted(labels))
