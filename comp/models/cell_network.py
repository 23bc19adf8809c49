"""A network for bags of cells: a backbone for each cell, and gated attention that weighs the cells of an image for each class.

Multiple-instance learning (Ilse, Tomczak and Welling 2018, Attention-based Deep Multiple Instance Learning, equation 9): only the image is
labelled. As each class has weights of its own and the last layer is linear, an image's logit is the weighted mean of its cells' logits. So
the same layer says what a single cell shows.
"""

import torch
from torch import Tensor, nn

from comp.models.networks import Classifier

LIMIT = 1.0  # of scores: a cell counts at most exp(2), seven times as much as another one


class CellHead(nn.Module):
    """Features (B, cells, D) in, which are 0 where a bag has no cell; logits (B, classes) out.

    Args:
        width: D.
        hidden: units that a cell's features become.
        gates: units of the attention; 0: all cells count alike.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, width: int, hidden: int, gates: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.embed = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout))
        self.attention = GatedAttention(hidden, gates, outputs) if gates else None
        self.classify = nn.Linear(hidden, outputs)

    def forward(self, features: Tensor) -> Tensor:
        logits, weights = self.cells(features)
        return (weights * logits).sum(dim=1)

    def cells(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and weights of each cell, both (B, cells, classes). The weights of a class add up to 1 in each bag."""
        found = features.any(dim=-1)
        found[:, 0] = True  # so that a bag is never empty
        embedded = self.embed((features.float() - self.centre) / self.spread)
        logits: Tensor = self.classify(embedded).float()
        scores = torch.zeros_like(logits) if self.attention is None else self.attention(embedded).float()
        weights = scores.masked_fill(~found[..., None], -torch.inf).softmax(dim=1)
        return logits, weights


class GatedAttention(nn.Module):
    """Embedded cells (B, cells, D) in, their scores (B, cells, classes) out; the softmax over cells of the scores is their weights.

    Scores lie between -`LIMIT` and `LIMIT`. Without limits a class with few images attends to whatever cells its training images happen to
    differ by (`oof/LOG.md`).
    """

    def __init__(self, width: int, gates: int, outputs: int) -> None:
        super().__init__()
        self.content, self.gate = nn.Linear(width, gates), nn.Linear(width, gates)
        self.score = nn.Linear(gates, outputs)
        nn.init.zeros_(self.score.weight)  # all cells count alike at first

    def forward(self, embedded: Tensor) -> Tensor:
        scores: Tensor = self.score(torch.tanh(self.content(embedded)) * torch.sigmoid(self.gate(embedded)))
        return LIMIT * torch.tanh(scores)


class CellNetwork(nn.Module):
    """Bags (B, cells, H, W, C) uint8 in, black where a bag has no cell; logits (B, classes) out.

    A backbone that is frozen never learns. Its features are rounded to 16 bits, as they are kept in files.
    """

    def __init__(self, features: Classifier, head: CellHead, frozen: bool) -> None:
        super().__init__()
        self.features, self.head, self.frozen = features, head, frozen
        if frozen:
            self.features.requires_grad_(False)

    def forward(self, bags: Tensor) -> Tensor:
        logits: Tensor = self.head(self.of_cells(bags))
        return logits

    def of_cells(self, bags: Tensor) -> Tensor:
        """Features (B, cells, D) of bags, 0 where there is no cell."""
        found = bags.flatten(start_dim=2).amax(dim=-1) > 0
        found[:, 0] = True
        seen = self.features(bags[found])
        made = seen.new_zeros((*found.shape, seen.shape[-1]))
        made[found] = seen
        return made.half() if self.frozen else made
