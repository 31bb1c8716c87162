from dataclasses import replace
from itertools import permutations

import pytest

from robust.records.attack_outcome import StageOutcome
from robust.records.trust import TrustReport
from robust.report.board import boards
from robust.report.csv import long_csv
from robust.report.markdown import markdown
from robust.stats import wilson
from tests.making import record, robust


def only(*records):
    (board,) = boards(records)
    return board


def ranking(*records):
    return [(row.record.model.name, row.rank) for row in only(*records).rows]


def test_a_row_has_shares_of_all_samples():
    row = only(record("1111111100", {"pgd": "1110000011", "fgsm": "0001000000"})).rows[0]

    assert (row.clean, row.robust, row.drop) == (80, 40, 40)
    assert (row.low, row.high) == tuple(100 * bound for bound in wilson(4, 10))


def test_each_attack_is_judged_on_all_samples_by_itself():
    board = only(record("1111111100", {"pgd": "1110000011", "fgsm": "0001000000"}))

    assert board.columns == ("fgsm", "pgd")
    assert board.rows[0].under == (70, 50)


@pytest.mark.parametrize(
    "changes",
    [{"data": "mnist"}, {"threat": "linf:0.2"}, {"adversarial": {"pgd:steps=40": "0" * 8}}],
    ids=["data", "threat", "suite"],
)
def test_what_cannot_be_compared_has_a_board_of_its_own(changes):
    assert [len(board.rows) for board in boards([record(), record(**changes), record(name="other")])] in (
        [1, 2],
        [2, 1],
    )


def test_boards_are_ordered_by_data_threat_and_suite():
    keys = [("a", "l2:1", "fgsm"), ("a", "l2:1", "pgd"), ("a", "linf:1", "fgsm"), ("b", "l1:1", "fgsm")]
    made = [record(data=data, threat=threat, adversarial={attack: "0" * 8}) for data, threat, attack in keys[::-1]]

    assert [(board.data, board.threat, board.suite) for board in boards(made)] == keys


def test_no_records_make_no_boards():
    assert boards([]) == []


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (record("11100000", name="z"), record("11000000", name="a")),
        (record("11110000", {"pgd": "11000000"}, name="z"), record("11000000", name="a")),
        (record("11000000", name="a"), record("11000000", name="b")),
        (record("11000000", training="fgsm-rs"), record("11000000", training="pgd-at")),
        (record("11110000", {"pgd": "10000000"}, name="a"), record("11111111", {"pgd": "11111100"}, name="a")),
    ],
    ids=["robust", "then clean", "then name", "then training", "robust before clean"],
)
def test_rows_are_ordered_by_robust_then_clean_then_name(better, worse):
    for order in permutations([better, worse]):
        assert [row.record.stem for row in only(*order).rows] == [better.stem, worse.stem]


def test_the_order_of_the_records_means_nothing():
    made = [robust(3, 8, "a"), robust(3, 8, "b"), robust(3, 8, "b", seed=1), robust(7, 8, "c")]

    for order in permutations(made):
        assert only(*order) == only(*made)


def test_rows_without_a_significant_difference_share_a_rank():
    assert ranking(robust(500, 1000, "a"), robust(496, 1000, "b")) == [("a", 1), ("b", 1)]


def test_a_row_has_a_rank_below_all_that_are_significantly_better():
    assert ranking(robust(800, 1000, "a"), robust(798, 1000, "b"), robust(500, 1000, "c")) == [
        ("a", 1),
        ("b", 1),
        ("c", 3),
    ]


def test_a_rank_counts_only_what_is_significantly_better():
    ladder = [robust(700 - 5 * k, 1000, str(k)) for k in range(3)]

    assert ranking(*ladder) == [("0", 1), ("1", 1), ("2", 2)]


def test_many_comparisons_ask_for_more_evidence():
    a, b = robust(106, 200, "a"), robust(100, 200, "b")
    same = [robust(100, 200, f"same-{k}") for k in range(4)]

    assert ranking(a, b) == [("a", 1), ("b", 2)]
    assert {rank for _, rank in ranking(a, b, *same)} == {1}


@pytest.mark.parametrize(
    ("adversarial", "expected"),
    [("0" * 60 + "1" * 40, [("clean", 1), ("safe", 1)]), ("1" * 100, [("safe", 1), ("clean", 2)])],
    ids=["as robust", "less robust"],
)
def test_ranks_are_of_the_robust_accuracy_not_of_the_clean(adversarial, expected):
    assert ranking(robust(60, 100, "safe"), record("1" * 100, {"pgd": adversarial}, name="clean")) == expected


@pytest.mark.parametrize(("digest", "rank"), [(None, 2), ("ef56" * 16, 1)], ids=["same samples", "others"])
def test_models_on_other_samples_are_compared_without_pairs(digest, rank):
    assert ranking(robust(110, 200, "a"), robust(100, 200, "b", digest=digest)) == [("a", 1), ("b", rank)]


