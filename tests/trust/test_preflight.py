"""The preflight checks: each finds its own fault, and none finds one in a sound model."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust.data.dataset import DATA, Samples
from robust.evaluation.batching import Batcher
from robust.evaluation.time_limit import Deadline
from robust.models.batches import fit_batches
from robust.models.registry import ARCHITECTURES
from robust.models.several import unpack_inputs
from robust.trust.checks import INDICATORS, PREFLIGHT, THREAT_CHECKS, examine, suits
from robust.trust.model_probe import MAX_SAMPLES, MAX_SMALL, ModelProbe, load_few
from tests.plugin.forms_of_state import DOUBTED, SAME
from tests.trust.faults import DIGITS, FAULTY, Nearest, make_linear


@cache
def samples():
    return load_few(DIGITS.load("test"))


def run_preflight(module, dataset=DIGITS, few=None, batch=250):
    """Return the findings by name."""
    report = examine(PREFLIGHT, ModelProbe(module, few or samples(), dataset, 0, Batcher(batch)))
    return {finding.name: finding for finding in report.findings}


@pytest.mark.parametrize("fault", FAULTY)
def test_each_fault_is_found_and_nothing_else(fault):
    make, names = FAULTY[fault]

    assert {*run_preflight(make())} == names


@pytest.mark.parametrize("form", DOUBTED)
def test_answers_that_depend_on_what_was_asked_before_are_found_with_the_name(form):
    make, name, said = DOUBTED[form]
    module = make(make_linear())
    if form == "positions":
        fit_batches(module, torch.from_numpy(samples().x[:16]))

    assert said in run_preflight(module)[name].message


@pytest.mark.parametrize("form", sorted({*SAME} - {"squeezed", "viewed", "hidden"}))
def test_what_is_written_and_never_read_is_no_finding(form):
    torch.manual_seed(0)

    assert run_preflight(SAME[form](make_linear())) == {}


class Standardised(nn.Conv2d):
    """A convolution whose batch norm uses the statistics of the weights, not of the batch, as in BiT (1912.11370)."""

    def forward(self, x):
        weight = F.batch_norm(self.weight.flatten(1)[None], None, None, training=True).view_as(self.weight)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def make_network(*layers):
    torch.manual_seed(0)
    net = nn.Sequential(*layers, nn.LazyLinear(10))
    net(torch.rand(20, *DIGITS.shape))
    return net


class Mean(nn.Module):
    """A classifier by the strongest colour."""

    def forward(self, x):
        return 9 * x.mean((2, 3))


class Reversed(nn.Module):
    def forward(self, x):
        return x.flip(1)


def make_untrained(name, **options):
    torch.manual_seed(0)
    return ARCHITECTURES.get(name)(DIGITS.shape, DIGITS.classes, **options)


TRAINED = {
    "nearest": Nearest,
    "float64 inside": lambda: Nearest(last=torch.Tensor.double),
    "logits far from 0": lambda: Nearest(last=lambda z: z + 1000),
    "logits close to each other": lambda: Nearest(last=lambda z: z / 100),
    "alike for mirrored images": lambda: Nearest(lambda x: (x + x.flip(-1)) / 2),
    "alike for turned images": lambda: Nearest(lambda x: (x + x.flip(-1, -2)) / 2),
    "clamped to the box": lambda: Nearest(lambda x: x.clamp(0, 1)),
}
OTHER = {"unet", "fusion"}  # of maps, and of several inputs
SMALL = {
    "mlp": {"width": 4},
    "cnn": {"width": 4},
    "lstm": {"width": 8},
    "vit": {"width": 12, "depth": 1},
    "preactresnet18": {"width": 2},
    "wideresnet": {"depth": 10, "width": 1},
}
UNTRAINED = {
    **{
        name: partial(make_untrained, name, **SMALL.get(name, {}))
        for name in ARCHITECTURES.names()
        if name not in OTHER
    },
    "weight standardisation": lambda: make_network(Standardised(1, 4, 3), nn.Flatten()),
    "group norm": lambda: make_network(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Flatten()),
    "instance norm": lambda: make_network(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4), nn.Flatten()),
    "batch norm and dropout": lambda: make_network(nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout()),
}


@pytest.fixture(autouse=True)
def _seed():
    """The layers of the networks here are made before the function that puts them together."""
    torch.manual_seed(0)


@pytest.mark.parametrize("name", TRAINED)
def test_a_sound_model_has_no_findings(name):
    assert not run_preflight(TRAINED[name]())


def test_a_sound_untrained_model_of_several_inputs_is_only_found_to_guess():
    data = DATA.get("digits-parts")
    module = ARCHITECTURES.get("fusion")(data.layout, data.classes, width=4)
    unpack_inputs(module, data.layout)

    assert {*run_preflight(module, data, load_few(data.load("test", 300)))} <= {"guessing"}


@pytest.mark.parametrize("name", UNTRAINED)
def test_a_sound_untrained_model_is_only_found_to_guess(name):
    assert {*run_preflight(UNTRAINED[name]())} <= {"guessing"}


@pytest.mark.parametrize("name", ["dropout of a function", "columns first", "statistics of the batch"])
def test_the_checks_share_twelve_forward_and_two_backward_passes_and_leave_the_model_unchanged(name):
    module = FAULTY[name][0]().train()
    state = torch.get_rng_state()
    forwards, backwards = [], []
    module.register_forward_pre_hook(lambda _, inputs: forwards.append(len(inputs[0])))
    module.linear.register_full_backward_hook(lambda _, into, out: backwards.append(len(out[0])))
    before = {key: value.clone() for key, value in module.state_dict().items()}

    run_preflight(module, batch=100)
    assert sum(forwards) <= 12 * MAX_SAMPLES
    assert sum(backwards) <= 2 * MAX_SAMPLES + MAX_SMALL  # depends-on-grid has two backward passes of few
    assert max(forwards) <= 100
    assert module.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None and p.requires_grad for p in module.parameters())
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


OF_CLASSES = [name for name in PREFLIGHT.names() if suits(PREFLIGHT.get(name), "class")]


class Clock:
    """A clock that a model moves."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("seconds", "done"),
    [
        (0, []),
        (256, ["input-range", "wrong-mode"]),
        (640, ["guessing", "input-range", "not-finite", "wrong-mode"]),
        (1e5, OF_CLASSES),
    ],
)
def test_what_does_not_fit_into_the_time_is_not_run_and_named(seconds, done):
    """A sample takes a second."""
    clock, module = Clock(), FAULTY["columns first"][0]()
    deadline = Deadline(seconds, clock)
    module.register_forward_pre_hook(lambda _, inputs: setattr(clock, "now", clock.now + len(inputs[0])))
    probe = ModelProbe(module, samples(), DIGITS, 0, Batcher(64), deadline)

    report = examine(PREFLIGHT, probe, has_time=deadline.has)
    assert {*done} <= {*report.checked}
    assert {*report.checked} | {*report.not_run} == {*OF_CLASSES}
    assert clock.now <= seconds
    assert ("picture-order" in {finding.name for finding in report.findings}) == (seconds == 1e5)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_no_check_asks_more_often_than_it_says(name):
    """A check whose costs are too low is started when it has no time."""
    module, asked = FAULTY["columns first"][0](), []
    module.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    module.linear.register_full_backward_hook(lambda _, into, out: asked.append(2 * len(out[0])))
    probe = ModelProbe(module, samples(), DIGITS, 0, Batcher(64), Deadline(60))
    check = PREFLIGHT.get(name)

    expected = check.passes(probe)
    check(probe)
    assert sum(asked) <= expected
    assert check.passes(probe) <= expected


