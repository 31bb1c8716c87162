"""Suites as data: shipped ones are frozen, and an error in a user's own is one line."""

import hashlib
import json
import re

import pytest

from robust.attacks import make
from robust.attacks.grammar.norms import NORMS
from robust.attacks.suite import Stage, Suite, read_suite, suite_names
from robust.attacks.words import FAMILIES

MINE = '[[stages]]\nattack = "fgsm"\n'
NAMED = "mine-e312de40"


# Of what determines the figures. A suite that has been released never changes: make another, "standard-2".
FROZEN = {
    "full-1": "e0018020659727e9",
    "quick-1": "61532e7c9490365c",
    "standard-1": "4aacd9710e564ee6",
}


def test_a_suite_that_comes_along_never_changes(tmp_path):
    texts = {name: json.dumps(read_suite(name, tmp_path).determinants(), sort_keys=True) for name in suite_names()}

    assert {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()} == FROZEN


# Likewise under tables, whose stages are no part of what determines the figures under norms.
FROZEN_FEATURES = {
    "full-1": "09d04fc540e0856e",
    "quick-1": "99bc821560334bb7",
    "standard-1": "09d04fc540e0856e",
}


def test_nor_does_what_it_is_for_tables(tmp_path):
    suites = {name: read_suite(name, tmp_path) for name in suite_names()}
    texts = {name: json.dumps(s.determinants((), ["features"]), sort_keys=True) for name, s in suites.items()}

    assert {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()} == FROZEN_FEATURES


FROZEN_PATCH = {
    "full-1": "c35bd942c557ba03",
    "quick-1": "8f3110f36267f8b2",
    "standard-1": "47bde20273ca5a69",
}


FROZEN_UNIVERSAL = {
    "full-1": "c799045c942cbcb8",
    "quick-1": "6a68f8dc8b382d13",
    "standard-1": "015ceaf24816e819",
}


@pytest.mark.parametrize(("family", "frozen"), [("patch", FROZEN_PATCH), ("universal-patch", FROZEN_UNIVERSAL)])
def test_nor_does_what_it_is_for_patches(family, frozen, tmp_path):
    suites = {name: read_suite(name, tmp_path) for name in suite_names()}
    texts = {name: json.dumps(s.determinants((), [family]), sort_keys=True) for name, s in suites.items()}

    assert {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()} == frozen


@pytest.mark.parametrize("families", [NORMS, ("features",), ("patch",)])
def test_full_is_standard_and_more(families, tmp_path):
    full, standard = (
        [stage for stage in read_suite(name, tmp_path).stages if set(families) & set(stage.threats)]
        for name in ("full-1", "standard-1")
    )

    assert full[: len(standard)] == standard
    assert len(full) > len(standard) or families == ("features",)


@pytest.fixture
def read(tmp_path):
    """Read a suite from a file mine.toml of that content."""

    def read(text):
        (tmp_path / "mine.toml").write_text(text)
        return read_suite("mine.toml", tmp_path)

    return read


@pytest.mark.parametrize("name", suite_names())
def test_every_stage_of_a_suite_that_comes_along_can_be_made(name, tmp_path):
    for stage in read_suite(name, tmp_path).stages:
        make(stage.attack)


@pytest.mark.parametrize("norm", FAMILIES)
@pytest.mark.parametrize("name", suite_names())
def test_a_suite_that_comes_along_is_for_every_norm(name, norm, tmp_path):
    assert any(norm in stage.threats for stage in read_suite(name, tmp_path).stages)


def test_a_suite_of_ones_own_has_all_that_a_stage_may_say(read):
    suite = read(
        '[[stages]]\nattack = "pgd:steps=3:loss=margin"\nnorms = ["l2"]\nhardest = 0.5\n'
        "least = 7\npatience = 2\nwiden = true\n"
        '[[stages]]\nattack = "fgsm"\nhardest = 1\nfollow = true\nnear = 0.25\nonward = true\n'
    )

    assert suite.stages == (
        Stage("pgd:loss=margin:steps=3", ("l2",), 0.5, 7, 2, True),
        Stage("fgsm", follow=True, near=0.25, onward=True),
    )


