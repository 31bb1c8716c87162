"""Products of balls: a linear model of two inputs has its exact answer, and the layout keeps what must not change."""

import re

import pytest
import torch

from robust.attacks import FMN, PGD, Layout, LpThreat, Product, Union, assail, make, minimize_norm
from robust.attacks.criteria.registry import read_criterion
from robust.attacks.registry import ATTACKS as REGISTRY
from robust.attacks.rng import Rng
from robust.attacks.threats.threat import read_threat
from robust.attacks.worst_score import worsen_scores

N = 30
PAIRS = [("linf:0.02", "l2:0.1"), ("l2:0.1", "l1:0.3"), ("l1:0.3", "linf:0.02"), ("linf:0.02", "linf:0.02")]
EXACT = ["apgd", "bim", "fgsm", "mifgsm", "pgd"]
ATTACKS = [*EXACT, "pgd:steps=20:stride=1:last=0.01:loss=margin", "apgd:steps=50", "apgd:loss=margin:start=0"]


def several(seed=0, *, middle=True):
    """Return (inputs, weights, model): a linear model of an image, a table and ids; in the middle no bound is met."""
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator, "dtype": torch.float64}
    x = {
        "image": torch.rand(N, 1, 4, 4, **draw) * (0.2 if middle else 1) + (0.4 if middle else 0),
        "meta": torch.rand(N, 5, **draw) * 2 - 1,
        "ids": torch.randint(0, 9, (N, 2), generator=generator),
    }
    w = {"image": torch.randn(16, **draw), "meta": torch.randn(5, **draw)}

    def model(image, meta, ids):
        z = image.flatten(1) @ w["image"] + meta @ w["meta"] + 0.1 * ids.sum(1) - shift
        return torch.stack([torch.zeros_like(z), z], 1)

    shift = 0.0
    shift = model(**x)[:, 1].median()
    return x, w, model


def gain(norm, eps, w):
    """Return the most that a linear function can gain in a ball: eps times the dual norm."""
    dual = {"linf": w.abs().sum(), "l2": w.norm(), "l1": w.abs().max()}[norm]
    return float(dual) * eps


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(("image", "meta"), PAIRS)
def test_on_a_linear_model_every_attack_reaches_the_exact_margin(image, meta, attack):
    x, w, model = several()
    threat = Product.parse(f"image={image};meta={meta}", x, meta=(-2, 2))
    y = model(**x).argmax(1)
    exact = sum(gain(ball.norm, float(ball.eps), w[name]) for name, ball in threat.balls.items())
    margin = exact - model(**x)[:, 1].abs()

    outcome = assail(model, make(attack), x, y, threat)

    clear = margin.abs() > 1e-6
    assert torch.equal(outcome.adversarial[clear], (margin > 0)[clear])
    assert 3 < outcome.adversarial.sum() < N - 3
    robust = ~outcome.adversarial
    assert torch.allclose(outcome.margin[robust], margin[robust], atol=1e-6)
    assert torch.equal(outcome.x_adv["ids"], x["ids"])
    assert outcome.x_adv["ids"].dtype == torch.int64


def test_each_attack_that_takes_products_is_exact_or_a_search():
    families = {name: getattr(REGISTRY.get(name), "families", ()) for name in REGISTRY.names()}

    assert [name for name in REGISTRY.names() if "product" in families[name]] == sorted(
        [*EXACT, "noise", "search", "worstof"]
    )


@pytest.mark.parametrize("attack", ["noise", "search:steps=200", "worstof"])
def test_what_a_search_finds_is_a_bound(attack):
    x, w, model = several()
    threat = Product.parse("image=linf:0.02;meta=l2:0.1", x, meta=(-2, 2))
    y = model(**x).argmax(1)
    exact = sum(gain(ball.norm, float(ball.eps), w[name]) for name, ball in threat.balls.items())

    outcome = assail(model, make(attack), x, y, threat)

    margin = exact - model(**x)[:, 1].abs()
    assert (outcome.margin <= margin + 1e-6).all()
    assert not outcome.adversarial[margin < 0].any()


