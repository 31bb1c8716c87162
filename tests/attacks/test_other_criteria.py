"""The criteria within, labels and goal: what they accept, and linear models, of which the truth is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat, assail, make, minimize_norm
from robust.attacks.criteria.registry import CRITERIA, canonical_criterion, read_criterion
from robust.attacks.few_classes import describe_fit, fit_classes
from robust.attacks.suite import read_suite
from robust.attacks.worst_score import worsen_scores
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.suite_run import SuiteRun
from robust.verification.candidates import Candidates
from robust.verification.check import ANSWERED_RIGHT, LARGE, verify

N, FEATURES = 200, 10
ROUNDING = 1e-6
EPS = {"linf": 0.1, "l2": 0.3, "l1": 0.5}
LESS = 0.2  # times these of several labels, of which one is always near 0
NAN = float("nan")


def linear(outputs, seed=0):
    generator = torch.Generator().manual_seed(seed)
    module = nn.Linear(FEATURES, outputs, dtype=torch.float64)
    module.weight.data = torch.randn(outputs, FEATURES, generator=generator, dtype=torch.float64)
    module.bias.data.zero_()
    return module.eval(), torch.rand(N, FEATURES, generator=generator, dtype=torch.float64)


def reach(norm, gradient, x, lo, hi, less=1.0):
    """Return how far <gradient, x'> can rise within the ball and the box, (n,)."""
    eps, room, size = less * EPS[norm], torch.where(gradient > 0, hi - x, x - lo), gradient.abs()
    if norm == "linf":
        return (size * room.clamp_max(eps)).sum(1)
    if norm == "l1":
        order = size.argsort(descending=True)
        room = room[:, order]
        used = room.cumsum(1) - room
        return (torch.minimum((eps - used).clamp_min(0), room) * size[order]).sum(1)
    low, high = torch.zeros(len(x), 1).double(), torch.full((len(x), 1), 1e6).double()
    for _ in range(100):  # d = min(factor * gradient, room) of length eps
        middle = (low + high) / 2
        short = torch.minimum(size * middle, room).norm(dim=1, keepdim=True) < eps
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return (torch.minimum(size * low, room) * size).sum(1)


