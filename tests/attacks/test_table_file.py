"""A table's file: what it says, what it is known by, and each of its mistakes as one line."""

import re
import tomllib

import pytest

from robust.attacks.grammar.features import find_table, learn_tables, tables_of
from robust.attacks.table_file import make_table, read_table, read_table_file
from robust.attacks.words import canonical_threat, families_of
from tests.tables import LOANS

PLAIN = "eps = 0.1\n[features]\na = {lo = 0, hi = 10}\nb = {lo = -5, hi = 5}\n"
GROUP = '[groups]\ng = ["p", "q"]\n'
PQ = 'p = {type = "category"}\nq = {type = "category"}\n'


def table(text):
    return make_table(tomllib.loads(text))


def test_eps_is_in_units_of_the_range_or_of_the_deviation_or_its_own():
    line = 'lo = 0, hi = 10, deviation = 2.5}\nb = {lo = 0, hi = 4, eps = 0.5, deviation = 2, type = "float"}\n'
    sizes = {
        unit: [feature.eps for feature in table(f'eps = 0.1\nunit = "{unit}"\n[features]\na = {{{line}').features]
        for unit in ("range", "deviation", "own")
    }

    assert sizes == {"range": [1.0, 2.0], "deviation": [0.25, 1.0], "own": [0.1, 0.5]}


def test_a_fixed_feature_needs_no_eps_and_does_not_move():
    (a, b) = table("[features]\na = {lo = 0, hi = 1, fixed = true}\nb = {lo = 0, hi = 1, eps = 0.5}\n").features

    assert (a.moves, b.moves) == (False, True)


@pytest.mark.parametrize(
    ("text", "weights", "constant", "equal"),
    [
        ("a <= b", (1, -1), 0, False),
        ("a >= b", (-1, 1), 0, False),
        ("a + 2 * b == 3", (1, 2), -3, True),
        ("b * 2 - 1.5e0 <= -a", (1, 2), -1.5, False),
        ("3 <= a", (-1, 0), 3, False),
        ("-a - b <= 0", (-1, -1), 0, False),
    ],
)
def test_a_relation_is_linear_in_the_features(text, weights, constant, equal):
    (relation,) = table(f'relations = ["{text}"]\n{PLAIN}').relations

    assert (relation.weights, relation.constant, relation.equal) == (weights, constant, equal)


def test_names_with_signs_and_spaces_are_names():
    text = 'eps = 0.1\nrelations = ["od280/od315 of wines - job=none <= x+y"]\n[features]\n'
    names = ("od280/od315 of wines", "job=none", "x+y")
    (relation,) = table(text + "".join(f'"{name}" = {{lo = 0, hi = 1}}\n' for name in names)).relations

    assert relation.weights == (1, -1, -1)


def test_the_identity_is_the_content_without_comments_and_spaces(tmp_path):
    path = tmp_path / "Loans 2.toml"
    path.write_text(LOANS)
    word = canonical_threat("features:Loans 2.toml", tmp_path)
    path.write_text("# a comment\n" + LOANS.replace(" = ", "="))

    assert re.fullmatch(r"features:loans_2-[0-9a-f]{8}", word)
    assert canonical_threat("features:Loans 2.toml", tmp_path) == word
    assert canonical_threat(word) == word
    path.write_text(LOANS.replace("0.02", "0.03"))
    assert canonical_threat("features:Loans 2.toml", tmp_path) != word
    assert families_of([f"linf:1+{word}"]) == {"linf", "features"}


def test_the_content_is_read_back_from_what_a_record_holds(tmp_path):
    (tmp_path / "loans.toml").write_text(LOANS)
    word = canonical_threat("features:loans.toml", tmp_path)
    (content,) = tables_of(word).values()

    assert read_table(content) == find_table(word)
    learn_tables({word: content})
    with pytest.raises(ValueError, match="has another content"):
        learn_tables({word: content.replace("0.02", "0.5")})


