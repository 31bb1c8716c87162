"""lstm: an LSTM that reads the input row by row. Hochreiter and Schmidhuber 1997 (10.1162/neco.1997.9.8.1735)."""

from torch import Tensor, nn

from robust.models.registry import ARCHITECTURES, UnfitError, check_whole


@ARCHITECTURES.register("lstm")
class LSTM(nn.Module):
    """`depth` layers of `width` units; the head classifies the state after the last row."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int = 128, depth: int = 1) -> None:
        super().__init__()
        check_whole(width=width, depth=depth)
        if len(shape) not in (2, 3) or min(shape) < 1:
            expected = "(rows, columns) or (channels, rows, columns)"
            raise UnfitError(f"needs inputs with rows, {expected}, got inputs of {list(shape)}")
        channels, _, columns = (1, *shape)[-3:]
        self.lstm = nn.LSTM(channels * columns, width, depth, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        rows = x if x.dim() == 3 else x.transpose(1, 2).flatten(2)  # (n, rows, channels * columns)
        _, (state, _) = self.lstm(rows)
        logits: Tensor = self.head(state[-1])
        return logits