def test_other_numbers_of_samples_are_compared_too():
    assert ranking(robust(90, 100, "a"), robust(100, 200, "b")) == [("a", 1), ("b", 2)]


def test_options_spelled_in_another_order_are_the_same_attack():
    a = record(adversarial={"pgd:restarts=5:steps=40": "10000000"}, name="a")
    b = record(adversarial={"pgd:steps=40:restarts=5": "01000000"}, name="b")

    assert [row.under for row in only(a, b).rows] == [(62.5,), (62.5,)]


def test_attacks_stored_in_another_order_are_the_same_columns():
    a = record(adversarial={"fgsm": "10000000", "pgd": "11000000"}, name="a")
    b = replace(a, attacks=a.attacks[::-1])

    assert [row.under for row in only(a, b).rows] == [(62.5, 50), (62.5, 50)]


def test_a_row_is_named_by_model_training_and_weights():
    assert only(record(training="pgd-at")).rows[0].name == "net-pgd-at-ab12ab12"


def staged(adversarial=(2, 3), n=8, name="net", partial="", **changes):
    """A suite's record whose stages together broke so many of the n samples, all of which are answered right."""
    stages = tuple(StageOutcome(f"pgd:steps={k}", 8, b, 10 * b, 5 * b, float(b)) for k, b in enumerate(adversarial, 1))
    last = adversarial[-1] if adversarial else 0
    made = record("1" * n, {"standard-1": "1" * last + "0" * (n - last)}, name=name, **changes)
    return replace(made, attacks=(replace(made.attacks[0], stages=stages, partial=partial),))


def test_a_suites_columns_are_its_stages_and_cumulative():
    board = only(staged((2, 3)))

    assert board.suite == "standard-1"
    assert board.columns == ("after 1", "after 2")
    assert board.stages == ("pgd:steps=1", "pgd:steps=2")
    assert board.rows[0].under == (75.0, 62.5)
    assert board.rows[0].robust == 62.5


def test_rows_that_share_a_rank_stand_together():
    """c is less robust than b, and yet not significantly worse than a: on few samples of its own."""
    a = record("1" * 400, {"pgd": "1" * 12 + "0" * 388}, name="a")
    b = record("1" * 400, {"pgd": "1" * 40 + "0" * 360}, name="b")
    c = record("1" * 8, {"pgd": "1" + "0" * 7}, name="c")
    board = only(b, c, a)

    assert [(row.record.model.name, row.rank, row.robust) for row in board.rows] == [
        ("a", 1, 97),
        ("c", 1, 87.5),
        ("b", 2, 90),
    ]


def test_what_is_partial_has_no_rank_and_comes_last():
    """However good it looks, and it lets no other row look worse."""
    good, bad, stopped = staged((50, 60), 200, "good"), staged((150, 160), 200, "bad"), staged((2,), 200, "x", "time")
    board = only(bad, stopped, good)

    assert [(row.record.model.name, row.rank) for row in board.rows] == [("good", 1), ("bad", 2), ("x", None)]
    assert board.rows[2].under == (99.0, None)


def test_a_suite_that_was_stopped_at_once_is_a_row_too():
    board = only(staged((), partial="time"))

    assert (board.columns, board.stages, board.rows[0].under) == ((), (), ())


def test_what_a_partial_row_looks_like():
    page = markdown(boards([staged((2,), partial="gate"), staged((2, 3), name="b")]))
    table = long_csv(boards([staged((2,), partial="gate")]))

    assert "| partial | net | as-is | 100.0 | 75.0 |" in page
    assert "after 1" not in page
    assert "(figures: [results.csv](results.csv)):\n\n1. pgd:steps=1\n2. pgd:steps=2\n" in page
    lines = [line.split(",") for line in table.splitlines()]
    assert [(line[4], line[7], line[15], line[24]) for line in lines[1:]] == [
        ("", "all", "6", "gate"),
        ("", "standard-1", "6", "gate"),
        ("", "standard-1 after 1: pgd:steps=1", "6", "gate"),
    ]


def test_a_mitigated_attack_has_a_column_and_counts_and_is_no_part_of_the_suite():
    doubted = record("1110", {"pgd": "1000", "mitigated": "1100"}, name="doubted")
    (board,) = boards([doubted, record("1110", {"pgd": "1000"}, name="plain")])

    assert board.suite == "pgd"
    assert board.columns == ("pgd", "mitigated")
    assert {row.record.model.name: row.under for row in board.rows} == {"doubted": (50, 25), "plain": (50, None)}
    assert {row.record.model.name: row.robust for row in board.rows} == {"doubted": 25, "plain": 50}


def test_boards_whose_rows_were_checked_come_first():
    checked = replace(
        record("11", {"pgd": "10"}, threat="linf:0.1"), trust=TrustReport((), (), ("noise-wins",), (), 0.1)
    )
    found = boards([record("11", {"fgsm": "10"}, threat="linf:0.1"), checked])

    assert [board.suite for board in found] == ["pgd", "fgsm"]
