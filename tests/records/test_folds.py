"""The rows of folds as one row: its figures are those of all samples, and it says what is missing."""

import re
from dataclasses import replace

import numpy as np
import pytest

from robust.records.curve import Curve
from robust.records.folds import PooledRecord, pool_folds
from robust.records.trust import Finding, TrustReport
from robust.records.used import name_pool
from robust.report.board import boards
from robust.report.csv import wide_csv
from robust.report.markdown import markdown
from robust.report.page.page import page
from robust.report.table import describe_folds
from robust.report.terminal import terminal
from tests.making import certificate, record, stored


def fold(number, correct, broken, *, of=3, weights=None, lineage="a", **changes):
    data, weights = f"digits:fold={number}of{of}", weights or f"{number}" * 64
    made = record(correct, {"pgd": broken}, data=data, weights=weights, training="trades", **changes)
    return replace(made, provenance={**made.provenance, "folds": lineage})


THREE = (fold(1, "1111", "1000"), fold(2, "1110", "0110"), fold(3, "110", "000"))


def test_a_name_says_which_fold_it_is():
    assert name_pool("digits:fold=2of5") == ("digits:folds=5", 2, 5)
    assert name_pool("digits:fold=2of5:attacked=3") == ("digits:folds=5:attacked=3", 2, 5)
    assert name_pool("digits") == ("digits", 0, 0)


def test_the_figures_are_of_all_samples():
    other = record()
    kept, pool = pool_folds([THREE[1], other, THREE[2], THREE[0]])

    assert kept is other
    assert isinstance(pool, PooledRecord)
    assert (pool.data.name, pool.data.n, pool.counts, pool.partial) == ("digits:folds=3", 11, (9, 6), "")
    assert pool.folds == THREE
    assert pool.planned[0].forwards == 90
    np.testing.assert_allclose(pool.shares, [[100, 75], [75, 25], [200 / 3, 200 / 3]])


def test_a_pool_without_all_folds_is_partial_and_has_no_rank():
    (pool,) = pool_folds(THREE[:2])
    (board,) = boards(THREE[:2])

    assert pool.partial == "missing folds"
    assert board.rows[0].rank is None
    assert "2 of 3 folds: clean 87.5 (sd 17.7, 75.0 to 100.0)" in describe_folds(board.rows[0])


def test_of_a_fold_that_was_measured_twice_the_newest_counts():
    late = fold(2, "1111", "0000", weights="9" * 64, date="2026-02-01")
    (pool,) = pool_folds([*THREE, late])

    assert pool.folds == (THREE[0], late, THREE[2])


def test_recipes_models_seeds_and_numbers_of_folds_are_pools_of_their_own():
    others = [
        replace(THREE[0], model=replace(THREE[0].model, training="mart")),
        replace(THREE[0], model=replace(THREE[0].model, name="other")),
        replace(THREE[0], seed=1),
        replace(THREE[0], threat="linf:0.1"),
        fold(1, "1111", "1000", of=5),
        fold(1, "1111", "1000", lineage="of another file, or of other samples"),
    ]

    assert len(pool_folds([*THREE, *others])) == 7


def test_a_fold_that_was_measured_by_itself_is_a_row_like_any_other():
    alone = replace(THREE[0], provenance={"date": "2026-01-02"})

    assert pool_folds([alone]) == [alone]


def test_an_attack_that_only_one_fold_needed_counts_there():
    more = replace(
        THREE[0], attacks=(*THREE[0].attacks, replace(THREE[0].attacks[0], name="mitigated", adversarial=[0, 1, 1, 0]))
    )
    more = replace(more, attacks=(more.attacks[0], replace(more.attacks[1], adversarial=np.array([0, 1, 1, 0], bool))))
    (pool,) = pool_folds([more, *THREE[1:]])

    assert pool.counts == (9, 4)
    assert [attack.name for attack in pool.planned] == ["pgd"]


def test_certificates_curves_and_findings_are_joined():
    proofs = ("0110", "0000", "110")
    finding = Finding("too-weak", "suspect", 1.0, "more steps find more", "take more steps")
    made = [
        replace(
            each,
            certificate=certificate(proof),
            curve=Curve("linf:0.3", np.where(each.robust, 0.2, 0).astype(np.float32), ("fab",), (), 1, 2, 3.0),
            trust=TrustReport((finding,) * (k > 0), (), ("too-weak",), (), 1.0),
        )
        for k, (each, proof) in enumerate(zip(THREE, proofs, strict=True))
    ]
    (pool,) = pool_folds(made)

    assert pool.certificate.certified.sum() == 4
    assert pool.certificate.by == {"crown": 4}
    assert len(pool.curve.distance) == 11
    assert pool.verdict == "suspect"
    assert [each.message for each in pool.trust.findings] == ["fold 2: more steps find more"]
    assert pool_folds([made[0], *THREE[1:]])[0].certificate is None


def test_two_recipes_are_ranked_on_the_samples_of_all_folds():
    better = [replace(fold(k, "1" * 20, "0" * 20), model=replace(THREE[0].model, training="a")) for k in (1, 2, 3)]
    worse = [replace(fold(k, "1" * 20, "1" * 9 + "0" * 11), seed=0) for k in (1, 2, 3)]
    (board,) = boards([*better, *worse])

    assert [(row.record.model.training, row.rank) for row in board.rows] == [("a", 1), ("trades", 2)]


@pytest.mark.parametrize("rounded", [False, True])
def test_every_table_shows_the_mean_and_the_spread(rounded):
    made = [stored(each, 17, "0" * each.data.n) for each in THREE] if rounded else THREE
    (board,) = boards(made)
    text = terminal(board, 120)

    assert "sd of folds" in text
    assert "26.8" in text
    assert "net (trades), 3 folds: clean 81.8 (sd 17.3, 66.7 to 100.0), robust 54.5 (sd 26.8, 25.0 to 75.0)" in text
    assert "3 folds: clean 81.8" in markdown([board])
    assert "Folds: a recipe was trained once for each fold" in markdown([board])
    head, line = wide_csv([board]).splitlines()
    cells = dict(zip(head.split(","), line.split(","), strict=True))
    assert (cells["data"], cells["folds"], cells["n"]) == ("digits:folds=3", "3", "11")
    assert float(cells["robust_sd"]) == pytest.approx(26.7879, abs=1e-3)
    html = page([board], {})
    head, line = (len(re.findall("<t[dh][ >]", part)) for part in html.partition("<table")[2].split("<tr")[1:3])
    assert head == line > 5
    assert "digits:fold=2of3: clean 75.0 %, robust 25.0 % of 4" in html
    assert all(f"{each.stem}.json" in html for each in THREE)


def test_columns_of_a_stranger_that_do_not_fit_together_are_left_out():
    odd = [
        replace(each, columns={"score": np.zeros(each.data.n), "regions": np.zeros((each.data.n, 2 + k))})
        for k, each in enumerate(THREE)
    ]
    (pool,) = pool_folds(odd)

    assert pool.columns.keys() == {"score"}
    assert pool.counts == (9, 6)
    assert name_pool(f"digits:fold={'9' * 5000}of3")[1:] == (0, 0)