@pytest.mark.parametrize(
    ("lo", "hi", "grade"), [(0, 1, ""), (0, 255, "suspect"), (-0.5, 0.5, "broken"), (0.1, 2, "broken")]
)
def test_inputs_are_compared_with_the_declared_range(lo, hi, grade):
    findings = run_preflight(Nearest(), replace(DIGITS, lo=lo, hi=hi))

    assert {name: finding.grade for name, finding in findings.items()} == ({"input-range": grade} if grade else {})


def test_preflight_sees_all_classes_of_sorted_data():
    test = DIGITS.load("test")
    order = np.argsort(test.y, kind="stable")
    few = load_few(Samples(test.x[order], test.y[order], np.arange(len(test))))

    assert len(few) == MAX_SAMPLES
    assert (np.diff(few.index) > 0).all()
    assert np.bincount(few.y).min() > MAX_SAMPLES / 20
    assert "guessing" in run_preflight(FAULTY["always the same"][0](), few=few)
    assert load_few(few).index.tolist() == few.index.tolist()


@pytest.mark.parametrize("n", [1, 5, 40])
def test_a_few_samples_cause_no_false_alarm(n):
    """A single sample alone cannot be distinguished from guessing."""
    findings = run_preflight(Nearest(), few=samples().take(np.arange(n)))

    assert [*findings] == ["guessing"] * (n == 1)