def test_search_finds_without_a_gradient_most_of_what_there_is():
    x, _, model = several(middle=False)
    x["meta"] = x["meta"].clamp(-0.9, 0.9)
    y = model(**x).argmax(1)
    threat = Product.parse("image=linf:0.05;meta=linf:0.1", x, meta=(-1, 1))
    with torch.no_grad():
        found = {
            word: int(assail(model, make(word), x, y, threat).adversarial.sum())
            for word in ("pgd", "search:steps=200", "noise:steps=200")
        }
    assert found["noise:steps=200"] < found["search:steps=200"] >= found["pgd"] - 1


def test_a_part_that_is_not_named_is_fixed_bit_for_bit():
    x, _, model = several()
    y = model(**x).argmax(1)
    outcome = assail(model, PGD(steps=5), x, y, Product.parse("meta=linf:0.2", x, meta=(-2, 2)))
    assert outcome.adversarial.any()
    assert torch.equal(outcome.x_adv["image"], x["image"])


def test_where_two_parts_moved_neither_could_be_left_out():
    """After an attack each part is set back, if what is left still fools the model."""
    x, _, model = several()
    y = model(**x).argmax(1)
    threat = Product.parse("image=linf:0.02;meta=linf:0.05", x, meta=(-2, 2))
    outcome = assail(model, PGD(steps=10), x, y, threat)
    moved = {name: (outcome.x_adv[name] != x[name]).flatten(1).any(1) for name in threat.balls}
    both = moved["image"] & moved["meta"]
    assert both.any()
    assert (outcome.adversarial & ~both).any()
    for name in threat.balls:
        right = model(**{**outcome.x_adv, name: x[name]}).argmax(1) == y
        assert right[both].all()


def test_a_union_of_products_is_attacked_in_each():
    x, _, model = several()
    y = model(**x).argmax(1)
    rows = Layout.of(x, {"meta": (-2, 2)})
    union = read_threat("image=linf:0.02+meta=linf:0.2", layout=rows)
    assert isinstance(union, Union)
    one, other = (assail(model, PGD(), x, y, part).adversarial for part in union.parts)
    assert torch.equal(assail(model, PGD(), x, y, union).adversarial, one | other)


def test_by_position_the_parts_are_numbered():
    x, _, model = several()
    y = model(**x).argmax(1)
    by_name = assail(model, PGD(), x, y, Product.parse("image=linf:0.02", x, meta=(-1, 1)))
    parts = tuple(x.values())
    by_place = assail(model, PGD(), parts, y, Product.parse("0=linf:0.02", parts, **{"1": (-1, 1)}))
    assert torch.equal(by_place.adversarial, by_name.adversarial)
    assert [part.shape for part in by_place.x_adv] == [part.shape for part in parts]


@pytest.mark.parametrize("word", ["image=linf:0.05;meta=l2:0.3", "image=l1:0.3", "image=l2:0.2;meta=l1:0.5"])
def test_its_draws_and_projections_are_admitted(word):
    x, _, _ = several(middle=False)
    threat = Product.parse(word, x, meta=(-1, 1))
    rows = threat.layout.pack(x).float()
    drawn = threat.sample(rows, Rng.of(0, torch.arange(N)))
    far = threat.project(rows + 3 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(1)), rows)
    for points in (drawn, far):
        assert threat.admits(points, rows).all()
        assert (threat.size(points, rows) <= 1).all()
        assert (points != rows)[:, threat.moving].any()
    off = rows.clone()
    off[:, -1] += 1  # an id
    assert not threat.admits(off, rows).any()
    assert threat.size(off, rows).isinf().all()


def test_a_layout_keeps_whole_numbers_exactly_and_gives_them_back():
    x = {
        "ids": torch.tensor([[0, 2**24], [-(2**24), 7]]),
        "mask": torch.tensor([[True, False], [False, True]]),
        "length": torch.tensor([3, 5], dtype=torch.int32),
        "wave": torch.rand(2, 3, requires_grad=True),
    }
    layout = Layout.of(x)
    rows = layout.pack(x)
    back = layout.unpack(rows)
    assert rows.shape == (2, 8)
    assert all(torch.equal(back[name], x[name]) for name in x)
    assert {name: part.dtype for name, part in back.items()} == {name: part.dtype for name, part in x.items()}
    assert back["wave"].requires_grad
    assert not back["ids"].requires_grad
    assert Layout.from_json(layout.to_json()) == layout
    turned = dict(reversed(x.items()))
    assert torch.equal(layout.pack(turned), rows)  # a dict has no order


