"""The groups of a row: counted from its outcomes, kept through its file, and no part of its identity."""

import json
from dataclasses import replace

import numpy as np
import pytest

from robust.records.groups import Group, Groups, count_groups, find_weakest, read_classes
from robust.records.record import Record
from tests.making import file, flags, record

SEX = Groups("sex", ("f", "m", "none"), np.array([0, 1, 0, 1, 0, 1, 0, 1]))


def grouped(groups=SEX):
    return replace(record("11111100", {"pgd": "11100000"}), groups=groups)


def test_groups_are_counted_and_those_without_samples_left_out():
    assert grouped().by_group == (Group("f", 4, 3, 1), Group("m", 4, 3, 2))
    assert grouped().all_groups[2:] == (Group("none", 0, 0, 0),)
    assert record().by_group == ()


def test_classes_have_their_names_or_their_numbers():
    codes = np.array([0, 2, 2])
    counted = count_groups(("cat", "dog"), codes, flags("110"), flags("100"))

    assert counted == (Group("cat", 1, 1, 1), Group("dog", 0, 0, 0), Group("2", 2, 1, 0))
    counts = {"n": [2, 0, 6], "correct": [2, 0, 3], "robust": [1, 0, 0]}
    classed = replace(record(), provenance={"classes": counts | {"names": ["cat", "dog", "emu", "fox"]}})
    assert classed.by_class == (Group("cat", 2, 2, 1), Group("emu", 6, 3, 0))
    assert [group.n for group in read_classes(classed.provenance["classes"])] == [2, 0, 6, 0]


def test_of_several_weakest_the_one_with_the_most_samples_is_named():
    few, many, other = Group("few", 2, 1, 0), Group("many", 20, 1, 0), Group("other", 20, 20, 20)

    assert find_weakest([few, other, many, Group("none", 0, 0, 0)]) is many
    assert find_weakest([]) is None


def test_a_record_keeps_its_groups_and_its_identity():
    made = grouped()
    again = Record.from_json(made.to_json())

    assert again.groups.same(SEX)
    assert again.to_json() == made.to_json()
    assert made.identity == record("11111100", {"pgd": "11100000"}).identity
    content = json.loads(made.to_json())["groups"]
    assert content | {"columns": None} == {
        "column": "sex", "names": ["f", "m", "none"], "n": [4, 4, 0], "correct": [3, 3, 0], "robust": [1, 2, 0],
        "columns": None,
    }  # fmt: skip


def change(key, value):
    def apply(content):
        content["groups"][key] = value

    return apply


@pytest.mark.parametrize(
    ("apply", "word"),
    [
        (change("names", ["f"]), "not among the 1"),
        (change("names", ["f", "m", "f"]), "the same name"),
        (change("robust", [4, 4, 0]), "do not agree"),
        (change("columns", {}), "not among"),
        (change("columns", {"group": {"float32": "AAAAPw=="}}), "do not fit 8 samples"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_refused_in_one_line(apply, word):
    content = json.loads(grouped().to_json())
    apply(content)

    with pytest.raises(ValueError, match=word) as caught:
        Record.from_json(json.dumps(content))
    assert "\n" not in str(caught.value)


def test_groups_that_are_new_replace_the_row_and_none_leave_it(tmp_path):
    other = Groups("age", ("old", "young"), SEX.codes)

    assert file(tmp_path, grouped(None), grouped(), grouped(), grouped(None), grouped(other)) == [
        "new", "replaced", "same", "same", "replaced",
    ]  # fmt: skip
