"""The README's code runs, and its table of options is complete."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from robust.models.catalogue import ARCHITECTURES
from robust.options import OPTIONS
from robust.train.plan import Plan
from robust.train.recipe import RECIPES, WRAPPERS
from tests.attacks.models import inputs, network

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_a_block_of_python_runs(block):
    model, x = network(), inputs()
    names = {"model": model, "x": x, "y": model(x).argmax(1)}

    exec(block, names)

    made = names["make"]() if "make" in names else None
    assert made is None or made(inputs(dtype=torch.float32)).shape == (50, 10)
    assert "robust" not in names or names["robust"].shape == (50,)


def test_every_option_is_in_the_table():
    assert [f"--robust-{option.name}" for option in OPTIONS] == re.findall(
        r"^\| `(--robust-[a-z-]+)` \|", README, re.MULTILINE
    )


def test_every_architecture_is_in_the_table():
    told = re.findall(r"^\| `zoo:([a-z0-9]+)[-0-9]*` \|", README, re.MULTILINE)

    assert sorted(told) == ARCHITECTURES.names()


def test_every_recipe_and_every_option_of_training_is_in_the_tables():
    section = README.partition("\n## Training\n")[2].partition("\n## ")[0]
    rows = "".join(re.findall(r"^\|.*$", section, re.MULTILINE))  # fences of code are no words
    words = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`]+)`", rows))))
    parts = [*map(RECIPES.get, RECIPES.names()), *map(WRAPPERS.get, WRAPPERS.names()), Plan]

    assert {*RECIPES.names(), *WRAPPERS.names()} <= words
    assert {field.name for part in parts for field in fields(part)} <= words


def test_every_file_that_is_linked_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert all((Path(__file__).parent.parent / link).exists() for link in links)
