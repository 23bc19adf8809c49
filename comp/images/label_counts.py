"""Label counts of training images, before and after copies of rare labels: a table and a plot."""

from dataclasses import dataclass
from typing import IO

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from comp.base.text_table import aligned


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """Counts of C classes.

    Attributes:
        images: (C,) training images with each label.
        copies: (C,) copies with each label.
        below: a label with fewer images is rare.
    """

    classes: tuple[str, ...]
    images: NDArray[np.int64]
    copies: NDArray[np.int64]
    below: int

    @property
    def after(self) -> NDArray[np.int64]:
        return self.images + self.copies

    @property
    def order(self) -> list[int]:
        """From the most frequent class to the rarest."""
        return np.argsort(-self.images, kind="stable").tolist()

    def is_rare(self, column: int) -> bool:
        return bool(0 < self.images[column] < self.below)


def table(counts: LabelCounts, images: int, copies: int) -> str:
    """A line for each class, one for all `images` and `copies`, and the ratio of the most frequent to the rarest label."""
    lines = [["class", "images", "copies", "after", ""]]
    for column in counts.order:
        numbers = (counts.images[column], counts.copies[column], counts.after[column])
        lines.append([counts.classes[column], *map(str, numbers), "rare" if counts.is_rare(column) else ""])
    lines.append(["all images", str(images), str(copies), str(images + copies), ""])
    before, after = (int(each.max()) / max(int(each[each > 0].min(initial=each.max())), 1) for each in (counts.images, counts.after))
    uneven = f"the most frequent label has {before:.0f} times as many images as the rarest one, with the copies {after:.0f} times"
    return "\n".join([*aligned(lines), uneven])


def draw(counts: LabelCounts, title: str, file: IO[bytes]) -> None:
    """Write a PNG: for each class a line on a logarithmic axis, from its count without copies to that with copies."""
    names = [counts.classes[column] for column in counts.order]
    images, after = counts.images[counts.order], counts.after[counts.order]
    figure = Figure(figsize=(9, 1.5 + 0.25 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.hlines(names, images, after, color="lightgrey")
    axes.plot(images, names, "o", color="tab:blue", label="images")
    axes.plot(after, names, "|", color="tab:orange", markersize=12, label="with copies of images with rare labels")
    axes.axvline(counts.below, color="grey", linestyle=":", label=f"rare: fewer than {counts.below} images")
    axes.set(xscale="log", xlim=(1, 1.5 * max(*after, counts.below)), xlabel="training images with the label", title=title)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.invert_yaxis()
    axes.margins(y=0.01)
    figure.legend(loc="outside lower center", ncols=3)
    figure.savefig(file, format="png", dpi=120)
