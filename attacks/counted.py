"""A model that counts what passes through it."""

from torch import Tensor, nn

from robust.attacks.task import Model


class Counted(nn.Module):
    """`inner`, in evaluation mode, and how many samples went forward and backward through it."""

    def __init__(self, inner: Model) -> None:
        super().__init__()
        self.inner = inner
        self.forwards = self.backwards = 0
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        self.forwards += len(x)
        logits: Tensor = self.inner(x)
        if logits.requires_grad:
            logits.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        return logits

    def _count_backward(self, grad: Tensor) -> None:
        self.backwards += len(grad)