def test_reversed_colours_are_found():
    """The images belong to three classes by their colour."""
    y = np.arange(240) % 3
    x = np.full((240, 3, 4, 4), 0.2, np.float32)
    x[np.arange(240), y] = 0.8
    colours = replace(DIGITS, classes=3, shape=x.shape[1:])
    few = Samples(x, y, np.arange(240))

    assert not run_preflight(Mean(), colours, few)
    findings = run_preflight(nn.Sequential(Reversed(), Mean()), colours, few)
    assert "100.0 % with the inputs with their colours in reverse order" in findings["picture-order"].message


class Signed(nn.Module):
    """A classifier by the largest mean feature, which answers only inputs with negative values."""

    def __init__(self, parts):
        super().__init__()
        self.parts, self.never = parts, nn.Parameter(torch.zeros(4))

    def forward(self, x):
        z = x.reshape(-1, self.parts, 4)
        return torch.where(z.amin((1, 2))[:, None] < 0, 10 * z.mean(1), self.never)


@pytest.mark.parametrize("shape", [(4,), (5, 4), (1, 2, 4), (2, 1, 2, 4)])
def test_inputs_of_any_rank_are_tested_for_another_normalisation(shape):
    y = np.arange(240) % 4
    x = np.full((240, *shape), 0.25, np.float32)
    x[np.arange(240), ..., y] = 0.75

    findings = run_preflight(
        Signed(x[0].size // 4), replace(DIGITS, classes=4, shape=shape), Samples(x, y, np.arange(240))
    )
    assert "with the inputs normalised by" in findings["normalisation"].message


class Bent(nn.Module):
    """A network of one hidden layer that was fitted to inputs normalised by a mean and a deviation."""

    def __init__(self, mean, std):
        super().__init__()
        draw, train = torch.Generator().manual_seed(0), DIGITS.load("train")
        self.hidden = nn.Linear(64, 200)
        self.hidden.weight.data = torch.randn(200, 64, generator=draw) / 8
        self.hidden.bias.data = torch.rand(200, generator=draw) / 4 - 0.125
        x = (torch.from_numpy(train.x[:]).flatten(1) - mean) / std
        z = torch.cat([self.hidden(x).relu(), torch.ones(len(x), 1)], 1).detach()
        targets = nn.functional.one_hot(torch.from_numpy(train.y), 10).float()
        self.last = torch.linalg.lstsq(z.T @ z + 10 * torch.eye(201), z.T @ targets).solution

    def forward(self, x):
        z = self.hidden(x.flatten(1)).relu()
        return torch.cat([z, torch.ones(len(x), 1)], 1) @ self.last


def test_of_several_scalings_the_best_is_named_with_what_to_say():
    """Times 255 is better than nothing, too: the bias no longer matters."""
    finding = run_preflight(Bent(0.2, 0.35))["normalisation"]

    assert "with the inputs normalised by their own mean and deviation" in finding.message
    assert finding.hint.startswith("say --robust-normalize=0.3")
    assert "/0.3" in finding.hint


def test_the_docs_describe_every_check():
    page = (Path(__file__).parent.parent.parent / "docs" / "trust.md").read_text()

    for name in (*PREFLIGHT.names(), *THREAT_CHECKS.names(), *INDICATORS.names()):
        assert f"**{name}**" in page, name
