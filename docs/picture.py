"""Measure the image of the first page and write it to _static/idea.svg: `python -m docs.picture`.

It shows a scan of a 3, the same scan perturbed, and the accuracy of two networks by the size of the perturbation. The
networks are those of benchmarks/models. FMN searches for the smallest perturbation of each scan.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from examples.digits import make
from robust.attacks import FMN, PGD, LpThreat, assail, minimize_norm
from robust.data.sets import digits

HERE = Path(__file__).parent
EPS, WIDEST = 0.15, 0.3  # of the perturbation that is shown, and at the end of the curve
POINTS = 100  # of the curve
SIZE, ACROSS, GAP, TOP = 150, 260, 20, 24  # of a scan, of the curve, between scans, and below the titles


def network(name: str) -> nn.Module:
    net = make()
    net.load_state_dict(load_file(HERE.parent / f"benchmarks/models/digits-{name}.safetensors"))
    return net.eval()


def scan(x: Tensor, left: float, title: str) -> str:
    """Return an 8x8 scan as squares, with a title above it."""
    side = SIZE / 8
    squares = "".join(
        f'<rect x="{left + j * side:g}" y="{TOP + i * side:g}" width="{side + 0.3:g}" height="{side + 0.3:g}" '
        f'fill="hsl(0 0% {100 * float(x[i, j]):.0f}%)" shape-rendering="crispEdges"/>'
        for i in range(8)
        for j in range(8)
    )
    return f'<text x="{left}" y="14">{title}</text>{squares}'


def curve(right: list[float], left: float, kind: str) -> str:
    """Return the curve of accuracies for sizes from 0 to WIDEST."""
    step = ACROSS / (len(right) - 1)
    points = " ".join(f"{left + k * step:.1f},{TOP + SIZE * (1 - share):.1f}" for k, share in enumerate(right))
    return f'<polyline class="{kind}" points="{points}"/>'


def picture() -> str:
    """Return the image as SVG, measured on the test scans of digits."""
    plain, trained = network("standard"), network("pgd-at")
    x, y = (torch.as_tensor(part) for part in digits.read("test"))
    three = ((y == 3) & (plain(x).argmax(1) == 3)).nonzero()[0]
    fooled = assail(plain, PGD(loss="margin"), x[three], y[three], LpThreat.parse(f"linf:{EPS}"))
    left = 2 * (SIZE + GAP) + 30
    curves, ends = [], {}
    for kind, net in (("plain", plain), ("trained", trained)):
        found = minimize_norm(net, FMN(), x, y, "linf")
        right = [float(found.robust_at(WIDEST * k / POINTS).double().mean()) for k in range(POINTS + 1)]
        curves.append(curve(right, left, kind))
        ends[kind] = round(100 * float(found.robust_at(EPS).double().mean()))
    return TEMPLATE.format(
        clean=scan(x[three][0, 0], 0, f"classified as {int(plain(x[three]).argmax())}"),
        moved=scan(fooled.x_adv[0, 0], SIZE + GAP, f"perturbed: classified as {int(plain(fooled.x_adv).argmax())}"),
        curves="".join(curves),
        left=left,
        right=left + ACROSS,
        top=TOP,
        foot=TOP + SIZE,
        label=TOP + SIZE + 18,
        half=left + ACROSS * EPS / WIDEST,
        beyond=left + ACROSS * EPS / WIDEST + 6,
        **{f"{kind}_end": f"{end} %" for kind, end in ends.items()},
        before=left + ACROSS * EPS / WIDEST - 6,
        above=TOP + SIZE * (1 - ends["trained"] / 100) - 6,
        below=TOP + SIZE - 8,
        width=left + ACROSS + 8,
        height=TOP + SIZE + 26,
    )


# Grey and mid tones, so that it is legible on light and on dark.
TEMPLATE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}"
font-family="system-ui, sans-serif" font-size="12" fill="#808790">
<style>
polyline {{ fill: none; stroke-width: 2.5; }}
.plain {{ stroke: #d1495b; }} text.plain {{ fill: #d1495b; stroke: none; }}
.trained {{ stroke: #2e86c1; }} text.trained {{ fill: #2e86c1; stroke: none; }}
.axis {{ stroke: #808790; stroke-width: 1; }} .eps {{ stroke: #808790; stroke-dasharray: 3 3; }}
</style>
{clean}
{moved}
<path class="axis" fill="none" d="M{left:g} {top:g} V{foot:g} H{right:g}"/>
<path class="eps" d="M{half:g} {top:g} V{foot:g}"/>
{curves}
<text x="{left:g}" y="14">accuracy, by size of the perturbation</text>
<text x="{half:g}" y="{label:g}" text-anchor="middle">0.15</text>
<text x="{left:g}" y="{label:g}">0</text><text x="{right:g}" y="{label:g}" text-anchor="end">0.3</text>
<text class="plain" x="{before:g}" y="{below:g}" text-anchor="end">standard: {plain_end}</text>
<text class="trained" x="{beyond:g}" y="{above:g}">robust: {trained_end}</text>
</svg>
"""

if __name__ == "__main__":
    (HERE / "_static" / "idea.svg").write_text(picture())
