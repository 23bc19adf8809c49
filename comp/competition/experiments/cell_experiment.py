"""The settings of a network that looks at each cell of an image."""

from typing import Literal

from pydantic import Field, field_validator

from comp.competition.experiments.torch_experiment import TorchExperiment
from comp.images.bags import CropPlan


class CellExperiment(TorchExperiment):
    """A timm backbone for single cells, whose logits are averaged with attention; see `comp.training.cells_trainer`.

    `size` is that of a cell's crop, `cells` how many crops an image has at most, and `span` the side of what a crop shows, in diameters of
    the image's nuclei (see `comp.images.crops.CropPlan`). `frozen` keeps the backbone as its initial weights have it: the features of each
    crop are computed once, and only the last layers learn, in seconds. These have `hidden` units, and `attention` units that weigh
    the cells for each class; with 0 of them all cells count alike.
    """

    trainer: Literal["cells"]  # type: ignore[assignment]
    cells: int = Field(32, ge=1, le=4096)
    span: float = Field(3.0, gt=0, le=100)
    frozen: bool = False
    hidden: int = Field(256, ge=1, le=65_536)
    attention: int = Field(64, ge=0, le=65_536)

    @field_validator("extra")
    @classmethod
    def _has_no_extra_rows(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("a model of cells needs the cells of all images that it is trained on, and extra rows have none")
        return value

    @property
    def plan(self) -> CropPlan:
        return CropPlan(self.size, self.cells, self.span)
