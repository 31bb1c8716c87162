import io
import re
from itertools import permutations

import pandas as pd
import pytest

from robust.records.store import GENERATED
from robust.report.board import boards
from robust.report.csv import long_csv, wide_csv
from robust.stats import wilson
from tests.making import record, robust, stored


def read(text):
    return pd.read_csv(io.StringIO(text), keep_default_na=False)


def percents(k, n):
    return ",".join(str(round(100 * bound, 4)) for bound in wilson(k, n))


def test_the_file_is_exactly_this():
    measured = record("11111100", {"pgd": "11000000", "fgsm": "10000000"})

    head = "1,digits,linf:0.15,fgsm+pgd,1,net,as-is"
    tail = "1234,sha256:ab12ab12ab12ab12,sha256:0008000800080008,0,2026-01-02" + 14 * "," + "class" + 41 * ","
    assert long_csv(boards([measured])) == (
        "schema,data,threat,suite,rank,model,training,attack,n,clean_percent,robust_percent,low_percent,high_percent,"
        "drop_points,clean_correct,robust_correct,forwards,backwards,seconds,params,weights,samples,seed,date,partial,"
        "verdict,doubts,accepted,levels,rounded_percent,certify,certified,certified_low,certified_high,open,"
        "curve_end,curve_median,criterion,score,clean_score,clean_score_low,clean_score_high,attacked_score,"
        "attacked_score_low,attacked_score_high,"
        "clean_miou,clean_miou_low,clean_miou_high,attacked_miou,attacked_miou_low,attacked_miou_high,"
        "folds,clean_sd,robust_sd,draws,clean_undecided,undecided,"
        "corrupted,corrupted_low,corrupted_high,worst_corruption,worst_corruption_percent,corrupted_before,asked,queries_median,"
        "worst_class,worst_class_n,worst_class_percent,worst_class_low,worst_class_high,"
        "groups,worst_group,worst_group_n,worst_group_percent,worst_group_low,worst_group_high,"
        "compressed,size_percent,road\n"
        f"{head},all,8,75.0,50.0,{percents(4, 8)},25.0,6,4,60,40,3.0,{tail}\n"
        f"{head},fgsm,8,75.0,62.5,{percents(5, 8)},12.5,6,5,30,20,1.5,{tail}\n"
        f"{head},pgd,8,75.0,50.0,{percents(4, 8)},25.0,6,4,30,20,1.5,{tail}\n"
    )


def test_each_model_has_a_line_for_all_attacks_and_one_for_each():
    made = [record(adversarial={"pgd": "0" * 8, "fgsm": "0" * 8}, name=name) for name in ("a", "b")]
    table = read(long_csv(boards(made)))

    assert [*zip(table.model, table.attack, strict=True)] == [
        (name, attack) for name in ("a", "b") for attack in ("all", "fgsm", "pgd")
    ]


def test_all_attacks_together_are_the_worst_case_not_the_worst_attack():
    table = read(long_csv(boards([record("11111100", {"fgsm": "10000010", "pgd": "01000001"})])))

    assert table.robust_correct.tolist() == [4, 5, 5]


def test_the_accuracy_to_rounded_inputs_stands_beside_the_other():
    made = stored(record("11111100", {"pgd": "11000000"}), 256, "10000000")
    table = read(long_csv(boards([made])))

    assert table.levels.tolist() == [256, 256]
    assert table.robust_percent.tolist() == [50, 50]
    assert table.rounded_percent.tolist() == [62.5, 62.5]


def test_figures_have_four_decimals_and_counts_are_exact():
    made = [robust(k, 97, f"net-{k:02}") for k in range(98)]
    table = read(long_csv(boards(made))).query("attack == 'all'").sort_values("model")

    bounds = [tuple(round(100 * bound, 4) for bound in wilson(k, 97)) for k in range(98)]
    assert table.robust_correct.tolist() == [*range(98)]
    assert table.robust_percent.tolist() == [round(100 * k / 97, 4) for k in range(98)]
    assert [*zip(table.low_percent, table.high_percent, strict=True)] == bounds