def regression(norm, lo, hi):
    """Return (model, x, y, by how much the worst admitted answer is beyond the tolerance of 2)."""
    model, x = linear(1)
    y = model(x).detach() + torch.randn(N, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    error, slope = (model(x) - y).detach()[:, 0], model.weight.detach()[0]
    up, down = error + reach(norm, slope, x, lo, hi), -error + reach(norm, -slope, x, lo, hi)
    return model, x, y, torch.maximum(up, down) - 2


def several(norm, lo, hi):
    """Return the same of five labels, some not known."""
    model, x = linear(5, seed=3)
    answers = model(x).detach()
    y = (answers > 0).long()
    y[::7, 0] = -1
    sides = torch.where(y == 1, -1.0, 1.0).double()
    beyond = [
        sides[:, j] * answers[:, j] + reach_each(norm, sides[:, j : j + 1] * model.weight.detach()[j], x, lo, hi)
        for j in range(5)
    ]
    return model, x, y, torch.stack(beyond, 1).masked_fill(y < 0, -torch.inf).amax(1)


def reach_each(norm, gradients, x, lo, hi):
    return torch.cat([reach(norm, g, row[None], lo, hi, LESS) for g, row in zip(gradients, x, strict=True)])


def read_threat(norm, criterion, lo, hi):
    eps = EPS[norm] * (LESS if criterion.labels == "bits" else 1)
    return LpThreat.parse(f"{norm}:{eps:g}", lo=lo, hi=hi)


EXACT = {  # untargeted, where the box is far away: then the side on which an answer errs is the nearer one
    "linf": ["fgsm", "bim", "pgd:start=0", "apgd", "fmn", "mifgsm", "square:steps=500:targets=2", "fab:steps=300"],
    "l2": ["fgsm", "bim", "pgd:start=0", "apgd", "fmn"],
    "l1": ["fgsm", "bim", "pgd:start=0", "apgd:targets=2", "fmn"],
}
TARGETED = {  # every way to be wrong is tried, so that the box may be in the way
    "linf": ["fgsm:targets={}", "pgd:targets={}", "apgd:targets={}", "mifgsm:targets={}"],
    "l2": ["fmn:targets={}"],
    "l1": ["fgsm:targets={}", "pgd:targets={}"],
}


def check(attack, model, x, y, beyond, criterion, threat):
    outcome = assail(model, make(attack), x, y, threat, criterion=criterion)
    decided = (beyond.abs() > ROUNDING) & ((beyond.abs() > 1e-3) | (threat.norm != "l2") | (threat.hi > 1))
    assert torch.equal(outcome.adversarial[decided], (beyond > 0)[decided])


@pytest.mark.parametrize(("norm", "attack"), [(norm, each) for norm, many in EXACT.items() for each in many])
def test_of_a_linear_regressor_exactly_those_leave_that_can(norm, attack):
    model, x, y, beyond = regression(norm, -50.0, 50.0)
    assert 20 < (beyond > 0).sum() < N - 20
    threat = LpThreat.parse(f"{norm}:{EPS[norm]}", lo=-50, hi=50)
    slack = 0.03 if attack.startswith("fab") else 0.0  # it steps 5 % over the boundary, and may leave the ball
    near = (beyond <= 0) | (beyond > slack)
    check(attack, model, x[near], y[near], beyond[near], read_criterion("within:2"), threat)


@pytest.mark.parametrize("make_case", [regression, several])
@pytest.mark.parametrize(("norm", "attack"), [(norm, each) for norm, many in TARGETED.items() for each in many])
def test_with_targets_the_box_may_be_in_the_way(make_case, norm, attack):
    model, x, y, beyond = make_case(norm, 0.0, 1.0)
    criterion = read_criterion("within:2" if make_case is regression else "labels")
    assert 20 < (beyond > 0).sum() < N - 20
    threat = read_threat(norm, criterion, 0, 1)
    check(attack.format(criterion.count_targets(y.shape[1])), model, x, y, beyond, criterion, threat)


@pytest.mark.parametrize("norm", EPS)
@pytest.mark.parametrize(("make_case", "name"), [(regression, "within:2"), (several, "labels")])
def test_the_suite_finds_them_and_each_is_verified(make_case, name, norm):
    model, x, y, beyond = make_case(norm, 0.0, 1.0)
    kind = np.float32 if name == "within:2" else np.int64
    samples = Samples(x.float().numpy(), y.numpy().astype(kind), np.arange(N), name)
    clean = read_criterion(name).accepts(model(x), y).numpy()
    threat = read_threat(norm, read_criterion(name), 0, 1)
    suite, options = read_suite("quick-1", None), RunOptions(Batcher(100))
    found = SuiteRun(model.float(), samples, suite, threat, y.shape[1], options).run(clean)
    decided = clean & (beyond.abs() > 2e-3).numpy()

    assert not found.fault.any()
    missed = ((beyond > 0).numpy() & ~found.adversarial)[decided].sum()
    assert not ((beyond <= 0).numpy() & found.adversarial)[decided].any()
    assert missed <= 4  # quick-1 aims at every target on some samples alone


def test_verification_refuses_what_is_acceptable_and_what_is_too_far():
    model, x, y, _ = regression("linf", 0.0, 1.0)
    clean = read_criterion("within:2").accepts(model(x), y).numpy()
    kept = x.float().numpy()[clean]
    candidates = Candidates(kept, kept, y.float().numpy()[clean], "linf:0.1", (0.0, 1.0), 50, "within:2")

    assert (verify(model.float(), candidates).fault == ANSWERED_RIGHT).all()
    assert (verify(model, replace(candidates, x_adv=np.clip(kept + 0.3, 0, 1))).fault == LARGE).any()


def test_within_accepts_up_to_the_tolerance_and_does_not_broadcast():
    criterion = read_criterion("within:2")
    output, y = torch.tensor([[1.0], [5.0], [-3.0]]), torch.tensor([3.0, 2.9, -3.0])

    assert criterion.accepts(output, y).tolist() == [True, False, True]
    assert criterion.accepts(output, y[:, None]).tolist() == [True, False, True]
    assert criterion.score(output, y).tolist() == pytest.approx([2, 2.1, 0])
    assert criterion.ranked_targets(output, y)[:, 0].tolist() == [1, 0, 0]


def test_within_ten_percent_is_relative_and_what_is_not_known_does_not_count():
    criterion = read_criterion("within:10%")
    output, y = torch.tensor([[109.0, 7.0], [109.0, 1.0]]), torch.tensor([[100.0, NAN], [100.0, 2.0]])

    assert criterion.accepts(output, y).tolist() == [True, False]
    assert criterion.score(output, y).tolist() == [9, 9]
    assert "no share is an error" in criterion.refuse_labels(np.array([[0.0, 1.0]]))
    assert "1 samples have no label" in criterion.refuse_labels(np.array([[1.0], [NAN]]))


def test_labels_counts_those_that_are_known_and_named():
    output, y = torch.tensor([[1.0, -1.0, 0.0], [1.0, 2.0, -1.0]]), torch.tensor([[1, 0, 0], [1, 0, -1]])

    assert read_criterion("labels").accepts(output, y).tolist() == [True, False]
    assert read_criterion("labels:any=0,2").accepts(output, y).tolist() == [True, True]
    assert read_criterion("labels").score(output, y).tolist() == [1, 0.5]
    assert "names 7" in read_criterion("labels:any=7").refuse_labels(y.numpy())


def test_goal_accepts_any_answer_but_the_one_wanted():
    criterion, logits = read_criterion("goal:1"), torch.tensor([[3.0, 1.0, 0.0], [0.0, 3.0, 1.0], [0.0, 1.0, 3.0]])
    y = torch.tensor([2, 0, 0])

    assert criterion.accepts(logits, y).tolist() == [True, False, True]
    assert criterion.margin(logits, y).tolist() == [-2, 2, -2]
    assert criterion.loss("ce", logits, y)[1] > criterion.loss("ce", logits, y)[0]


@pytest.mark.parametrize("name", ["within:50", "within:10%", "labels", "labels:any=3,5", "goal:1", "class"])
def test_a_criterion_comes_back_as_it_is_written(name):
    assert canonical_criterion(name) == str(read_criterion(name)) == name


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("within", "write within:T"),
        ("within:abc", "'abc' is no number"),
        ("within:-3", "must be above 0, got -3"),
        ("within:nan", "must be above 0"),
        ("labels:3", "write labels, or labels:any=3,5"),
        ("labels:any=x", "write labels, or labels:any=3,5"),
        ("goal:benign", "by its number"),
        ("class:3", "class takes no options"),
        ("witin:3", "did you mean 'within'?"),
    ],
)
def test_a_wrong_criterion_is_refused_in_one_line(text, word):
    with pytest.raises((ValueError, LookupError)) as error:
        canonical_criterion(text)
    assert word in error.value.args[0]
    assert "\n" not in error.value.args[0]