# By the text of the file: the end of the message, which begins with the file's name.
WRONG = {
    "eps = ": "Invalid value",
    "": "no feature is named",
    "speed = 1\n" + PLAIN: "unknown key 'speed'",
    PLAIN.replace("eps = 0.1", 'eps = "1"'): "eps must be a number, got '1'",
    PLAIN.replace("eps = 0.1", "eps = -1"): "eps must be 0 or above, got -1",
    PLAIN.replace("eps = 0.1", "eps = nan"): "eps must be a number, got nan",
    PLAIN.replace("eps = 0.1", ""): "a: there is no eps",
    PLAIN.replace("eps = 0.1", "eps = 0"): "every feature is fixed, or has eps = 0: nothing is left to attack",
    'unit = "percent"\n' + PLAIN: "unknown unit 'percent'",
    'unit = "deviation"\n' + PLAIN: "a: eps is in units of the deviation: give it",
    PLAIN + "c = {lo = 1}\n": "c: give its bounds",
    PLAIN + "c = {lo = 1, hi = 1}\n": "c: lo must be below hi, got 1 and 1",
    PLAIN + "c = 3\n": "c: expected a table, as {lo = 0, hi = 1}",
    PLAIN + 'c = {lo = 0, hi = 1, type = "int"}\n': "c: unknown type 'int', did you mean 'integer'?",
    PLAIN + 'c = {lo = 0.5, hi = 9, type = "integer"}\n': "c: an integer needs whole bounds, got 0.5 and 9",
    PLAIN + 'c = {lo = 0, hi = 9, type = "integer"}\n': "c: it is an integer, and eps allows 0.9",
    PLAIN + 'c = {lo = 0, hi = 1, monotone = "up"}\n': "c: monotone: unknown way 'up'",
    PLAIN + "c = {lo = 0, hi = 1, fixed = 1}\n": "c: fixed must be true or false",
    PLAIN + "c = {lo = 0, hi = 1, fixd = true}\n": "c: unknown key 'fixd', did you mean 'fixed'?",
    PLAIN + 'c = {type = "category"}\n': "c is a category and in no group",
    PLAIN + 'c = {type = "category", eps = 0.5}\n': "c: eps of a category is 1",
    PLAIN + 'c = {type = "category", hi = 2}\n': "c: a category is 0 or 1",
    PLAIN + 'c = {type = "category", monotone = "increasing"}\n': "c: a category has no order",
    "eps = 0.1\n" + GROUP + PLAIN[10:]: "group g: unknown feature 'p'",
    GROUP + PLAIN: "a: there is no eps; give one for all, at the top of the file",
    "eps = 0.1\n" + '[groups]\ng = ["a", "b"]\n' + PLAIN[10:]: "group g: a is of type float",
    "eps = 0.1\n" + '[groups]\ng = ["p"]\n' + PLAIN[10:] + PQ: "group g: expected a list of two features or more",
    "eps = 0.1\n" + GROUP + 'h = ["q", "p"]\n' + PLAIN[10:] + PQ: "p is twice in the groups (g, h), expected once",
    "eps = 0.1\n" + GROUP + PLAIN[10:] + PQ.replace('"}\nq', '", eps = 0}\nq'): "group g: some of it may change",
    'relations = "a <= b"\n' + PLAIN: "relations must be a list of texts",
    "relations = [1]\n" + PLAIN: 'a relation is a text, as "a <= b", got 1',
    'relations = ["a < b"]\n' + PLAIN: "relation 'a < b': write <= in place of <",
    'relations = ["a = b"]\n' + PLAIN: "relation 'a = b': write == in place of =",
    'relations = ["a <= c"]\n' + PLAIN: "relation 'a <= c': unknown feature 'c'",
    'relations = ["a * b <= 1"]\n' + PLAIN: "relation 'a * b <= 1': expected + or -, got '* b'; it must be linear",
    'relations = ["a <= "]\n' + PLAIN: "relation 'a <= ': a number or a feature is missing",
    'relations = ["a <= b <= 1"]\n' + PLAIN: "relation 'a <= b <= 1': expected one of <=, >= and == in it, got 2",
    'relations = ["a + b"]\n' + PLAIN: "relation 'a + b': expected one of <=, >= and == in it, got 0",
    'relations = ["a - a <= 1"]\n' + PLAIN: "relation 'a - a <= 1': no feature is left in it",
    'relations = ["a + b >= 16"]\n' + PLAIN: "relation 'a + b >= 16': no row within the features' bounds keeps it",
    'relations = ["a == b - 6"]\n' + PLAIN: "relation 'a == b - 6': no row within the features' bounds keeps it",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_in_it_is_one_line(text, tmp_path):
    (tmp_path / "loans.toml").write_text(text)
    with pytest.raises(ValueError, match=r"^loans\.toml: ") as caught:
        read_table_file(tmp_path / "loans.toml")

    assert WRONG[text] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"^no such file \(looked for .*nope.toml\)$"):
        canonical_threat("features:nope.toml", tmp_path)
    with pytest.raises(ValueError, match=r"name the file of the table, as features:loans\.toml"):
        canonical_threat("features:loans", tmp_path)
    with pytest.raises(ValueError, match="was not read; name its file"):
        find_table("features:never-00000000")
