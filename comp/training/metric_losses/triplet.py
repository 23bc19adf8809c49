"""Triplet loss (Schroff et al. 2015, "FaceNet", equation 1) on the hardest triplets of the batch (Hermans et al. 2017)."""

from collections.abc import Callable
from typing import Annotated, Literal

from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchEasyHardMiner
from torch import Tensor, nn

from comp.base.between import Between
from comp.base.errors import ConfigError


class MinedTriplets(nn.Module):
    """The triplet loss of the triplets that `miner` picks from the batch."""

    def __init__(self, margin: float, miner: BatchEasyHardMiner) -> None:
        super().__init__()
        self.loss = TripletMarginLoss(margin=margin)
        self.miner = miner

    def forward(self, embeddings: Tensor, identity: Tensor) -> Tensor:
        return self.loss(embeddings, identity, self.miner(embeddings, identity))


def build(
    margin: Annotated[float, Between(above=0)] = 0.2,
    positives: Literal["hard", "easy", "semihard", "all"] = "hard",
    negatives: Literal["hard", "semihard", "all"] = "semihard",
) -> Callable[[int, int], nn.Module]:
    """`margin` is a distance on the unit sphere. `positives` and `negatives` say which images of the batch each image is compared with.

    Raises:
        ConfigError: the two cannot be combined.
    """
    try:
        miner = BatchEasyHardMiner(pos_strategy=positives, neg_strategy=negatives)
    except ValueError:
        what = f"metric_losses.triplet: positives {positives!r} do not go with negatives {negatives!r}"
        raise ConfigError(what, "make one of them hard") from None
    return lambda identities, size: MinedTriplets(margin, miner)
