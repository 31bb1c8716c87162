"""Residual networks with pre-activation: He et al. 2016 (1603.05027).

PreActResNet-18 and the WideResNets are this network with other widths and depths. It is made for images of 32 pixels:
the stem is 3x3, without max-pooling. The last feature map is averaged, so that other sizes work as well.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from robust.models.zoo._image import as_images, image_size


class Block(nn.Module):
    """Norm, activation and convolution, twice, with a skip connection unless `skip` is False."""

    def __init__(self, inputs: int, outputs: int, stride: int, skip: bool) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.relu = nn.ReLU()
        self.skip = skip
        reshapes = skip and (stride != 1 or inputs != outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if reshapes else None

    def forward(self, x: Tensor) -> Tensor:
        active = self.relu(self.norm1(x))
        y: Tensor = self.conv2(self.relu(self.norm2(self.conv1(active))))
        if not self.skip:
            return y
        return y + (x if self.shortcut is None else self.shortcut(active))


class PreAct(nn.Module):
    """A stem, stages of `blocks` blocks each, which halve the image from the second on, and a linear head."""

    def __init__(
        self, shape: tuple[int, ...], classes: int, stem: int, widths: Sequence[int], blocks: int, skip: bool = True
    ) -> None:
        super().__init__()
        channels, _, _ = image_size(shape)
        self.stem = nn.Conv2d(channels, stem, 3, padding=1, bias=False)
        stages, inputs = [], stem
        for stage, width in enumerate(widths):
            for block in range(blocks):
                stages.append(Block(inputs, width, 2 if stage and not block else 1, skip))
                inputs = width
        self.blocks = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.head = nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        features = self.relu(self.norm(self.blocks(self.stem(as_images(x)))))
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits
