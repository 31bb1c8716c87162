"""The source of an attack says of its options what the attack itself says."""

import dataclasses

import pytest

from robust.attacks import factory, losses, spec
from robust.attacks.registry import ATTACKS
from robust.attacks.source_options import COMBINE, SURROGATE, WRAPPERS, _read_class, check_options
from robust.attacks.spec import Spec
from robust.attacks.suite import Stage

OURS = [name for name in ATTACKS.names() if name != "torchattacks"]
VALUES = ("0", "-1", "1", "3", "0.5", "1.5", "1e9", "true", "ce", "cw", "nosuch")


def message(call, *given):
    try:
        call(*given)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", OURS)
def test_the_source_says_of_each_value_what_the_attack_says(name):
    keys = [*(f.name for f in dataclasses.fields(ATTACKS.get(name))), *WRAPPERS, "stepz", "eps"]
    said = {f"{name}:{key}={value}": "" for key in keys for value in VALUES}

    for text in said:
        said[text] = message(check_options, Spec.parse(text))
        assert said[text] == message(factory.make, text), text
    assert any(" must be " in line for line in said.values())
    assert f"{name}:stepz=3: {name} has no option 'stepz'" in said[f"{name}:stepz=3"]


def test_the_tables_are_those_of_the_code_that_imports_torch():
    assert (*spec.LOSSES,) == (*losses.LOSSES,)
    assert {*WRAPPERS, SURROGATE} == {*factory.WRAPPERS}
    for option in WRAPPERS:
        assert _read_class(COMBINE / f"{option}.py", option).__name__ == factory.WRAPPERS[option].__name__


def test_a_stage_of_a_suite_is_checked_likewise():
    with pytest.raises(ValueError, match="pgd has no option 'stepz', did you mean 'steps'"):
        Stage("pgd:stepz=3")


@pytest.mark.parametrize("text", ["torchattacks:PDG", "torchattacks:PGD:nosuch=3", "mine:nosuch=3"])
def test_what_no_source_of_ours_says_is_left_to_later(text):
    check_options(Spec.parse(text))


# A file with one attack: what its source does not say passes.
SOURCES = {
    "a check that calls a method": "steps: int = 3\n    def __post_init__(self): self.check()",
    "a check that calls a function": "steps: int = 3\n    def __post_init__(self): check(self.steps)",
    "a default that is no literal": "steps: int = STEPS",
    "no check": "steps: int = 3",
}


@pytest.mark.parametrize("body", SOURCES.values(), ids=SOURCES)
def test_a_source_that_says_too_little_passes_values(tmp_path, body):
    path = tmp_path / "mine.py"
    path.write_text(f'@ATTACKS.register("mine")\n@dataclass\nclass Mine:\n    {body}\n')

    cls = _read_class(path)
    assert cls is None or cls(steps=-1).steps == -1
