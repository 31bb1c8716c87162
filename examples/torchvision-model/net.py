"""A network of torchvision for small grey images: pixels from 0 to 1 go in, logits come out."""

from torch import nn
from torchvision.models import DenseNet
from torchvision.transforms import v2


def make() -> nn.Module:
    net = DenseNet(growth_rate=16, block_config=(2, 2), num_init_features=32, num_classes=10)
    net.features.conv0 = nn.Conv2d(1, 32, 3, padding=1, bias=False)  # torchvision's is for colour, and strides
    # Normalisation is a part of the model, so that the threat model is one of pixels, and attacks see through it.
    return nn.Sequential(v2.Normalize(mean=[0.3], std=[0.35]), net)