def test_a_suite_that_says_nothing_new_keeps_its_name(read):
    """Check that baselines and rows of suites from before `near` and `onward` still match."""
    assert not {"near", "onward"} & {*read(MINE).determinants()["stages"][0]}
    assert read(MINE).name == NAMED
    assert read(MINE + "near = 0.5\n").determinants()["stages"][0]["near"] == 0.5


def test_its_name_is_the_files_and_its_contents(read):
    suite = read(MINE)

    assert re.fullmatch(r"mine-[0-9a-f]{8}", suite.name)
    assert suite.family == "mine"
    assert read("# a comment\n" + MINE.replace(" ", "")).name == suite.name
    assert read(MINE + "patience = 3\n").name != suite.name


def test_what_determines_the_figures_comes_back_from_json(read):
    determinants = read(MINE).determinants()

    assert json.loads(json.dumps(determinants)) == determinants


KEYS = "attack, criteria, follow, hardest, least, near, onward, patience, threats, widen"
WRONG = {
    "": "mine.toml: expected one [[stages]] or more",
    "stages = 3": "mine.toml: expected one [[stages]] or more",
    "stages = []": "mine.toml: expected one [[stages]] or more",
    "stage = 3": "mine.toml: unknown key 'stage', did you mean 'stages'? Known: stages",
    "stages = [": "mine.toml: Invalid value (at end of document)",
    "[[stages]]\n": 'mine.toml, stage 1: there is no attack; write attack = "pgd:steps=40"',
    MINE + "steps = 3\n": f"mine.toml, stage 1: unknown key 'steps'. Known: {KEYS}",
    MINE + "hardest = 0\n": "mine.toml, stage 1: hardest, a share of the robust samples, must be in (0, 1], got 0",
    MINE + "hardest = true\n": "mine.toml, stage 1: hardest must be a number, got True",
    MINE + "least = -1\n": "mine.toml, stage 1: least must be at least 0, got -1",
    MINE + "patience = 0\n": "mine.toml, stage 1: patience must be at least 1, got 0",
    MINE + "widen = 1\n": "mine.toml, stage 1: widen must be true or false, got 1",
    MINE + "patience = 1.5\n": "mine.toml, stage 1: patience must be a whole number, got 1.5",
    MINE + 'norms = "l2"\n': "mine.toml, stage 1: threats must be a list of strings in quotes, got 'l2'",
    MINE + "threats = []\n": f"mine.toml, stage 1: threats is empty, expected one or more of {', '.join(FAMILIES)}",
    MINE + 'norms = ["l3"]\n': "mine.toml, stage 1: unknown family of threat models 'l3'. "
    f"Known: {', '.join(sorted(FAMILIES))}",
    MINE + 'norms = ["l2"]\nthreats = ["l2"]\n': (
        "mine.toml, stage 1: norms and threats are two names of one key; give threats"
    ),
    MINE + 'criteria = ["pixel"]\n': (
        "mine.toml, stage 1: unknown criterion 'pixel', did you mean 'pixels'? "
        "Known: class, goal, labels, pixels, within"
    ),
    MINE + "criteria = 3\n": "mine.toml, stage 1: criteria must be a list of strings in quotes, got 3",
    MINE + "[[stages]]\nattack = 3\n": "mine.toml, stage 2: attack must be a string in quotes, got 3",
    '[[stages]]\nattack = ["fgsm"]\n': "mine.toml, stage 1: attack must be a string in quotes, got ['fgsm']",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_in_it_is_reported_in_one_line(read, text):
    with pytest.raises((ValueError, LookupError), match=f"^{re.escape(WRONG[text])}$"):
        read(text)


def test_an_attack_that_is_unknown_is_reported_with_its_stage(read):
    with pytest.raises(ValueError, match=r"^mine.toml, stage 1: unknown attack 'pdg', did you mean 'pgd'\? Known: "):
        read('[[stages]]\nattack = "pdg:steps=3"\n')


def test_a_suite_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(LookupError, match=r"^unknown suite 'standard', did you mean 'standard-1'\? Known: .*; or"):
        read_suite("standard", tmp_path)
    with pytest.raises(ValueError, match=r"^no such file \(looked for .*mine.toml\); write a suite's name"):
        read_suite("mine.toml", tmp_path)


def test_a_suite_is_frozen():
    with pytest.raises(AttributeError):
        Suite("mine-1", ()).name = "other"
