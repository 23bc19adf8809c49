"""All-CNN-C, only convolutions (Springenberg et al. 2015, "Striving for simplicity: the all convolutional net", tables 1 and 2)."""

from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn

# kernel, width, stride, padding; the seventh layer has no padding: the paper's 8 x 8 maps become 6 x 6
LAYERS = ((3, 96, 1, 1), (3, 96, 1, 1), (3, 96, 2, 1), (3, 192, 1, 1), (3, 192, 1, 1), (3, 192, 2, 1), (3, 192, 1, 0), (1, 192, 1, 0))

default_cfgs = generate_default_cfgs({"allcnn": {"input_size": (3, 32, 32), "first_conv": "features.1", "classifier": "classifier"}})


class AllCNN(nn.Module):
    """Images (B, C, H, W) in, logits (B, classes) out; a 1 x 1 convolution to the classes comes before the mean over the maps.

    The paper drops 0.2 of the input and half of the values after each stride. `drop_rate` is the half, and the input keeps its
    proportion. The paper's table also has a ReLU on the classes. It is left out: after it, no sigmoid would give less than one half.
    Weights start as in He et al. 2015; there is no normalisation, so smaller ones would let signals vanish. With 0 classes the network
    ends with the mean of its last maps.
    """

    def __init__(self, num_classes: int = 10, in_chans: int = 3, drop_rate: float = 0.5) -> None:
        super().__init__()
        self.num_classes = num_classes
        layers: list[nn.Module] = [nn.Dropout(0.4 * drop_rate)]
        width = in_chans
        for kernel, wider, stride, padding in LAYERS:
            layers += [nn.Conv2d(width, wider, kernel, stride, padding), nn.ReLU(inplace=True)]
            layers += [nn.Dropout(drop_rate)] if stride > 1 else []
            width = wider
        self.features = nn.Sequential(*layers)
        self.num_features = width
        self.classifier = nn.Conv2d(width, num_classes, 1) if num_classes else nn.Identity()
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def get_classifier(self) -> nn.Module:
        return self.classifier

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images)).mean(dim=(2, 3))


@register_model
def allcnn(pretrained: bool = False, **options: Any) -> AllCNN:
    """What `timm.create_model("allcnn", in_chans=4, num_classes=28)` builds."""
    return build_model_with_cfg(AllCNN, "allcnn", pretrained, **options)
