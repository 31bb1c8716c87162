"""The plugin's options, in one table: each --robust-NAME has an ini key robust_NAME. No torch in this file."""

from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True, slots=True)
class Option:
    """One option; `many` may be given several times, and is a list of lines in an ini file."""

    name: str
    metavar: str
    help: str
    many: bool = False
    flag: bool = False

    @property
    def dest(self) -> str:
        return dest(self.name)


OPTIONS = (
    Option("model", "MODEL", "the model to test: FILE.py:FACTORY, or a file of weights with --robust-arch", many=True),
    Option("arch", "ARCH", "what a file of weights belongs to: FILE.py:FACTORY or torchvision:NAME"),
    Option("data", "NAME", "the data set: digits (default) or fashion-mnist"),
    Option("threat", "NORM:EPS", "what an attacker may do: linf:8/255, l2:0.5; default: the data set's", many=True),
    Option("attack", "ATTACK", "pgd:steps=40:restarts=5, torchattacks:APGD; default: fgsm,pgd", many=True),
    Option(
        "train",
        "RECIPE",
        "train the model's architecture and test what comes out: standard, fgsm-rs, pgd-at, trades:epochs=10; "
        "as-is stands for the model as it was loaded",
        many=True,
    ),
    Option("samples", "N", "how many test samples, drawn by the seed; default: 1000, or all if there are fewer"),
    Option("seed", "N", "the seed of all that is random; default: 0"),
    Option("fail-under", "PERCENT", "fail where the robust accuracy is below this"),
    Option("leaderboard", "DIR", "where records and leaderboard are written, or none; default: leaderboard"),
    Option("only", "", "run nothing but the robustness tests", flag=True),
)


def dest(name: str) -> str:
    """The key of an option in an ini file and in pytest's options."""
    return f"robust_{name.replace('-', '_')}"


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("robust", "adversarial robustness (pytest-robust)")
    for option in OPTIONS:
        flag, help_ = f"--robust-{option.name}", option.help
        if option.flag:
            group.addoption(flag, action="store_true", default=None, dest=option.dest, help=help_)
            parser.addini(option.dest, help_, type="bool", default=False)
        elif option.many:
            group.addoption(flag, action="append", default=None, dest=option.dest, metavar=option.metavar, help=help_)
            parser.addini(option.dest, help_, type="linelist", default=[])
        else:
            group.addoption(flag, default=None, dest=option.dest, metavar=option.metavar, help=help_)
            parser.addini(option.dest, help_, default=None)


def value(config: pytest.Config, name: str) -> Any:
    """What the command line says, else the ini file, else None (or [] for a list)."""
    given = config.getoption(dest(name))
    return config.getini(dest(name)) if given is None else given
