"""cnn: a small convolutional network, which trains in a minute."""

from torch import Tensor, nn

from robust.models.registry import ARCHITECTURES, check_whole
from robust.models.zoo._image import as_images, image_size

MAX_SIDE = 7  # pixels of the last feature map
MAX_GROWTH = 4  # of the channels, as a multiple of `width`


@ARCHITECTURES.register("cnn")
class CNN(nn.Module):
    """Convolutions that halve the image, at least once, until it is small; then two linear layers."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int = 32) -> None:
        super().__init__()
        check_whole(width=width)
        channels, high, wide = image_size(shape)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        deep = width
        while len(layers) < 4 or max(high, wide) > MAX_SIDE:
            wider = min(2 * deep, MAX_GROWTH * width)
            layers += [nn.Conv2d(deep, wider, 3, stride=2, padding=1), nn.ReLU()]
            deep, high, wide = wider, (high + 1) // 2, (wide + 1) // 2
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(deep * high * wide, MAX_GROWTH * width),
            nn.ReLU(),
            nn.Linear(MAX_GROWTH * width, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(as_images(x)))
        return logits
