"""Entries of RobustBench: nothing of them is lost, and nothing of them is ranked."""

import json

import pandas as pd
import pytest

from robust.cli import main
from robust.records.store import records
from robust.report.board import boards
from robust.report.robustbench import make_entries, read_entries
from tests.making import file, record

FULL = {
    "link": "https://arxiv.org/abs/2110.12976",
    "name": "Stable Neural ODE with <b>Lyapunov</b>|Points",
    "authors": "A. Müller, B",
    "additional_data": False,
    "number_forward_passes": 2,
    "dataset": "cifar10",
    "venue": "NeurIPS 2021",
    "architecture": "WideResNet-70-16, Neural ODE block",
    "eps": "8/255",
    "clean_acc": "93.73",
    "reported": None,
    "autoattack_acc": "71.28",
    "external": "64.20",
    "unreliable": True,
    "footnote": None,
}
CORRUPTED = {
    "link": "",
    "name": "AugMix",
    "authors": "",
    "additional_data": False,
    "number_forward_passes": 1,
    "dataset": "imagenet",
    "venue": "",
    "architecture": "ResNet-50",
    "eps": None,
    "clean_acc": "77.34",
    "reported": "",
    "corruptions_acc": "49.33",
    "corruptions_mce": "64.1",
    "a field of next year": [1, {"b": 2.50}],
}


@pytest.fixture
def given(tmp_path):
    """A folder of entries."""
    places = {"cifar10/Linf/Kang2021Stable": FULL, "imagenet/corruptions/Hendrycks2020AugMix": CORRUPTED}
    for place, content in places.items():
        path = tmp_path / "model_info" / f"{place}.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content, indent=2), "utf-8")
    return tmp_path / "model_info"


@pytest.fixture
def folder(tmp_path):
    """A leaderboard with three rows of its own: under a ball, a union, and corruptions; the last two are no entries."""
    others = (record(threat=threat) for threat in ("linf:8/255+l2:0.5", "corruption:3"))
    file(tmp_path / "board", record(threat="linf:8/255"), *others)
    return tmp_path / "board"


def board(*words):
    assert main(["board", *map(str, words)]) == 0


def test_from_json_to_a_board_and_back_no_field_is_lost(given, folder, tmp_path):
    board(folder, "--import", given)
    board(folder, "--export", tmp_path / "out")

    for path in given.rglob("*.json"):
        back = tmp_path / "out" / path.relative_to(given)
        assert back.read_bytes() == path.read_bytes()
        assert json.loads(back.read_text("utf-8")) in (FULL, CORRUPTED)


def test_merging_keeps_what_was_imported(given, folder, tmp_path):
    board(folder, "--import", given)
    board(folder, "--into", tmp_path / "all")

    assert [entry.id for entry in read_entries(tmp_path / "all" / "imported")] == [
        "Kang2021Stable",
        "Hendrycks2020AugMix",
    ]


def test_what_is_imported_is_shown_marked_and_has_no_rank(given, folder):
    board(folder, "--import", given)
    page, readme = ((folder / name).read_text() for name in ("index.html", "README.md"))

    assert pd.read_csv(folder / "leaderboard.csv").model.tolist() == ["net"] * 3
    for text in (page, readme):
        tables, claims = text.split("Reported elsewhere")
        assert "Kang2021Stable" not in tables
        assert "no rank" in claims
        assert "64.20" in claims
    assert "<b>Lyapunov" not in page + readme
    assert "Lyapunov&lt;/b&gt;|Points" in page
    assert "Lyapunov\\</b\\>\\|Points" in readme


def test_our_own_rows_are_entries_too_and_claim_no_autoattack(folder, tmp_path):
    found = make_entries(boards(records(folder)))
    ((place, text),) = found.items()
    content = json.loads(text)

    assert str(place) == "digits/Linf/net-as-is-ab12ab12-linf-8_255-pgd.json"
    assert (content["clean_acc"], content["external"], content["eps"]) == ("75.00", "75.00", "8/255")
    assert not {"autoattack_acc", "unreliable"} & {*content}
    assert "pgd on 8 samples" in content["footnote"]
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert read_entries(path)[0].robust == "75.00"


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        ("cifar10/Linf/x.json", "{", "not JSON"),
        ("cifar10/Linf/x.json", "[]", "no text for name, dataset"),
        ("cifar10/Linf/x.json", json.dumps(FULL | {"clean_acc": 93.7}), "no text for clean_acc"),
        ("Linf/x.json", json.dumps(FULL), "a folder of its dataset"),
        ("cifar10/.x/x.json", json.dumps(FULL), "a folder of its dataset"),
    ],
)
def test_what_is_no_entry_is_one_line_and_changes_nothing(folder, tmp_path, capsys, place, text, message):
    path = tmp_path / "given" / place
    path.parent.mkdir(parents=True)
    path.write_text(text)
    status = main(["board", str(folder), "--import", str(tmp_path / "given")])
    _, error = capsys.readouterr()

    assert (status, error.count("\n")) == (4, 1)
    assert message in error
    assert not (folder / "imported").exists()
