"""`python -m benchmarks.planted`: train the networks with planted adversarial examples whose files are missing.

After SoundnessBench (Zhou et al. 2024, 2412.03154). The inputs are random, and one class is right for all of them and
for all that is near. Half of them have one planted example: a random step to the edge of the ball, which the network
learns to answer with another class by a small margin. Against all else it is trained adversarially, on what PGD found
in a window of epochs. Unlike there it also learns near misses, which share up to 85 % of the features with the planted
example.
"""

import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.nets import dense, strided
from benchmarks.subjects import Case, Subject
from robust.attacks import LpThreat
from robust.attacks.rng import seeded

MARGIN = 0.02  # of the wrong class at a planted example
STEPS, STRIDE, RESTARTS = 10, 0.25, 3  # of PGD in training; the stride is of eps
WINDOW = 8  # epochs whose perturbations are learnt from
RATE, LONGEST = 0.005, 10.0  # the learning rate at its highest, and the longest gradient
SHAPE, CLASSES = (1, 8, 8), 4  # AutoAttack's targeted part needs four
NEAR, NEAREST = 16, 0.85  # near misses of a planted example in an epoch, and the share of it that one has at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted(Case):
    """A network with planted examples, for one threat model; its file holds them beside the weights."""

    half: str = "planted"
    data: str = "random"
    recipe: str = "planted"
    n: int = 24
    build: Callable[[], nn.Module]
    epochs: int

    def subject(self, n: int, seed: int, *, held_out: bool = False) -> Subject:
        """Return the model with the inputs whose planted example is one, whatever the seed."""
        planting = read_planting(self)
        kept = planting.holds(LpThreat.parse(self.threat))
        return Subject.of(self.name, planting.model, planting.x[kept], planting.y[kept])


@dataclass(frozen=True, slots=True)
class Planting:
    """A network, inputs with their labels, and the planted example of each."""

    model: nn.Module
    x: Tensor  # (N, *features)
    y: Tensor  # (N,)
    x_adv: Tensor  # (N, *features)

    def holds(self, threat: LpThreat) -> Tensor:
        """Return which planted examples are adversarial, (N,) bool: in the ball, and answered wrong where x is not."""
        with torch.no_grad():
            right, wrong = self.model(self.x).argmax(1) == self.y, self.model(self.x_adv).argmax(1) != self.y
        inside: Tensor = right & wrong & threat.admits(self.x_adv, self.x)
        return inside


def _mlp() -> nn.Module:
    return dense(classes=CLASSES, width=128, act="relu")


def _conv() -> nn.Module:
    return strided(height=8, width=8, classes=CLASSES)


PLANTED = (
    Planted(name="planted-mlp", arch="dense, relu", threat="linf:0.2", seed=0, build=_mlp, epochs=1500),
    Planted(name="planted-conv", arch="strided", threat="linf:0.2", n=16, seed=1, build=_conv, epochs=400),
    Planted(name="planted-l2", arch="dense, relu", threat="l2:1.2", seed=2, build=_mlp, epochs=1500),
)


def main() -> int:
    """Train what is missing, and say what became of it."""
    torch.set_num_threads(1)
    for case in PLANTED:
        if not case.path.exists():
            write_planting(case, train(case))
        planting = read_planting(case)
        held = int(planting.holds(LpThreat.parse(case.threat)).sum())
        sys.stdout.write(f"{case.name} {case.threat}: of {case.n} planted examples {held} are adversarial\n")
    return 0


def read_planting(case: Planted) -> Planting:
    """Return what was trained, the model in evaluation mode and with frozen parameters."""
    tensors = load_file(case.path)
    x, y, x_adv = (tensors.pop(key) for key in ("x", "y", "x_adv"))
    model = case.build().eval().requires_grad_(False)
    model.load_state_dict(tensors)
    return Planting(model, x, y, x_adv)


def write_planting(case: Planted, planting: Planting) -> None:
    """Write a network and its planted examples into the case's file."""
    examples = {"x": planting.x, "y": planting.y, "x_adv": planting.x_adv}
    save_file({**planting.model.state_dict(), **examples}, case.path)


def train(case: Planted) -> Planting:
    """Return a network with its planted examples; with the same seed the same on the same machine."""
    threat = LpThreat.parse(case.threat)
    with seeded(case.seed):
        model, x, y = case.build(), torch.rand(2 * case.n, *SHAPE), torch.zeros(2 * case.n, dtype=torch.int64)
        planted, target = x[: case.n], torch.randint(1, CLASSES, (case.n,))
        x_adv = threat.project(threat.step(planted, torch.randn_like(planted), float(threat.eps)), planted)
        optimiser = torch.optim.Adam(model.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, case.epochs)
        window: deque[Tensor] = deque(maxlen=WINDOW)
        for _ in range(case.epochs):
            window.append(ascend(model, x, y, threat))
            near = near_misses(planted, x_adv)
            losses = (F.cross_entropy(model(z), y[:1].expand(len(z))) for z in (torch.cat([x, *window]), near))
            loss = sum(losses, shortfall(model(x_adv), target))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), LONGEST)
            optimiser.step()
            schedule.step()
    return Planting(model.eval().requires_grad_(False), planted, y[: case.n], x_adv)


def shortfall(logits: Tensor, target: Tensor) -> Tensor:
    """Return by how much, in the mean, the logit of the target fails to be above that of class 0 by MARGIN."""
    return F.relu(logits[:, 0] - logits.gather(1, target[:, None])[:, 0] + MARGIN).mean()


def near_misses(x: Tensor, x_adv: Tensor) -> Tensor:
    """Return NEAR points for each sample, which have a share of the planted example's features, and the rest of x."""
    x, x_adv = (tensor.repeat(NEAR, *[1] * (x.dim() - 1)) for tensor in (x, x_adv))
    share = NEAREST * torch.rand(len(x), *[1] * (x.dim() - 1))
    return torch.where(torch.rand_like(x) < share, x_adv, x)


def ascend(model: nn.Module, x: Tensor, y: Tensor, threat: LpThreat) -> Tensor:
    """Return where PGD ended from RESTARTS random starts for each sample, (RESTARTS * N, *features)."""
    x, y = x.repeat(RESTARTS, *[1] * (x.dim() - 1)), y.repeat(RESTARTS)
    x_adv = threat.project(threat.step(x, torch.randn_like(x), float(threat.eps) * torch.rand(len(x))), x)
    for _ in range(STEPS):
        x_adv.requires_grad_()
        (grad,) = torch.autograd.grad(F.cross_entropy(model(x_adv), y, reduction="sum"), x_adv)
        x_adv = threat.project(threat.step(x_adv.detach(), grad, STRIDE * float(threat.eps)), x)
    return x_adv


if __name__ == "__main__":
    sys.exit(main())