@pytest.mark.parametrize("form", [long_csv, wide_csv])
def test_no_number_has_the_noise_of_floats(form):
    """89.0 - 81.8 is 7.200000000000003, and a column with a gap makes 256.0 of 256."""
    made = [
        stored(record("1" * 445 + "0" * 55, {"pgd": "1" * 36 + "0" * 464}), 256, "1" * 35 + "0" * 465),
        record("1" * 445 + "0" * 55, {"pgd": "1" * 36 + "0" * 464}, name="plain"),
    ]

    text = form(boards(made))

    assert not re.findall(r"\d\.\d{5,}", text)
    table = read(text)
    assert {*table.drop_points} == {7.2}
    assert {*table.levels} == {"", "256"}


def test_the_order_of_the_records_means_nothing():
    made = [record(name="a"), record(name="b"), record(data="mnist"), record(threat="linf:0.3")]

    assert len({long_csv(boards(order)) for order in permutations(made)}) == 1


@pytest.mark.parametrize("sign", ["=", "+", "-", "@"])
def test_a_cell_that_begins_like_a_formula_is_text(sign):
    hostile = f"{sign}cmd|' /C calc'!A0"
    made = record(name=hostile, data=hostile, date=hostile)

    for name in ("model", "data", "date"):
        assert read(long_csv(boards([made])))[name].tolist() == [f"'{hostile}"] * 2


@pytest.mark.parametrize("name", ["\t=1", "\r=1", "\n=1", "a\r=1", "a\n=1", "a\r\n=1", 'a"\n=1', "a,=1"], ids=ascii)
def test_no_name_begins_a_line_or_a_cell_with_a_formula(name):
    table = read(long_csv(boards([record(name=name)])))

    assert table.attack.tolist() == ["all", "pgd"]
    assert not any(str(cell).lstrip().startswith("=") for cell in table.to_numpy().flat)


@pytest.mark.parametrize("name", ["a,b", 'say "a"', "a;b", "模型", "1e5", "NA", "a=b"], ids=ascii)
def test_a_name_comes_back_as_it_was(name):
    table = pd.read_csv(io.StringIO(long_csv(boards([record(name=name)]))), dtype={"model": str}, keep_default_na=False)

    assert table.model.tolist() == [name, name]


@pytest.mark.parametrize("weights", ["1e23" * 16, "0" * 64, "7" * 64])
def test_a_digest_is_never_read_as_a_number(weights):
    assert read(long_csv(boards([record(weights=weights)]))).weights.tolist() == [f"sha256:{weights[:16]}"] * 2


@pytest.mark.parametrize("records", [[], [record()]], ids=["none", "one"])
def test_the_file_is_known_as_ours(records):
    assert long_csv(boards(records)).startswith(GENERATED["results.csv"])


def test_the_wide_one_has_a_line_a_row_and_a_column_an_attack():
    made = [
        record("11111100", {"pgd": "11000000", "fgsm": "10000000"}),
        record(threat="l2:1", adversarial={"=x": "1" * 8}),
    ]
    table = read(wide_csv(boards(made)))

    assert table.threat.tolist() == ["l2:1", "linf:0.15"]
    assert table.robust_percent.tolist() == [0, 50]
    assert table["pgd percent"].tolist() == ["", "50.0"]
    assert [*table.columns[-3:]] == ["'=x percent", "fgsm percent", "pgd percent"]
    assert "attack" not in table


def test_the_wide_one_says_of_all_attacks_what_the_long_one_says():
    made = [record(name="=a", adversarial={"pgd": "11000000", "fgsm": "10000000"}), record(name="b")]
    tall, flat = read(long_csv(boards(made))).query("attack == 'all'"), read(wide_csv(boards(made)))
    shared = [column for column in tall.columns if column != "attack"]

    assert flat[shared].to_csv(index=False) == tall[shared].to_csv(index=False)
