"""Random small networks, drawn by hypothesis: blocks one after another, each of what networks are made of."""

import torch
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tests.certification.models import Function

CLASSES = 3
ACTIVATIONS = [
    nn.ReLU, lambda: nn.LeakyReLU(1.6), lambda: nn.LeakyReLU(-0.4), nn.PReLU, nn.Sigmoid, nn.Tanh, nn.GELU,
    lambda: nn.GELU("tanh"), nn.SiLU, nn.ELU, nn.Softplus, lambda: nn.Hardtanh(-0.3, 0.6), nn.ReLU6, nn.Hardswish,
    nn.LogSigmoid, nn.SELU, lambda: nn.CELU(0.6), nn.Mish, lambda: nn.Softplus(2, 0.5), nn.Softsign,
    lambda: Function(torch.abs), lambda: Function(torch.square), lambda: Function(torch.sin),
    lambda: Function(lambda x: x**3), lambda: Function(lambda x: x.clamp(-2, 2) ** 4),
]  # fmt: skip
activations = st.sampled_from(ACTIVATIONS).map(lambda make: make())
adaptive = st.sampled_from([nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d]).flatmap(
    lambda pool: st.integers(1, 2).map(pool)
)
paddings = st.sampled_from(["zeros", "reflect", "replicate", "circular"])


@st.composite
def convolutions(draw, channels):
    groups = channels if draw(st.booleans()) else 1
    padding = draw(st.sampled_from([0, 1, 2, "same"]))
    stride = 1 if padding == "same" else draw(st.integers(1, 2))
    size, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    out, mode = channels * draw(st.integers(1, 2)), draw(paddings)
    return nn.Conv2d(channels, out, size, stride, padding, dilation, groups, draw(st.booleans()), mode)


@st.composite
def pools(draw):
    size, stride = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    padding, ceil = draw(st.integers(0, size // 2)), draw(st.booleans())
    if draw(st.booleans()):
        return nn.MaxPool2d(size, stride, padding, draw(st.integers(1, 2)), ceil_mode=ceil)
    return nn.AvgPool2d(size, stride, padding, ceil, draw(st.booleans()))


@st.composite
def image_blocks(draw, shape):
    channels = shape[0]
    kinds = ["conv", "pool", "norm", "own norm", "act", "residual", "cat", "pad", "twice", "gate", "up"]
    kind = draw(st.sampled_from(kinds))
    if kind == "conv":
        return draw(convolutions(channels))
    if kind == "pool":
        return draw(pools())
    if kind == "norm":
        return nn.BatchNorm2d(channels, affine=draw(st.booleans()))
    if kind == "own norm":
        return nn.InstanceNorm2d(channels, eps=0.1, affine=draw(st.booleans()))
    act = draw(activations)
    if kind == "act":
        return act
    conv = nn.Conv2d(channels, channels, 3, padding=1)
    return {
        "residual": Function(lambda x, act, conv: x + act(conv(x)), act, conv),
        "cat": Function(lambda x, act: torch.cat([act(x), -x], 1), act),
        "pad": Function(lambda x, act: act(F.pad(x, (1, 0, 0, 1), value=0.5)), act),
        "twice": Function(lambda x, act, conv: conv(act(conv(x))), act, conv),
        "gate": Function(lambda x, act, conv: x * act(conv(x)).mean((2, 3), keepdim=True), act, conv),
        "up": Function(lambda x, act: act(F.interpolate(x, scale_factor=2)), act),
    }[kind]


@st.composite
def flat_blocks(draw, shape):
    (size,) = shape
    act, linear = draw(activations), nn.Linear(size, size)
    out = draw(st.integers(2, 6))
    return draw(
        st.sampled_from(
            [
                nn.Sequential(nn.Linear(size, out), act),
                nn.Sequential(nn.Linear(size, out, bias=False), nn.BatchNorm1d(out), act),
                Function(lambda x, act, linear: x + act(linear(x)), act, linear),
                Function(lambda x, act: torch.cat([act(x), x], 1), act),
                Function(lambda x, act: act(x - x.mean(1, keepdim=True)), act),
                Function(lambda x, act, linear: act(x) * linear(x), act, linear),
                Function(lambda x, act: act(x) * x.mean(1, keepdim=True), act),
                Function(lambda x, act, linear: linear(act(linear(x))) - x, act, linear),
                Function(lambda x, act: act(x) * (x.square().mean(1, keepdim=True) + 0.1).rsqrt(), act),
                Function(lambda x, act: torch.maximum(act(x), x.flip(1)), act),
                Function(lambda x, act: torch.minimum(act(x), x.flip(1)) - x.amin(1, keepdim=True), act),
                Function(lambda x, act: F.normalize(act(x) + 1, dim=1), act),
                Function(lambda x, act: act(x) - x.logsumexp(1, keepdim=True), act),
                Function(lambda x, act: act(x) / (0.5 + x.std(1, correction=0, keepdim=True)), act),
                Function(lambda x, act: torch.einsum("ni,nj->nij", act(x), x).amax(2), act),
                Function(lambda x, act: (act(x).unsqueeze(2) @ x.unsqueeze(1)).flatten(1), act),
                Function(lambda x, act: act(x) + x.amax(1, keepdim=True) + x.detach(), act),
                Function(lambda x, act: (act(x).clamp(-0.5, 1.5) + 0.2).exp(), act),
            ]
        )
    )


@st.composite
def networks(draw, depth=4):
    """Draw (a module, in float64 and evaluation mode, for inputs of a shape, that shape)."""
    blocks, shape = [], draw(st.sampled_from([(1,), (3,), (5,), (1, 4, 4), (2, 5, 4), (3, 1, 3)]))
    x = torch.rand(1, *shape)
    for _ in range(draw(st.integers(0, depth))):
        block = draw(flat_blocks(x.shape[1:]) if x.dim() == 2 else image_blocks(x.shape[1:])).eval()
        try:
            after = block(x)
        except (RuntimeError, ValueError):  # the image is too small for it
            continue
        if after.numel() <= 80:
            blocks.append(block)
            x = after
        if x.dim() == 4 and draw(st.booleans()):
            blocks.append(nn.Flatten() if draw(st.booleans()) else draw(adaptive))
            x = blocks[-1](x)
    blocks += [nn.Flatten(), nn.Linear(x[0].numel(), CLASSES)]
    return nn.Sequential(*blocks).double().eval().requires_grad_(False), shape


def redraw(module, seed, scale=1.0):
    """Draw the weights of a module again, in place, and the statistics of its batch norms."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in module.parameters():
            fan = max(1, each[0].numel())
            each.copy_(torch.randn(each.shape, generator=generator) * 1.3 / fan**0.5)
        for name, each in module.named_buffers():
            if each.is_floating_point():
                drawn = torch.randn(each.shape, generator=generator)
                each.copy_(drawn.abs() + 0.2 if name.endswith("var") else drawn / 2)
        module[-1].weight.mul_(scale)
        module[-1].bias.mul_(scale)