def test_scores_under_attack_are_of_several_inputs_too():
    x, w, _ = several()

    def values(image, meta, ids):
        return (image.flatten(1) @ w["image"] + meta @ w["meta"])[:, None]

    y = values(**x)
    threat = Product.parse("image=linf:0.02;meta=linf:0.1", x, meta=(-2, 2))
    worst = worsen_scores(values, PGD(steps=10, loss="ce"), x, y, threat, criterion=read_criterion("within:1"))
    exact = gain("linf", 0.02, w["image"]) + gain("linf", 0.1, w["meta"])
    assert torch.allclose(worst.score, torch.full((N,), exact, dtype=torch.float64), atol=1e-6)
    assert set(worst.x_adv) == set(x)


X, _, MODEL = several()
Y = MODEL(**X).argmax(1)
THREAT = Product.parse("image=linf:0.02;meta=linf:0.1", X, meta=(-1, 1))
WRONG = {
    "unknown part 'imag', did you mean 'image'?": lambda: Product.parse("imag=linf:0.1", X),
    "the part ids is of whole numbers (int64), which no ball is for; leave it out": lambda: Product.parse(
        "ids=linf:1", X
    ),
    "'linf:0.1' names no part and its ball; write PART=NORM:EPS": lambda: Product.parse("linf:0.1", X),
    "gives image twice": lambda: Product.parse("image=linf:0.1;image=l2:1", X),
    "image: 'linf:0': eps must be above 0": lambda: Product.parse("image=linf:0", X),
    "image: linf:2 is wider than the inputs' range [0, 1]": lambda: Product.parse("image=linf:2", X),
    "a table's file is for one input": lambda: Product.parse("meta=features:a.toml", X),
    "unknown part 'met', did you mean 'meta'?": lambda: Layout.of(X, {"met": (0, 1)}),
    "the part ids is of whole numbers, which are fixed": lambda: Layout.of(X, {"ids": (0, 9)}),
    "the part meta has 5 samples and image has 30": lambda: Layout.of({**X, "meta": X["meta"][:5]}),
    "a part is called 'a b', expected a name": lambda: Layout.of({"a b": X["meta"]}),
    "whole numbers above 16777216": lambda: Layout.of({"ids": Y}).pack({"ids": Y + 2**25}),
    "the part meta is complex64, expected floats": lambda: Layout.of({"meta": X["meta"].to(torch.complex64)}),
    "the inputs are image [1, 4, 4] float64, expected image": lambda: THREAT.layout.pack({"image": X["image"]}),
    "the part meta goes from": lambda: assail(MODEL, PGD(), {**X, "meta": 3 * X["meta"]}, Y, THREAT),
    "give Product.parse(": lambda: assail(MODEL, PGD(), X, Y, LpThreat.parse("linf:0.1")),
    "fmn is for linf, l2, l1, the threat is product; use pgd": lambda: assail(MODEL, FMN(), X, Y, THREAT),
    "several inputs have no one norm": lambda: minimize_norm(MODEL, FMN(), X, Y, "l2"),
    "say what may be done to which, as image=linf:8/255": lambda: read_threat("linf:0.1", layout=THREAT.layout),
    "names parts of several inputs, and there is one": lambda: read_threat("image=linf:0.1"),
    "the threat is text, which says no bounds; give Product.parse": lambda: assail(
        MODEL, PGD(), X, Y, "image=linf:0.1"
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_one_line_that_says_what_to_do(message):
    with pytest.raises((ValueError, TypeError, LookupError), match=re.escape(message)) as caught:
        WRONG[message]()
    assert "\n" not in str(caught.value)