def test_attacks_are_fitted_to_a_criterion_and_it_is_told():
    assert fit_classes("pgd:loss=sice:targets=9", 1, "within:5") == "pgd:loss=ce:targets=2"
    assert fit_classes("apgd:loss=dlr:targets=9", 4, "labels:any=1,2") == "apgd:loss=margin:targets=2"
    assert describe_fit(["pgd:loss=sice"], 1, "within:5") == "for within:5: loss=ce in place of sice"
    assert fit_classes("pgd:loss=ce:targets=2", 1, "within:5") == "pgd:loss=ce:targets=2"


def test_every_file_of_the_folder_holds_a_criterion():
    assert {"class", "goal", "labels", "within"} <= {*CRITERIA.names()}
    assert all(CRITERIA.get(name).labels for name in CRITERIA.names())


@pytest.mark.parametrize("norm", EPS)
def test_the_worst_score_of_a_linear_regressor_is_found_for_every_sample(norm):
    model, x, y, beyond = regression(norm, -50.0, 50.0)
    threat = LpThreat.parse(f"{norm}:{EPS[norm]}", lo=-50, hi=50)
    worst = worsen_scores(model, make("pgd:targets=2"), x, y, threat, criterion=read_criterion("within:2"))

    assert torch.allclose(worst.score, beyond + 2, atol=1e-4)
    assert torch.equal(worst.score, read_criterion("within:2").score(model(worst.x_adv), y).detach())
    assert threat.admits(worst.x_adv, x).all()


def test_the_smallest_change_of_a_linear_regressor_is_found():
    model, x, y, _ = regression("l2", -50.0, 50.0)
    found = minimize_norm(
        model, make("fmn:steps=200"), x, y, "l2", bounds=(-50, 50), criterion=read_criterion("within:2")
    )
    truth = (2 - (model(x) - y).abs()).clamp_min(0)[:, 0] / model.weight.norm()

    assert torch.allclose(found.distance, truth, rtol=0.02, atol=1e-3)
