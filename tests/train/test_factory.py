"""Specs of training methods: recipes, wrappers and options."""

from dataclasses import fields

import pytest

from robust.train.factory import read_recipe
from robust.train.plan import Plan
from robust.train.recipe import RECIPES, WRAPPERS, parse_recipe
from robust.train.recipes.trades import Trades
from robust.train.wrappers.awp import AWP
from robust.train.wrappers.ema import EMA


def test_a_spec_carries_the_options_of_the_recipe_what_wraps_it_and_the_plan():
    method = read_recipe("trades+ema+awp:beta=3:gamma=0.01:epochs=7:lr=0.05")

    assert method.recipe == Trades(beta=3.0)
    assert method.wrappers == (AWP(gamma=0.01), EMA())
    assert method.plan == Plan(epochs=7, lr=0.05)
    assert {"beta": 3.0, "steps": 10, "gamma": 0.01, "epochs": 7, "lr": 0.05}.items() <= method.options.items()


def test_no_two_parts_of_a_spec_have_an_option_of_the_same_name():
    shared = {f.name for f in fields(Plan)}
    wrapping = [{f.name for f in fields(WRAPPERS.get(name))} for name in WRAPPERS.names()]

    assert len(shared.union(*wrapping)) == len(shared) + sum(map(len, wrapping))
    for name in RECIPES.names():
        assert not {f.name for f in fields(RECIPES.get(name))} & shared.union(*wrapping), name


def test_the_order_of_wrappers_means_nothing():
    assert str(parse_recipe("trades+ema+awp:beta=3")[2]) == str(parse_recipe("trades+awp+ema:beta=3")[2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trades:gama=1", "trades has no option 'gama'. Known: .*beta"),
        ("trades:gamma=1", "trades has no option 'gamma'"),
        ("pgd-at:steps=x", "steps must be of type int"),
        ("pgd-at:lr=0", "lr must be above 0"),
        ("trades:beta=-1", "beta must be 0 or above, got -1"),
        ("mart:beta=-1", "beta must be 0 or above, got -1"),
        ("awp", "awp wraps a recipe; write pgd-at.awp"),
        ("pgd-at+awp+awp", "gives awp twice"),
        ("pgd-at+ema+swa", "ema and swa both say which weights are kept"),
        ("pgd-at:config=none.toml", "no such file"),
        ("pgd-at:optimiser=sdg", "optimiser: unknown word 'sdg', did you mean 'sgd'"),
        ("pgd-at:pretrained=none.pt", "pretrained: no such file"),
        ("pgd-at:warmup=2", "one-cycle rises by itself"),
        ("ard", "needs a teacher"),
        ("ard:teacher=none.pt", "teacher: no such file"),
        ("distill", "needs a teacher, as distill:teacher=weights.safetensors or distill:teacher=net.py:large"),
        ("distill:teacher=none.py:make", "teacher: no such file"),
        ("distill:teacher=pyproject.toml:teacher_arch=none.py:make", "teacher_arch: no such file"),
        ("distill:teacher=pyproject.toml:teacher_arch=README.md", "teacher_arch is the FILE.py:FACTORY"),
        ("distill:teacher=pyproject.toml:temperature=0", "temperature must be above 0"),
        ("distill:teacher=pyproject.toml:share=2", "share, of the teacher in the loss"),
        *(
            (text, text.split(":")[1].split("=")[0])
            for text in (
                "pgd-at:steps=0",
                "trades:start=2",
                "mart:stride=0",
                "fgsm-rs:stride=0",
                "fgsm-at:clean=1",
                "n-fgsm:noise=0",
                "gradalign:align=-1",
                "free:replays=0",
                "pgd-at+awp:gamma=0",
                "pgd-at+awp:awp_warmup=-1",
                "pgd-at+ema:ema_decay=1",
                "pgd-at+swa:swa_start=1",
                "standard:momentum=-1",
                "standard:weight_decay=-1",
                "standard:smoothing=1",
                "standard:dropout=1",
                "standard:patience=-1",
                "standard:clip=-1",
            )
        ),
    ],
)
def test_what_is_wrong_with_a_spec_is_reported_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        read_recipe(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pgdat", "unknown training recipe 'pgdat', did you mean 'pgd-at'"),
        ("pgd-at+apw", "unknown training wrapper 'apw', did you mean 'awp'"),
    ],
)
def test_an_unknown_name_is_reported_with_the_nearest(text, message):
    with pytest.raises(LookupError, match=message):
        read_recipe(text)


def test_options_may_stand_in_a_toml_file_and_the_specs_own_come_first(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text('epochs = 4\nlr = 1\nschedule = "cosine"\n')

    assert read_recipe(f"pgd-at:config={path}:epochs=2").plan == Plan(epochs=2, lr=1.0, schedule="cosine")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epochs = ", "train.toml is not TOML"),
        ("epochs = [1]", "train.toml: epochs must be a number, a word, true or false"),
        ("epoch = 1", "no option 'epoch', did you mean 'epochs'"),
        ("epochs = 1.5", "epochs must be of type int"),
    ],
)
def test_what_is_wrong_with_a_toml_file_is_reported_in_one_line(content, message, tmp_path):
    path = tmp_path / "train.toml"
    path.write_text(content)

    with pytest.raises(ValueError, match=message) as error:
        read_recipe(f"pgd-at:config={path}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "rate"), [("sgd", 0.1), ("adam", 1e-3), ("adamw", 1e-3), ("rmsprop", 1e-3)])
def test_the_rate_is_by_default_what_suits_the_optimiser(name, rate):
    assert read_recipe(f"pgd-at:optimiser={name}").plan.lr == rate
