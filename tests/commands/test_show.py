"""`robust show`: the inputs of a row as images and arrays, exactly, and one line for what does not apply."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from robust.cli import main
from robust.commands.show import draw_images
from robust.data.dataset import DATA
from robust.records.evidence import Evidence
from robust.records.gallery import Gallery
from robust.records.record import Record
from robust.records.store import add
from tests.commands.test_verify import measured
from tests.making import certificate


@pytest.fixture(scope="module")
def row():
    """A record and its evidence, with the answer to one input."""
    record, evidence = measured(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), "linf:0.15", 60)
    images = np.zeros((1, 8, 8, 1), np.uint8)
    first = evidence.row[:1]
    gallery = Gallery(first, evidence.y[first], np.array([7]), np.ones(1, np.float32), *[images] * 3, None, None)
    return record, replace(evidence, gallery=gallery)


@pytest.fixture
def show(row, tmp_path, monkeypatch, capsys):
    """A function: the exit status, output and errors of `robust show` in a folder with that row."""
    monkeypatch.chdir(tmp_path)
    add(Path("leaderboard"), *row)

    def run(*argv):
        return main(["show", "net-as-is", "--out=out", *map(str, argv)]), *capsys.readouterr()

    return run


def place(ending):
    (path,) = Path("leaderboard/results").rglob(f"*.{ending}")
    return path


def test_the_inputs_of_a_row_are_written_as_arrays_and_pictures(show, row):
    _, evidence = row
    n, samples = len(evidence.row), DATA.get("digits").load("test", 60)

    assert show() == (
        0,
        f"wrote {n} inputs to out: {3 * n} images in clean, adversarial and difference, and inputs.npz\n",
        "",
    )
    with np.load("out/inputs.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert np.array_equal(arrays["adversarial"], evidence.x_adv)
    assert np.array_equal(arrays["clean"], samples.x[evidence.row])
    assert np.array_equal(arrays["number"], samples.index[evidence.row])
    assert np.array_equal(arrays["label"], samples.y[evidence.row])
    assert arrays["answer"].tolist() == [7, *[-1] * (n - 1)]
    assert {*arrays["attack"]} == {"pgd:steps=5"}
    number, label = arrays["number"][0], arrays["label"][0]
    image = np.asarray(Image.open(f"out/adversarial/{number:03}-label{label}-answer7.png"))
    assert np.array_equal(image, np.rint(255 * evidence.x_adv[0, 0]))
    for folder in ("clean", "adversarial", "difference"):
        assert len([*Path("out", folder).glob("*.png")]) == n


@pytest.mark.parametrize("shape", [(2, 4), (1, 2, 4), (3, 2, 4)], ids=str)
def test_pictures_are_of_the_declared_bounds_and_of_the_inputs_form(shape):
    clean = np.full(shape, -1, np.float32)
    adversarial = clean.copy()
    adversarial.flat[0] = 0

    images = draw_images(clean, adversarial, (-1, 1))

    assert {image.shape for image in images.values()} == {(2, 4, 3) if shape[0] == 3 else (2, 4)}
    assert [images[name].flat[0] for name in ("clean", "adversarial", "difference")] == [0, 128, 255]
    assert [image.flat[-1] for image in images.values()] == [0, 0, 128]


def test_inputs_that_are_no_images_are_arrays_alone(show, row, tmp_path):
    record, evidence = row
    x, y = (np.asarray(part) for part in DATA.get("digits").read("test"))
    np.savez(tmp_path / "flat.npz", x_test=x.reshape(-1, 64), y_test=y, x_train=x[:9].reshape(-1, 64), y_train=y[:9])
    samples = DATA.get("digits").load("test", 60)
    flat = replace(samples, x=samples.x.reshape(-1, 64))
    add(
        Path("flat"),
        replace(record, data=replace(record.data, digest=flat.digest)),
        replace(evidence, x_adv=evidence.x_adv.reshape(-1, 64), gallery=None),
    )

    status, out, err = show("--leaderboard=flat", "--data=npz:flat.npz")

    assert (status, err) == (0, "")
    assert out.endswith("to out/inputs.npz; no images: inputs of 64 are neither grey nor in colour\n")
    assert [path.name for path in Path("out").iterdir()] == ["inputs.npz"]


def without_inputs():
    record, evidence = Record.from_json(place("json").read_text()), Evidence.from_bytes(place("npz").read_bytes())
    attacks = tuple(replace(attack, adversarial=attack.adversarial & False) for attack in record.attacks)
    attacks = tuple(replace(attack, rounded=attack.adversarial) for attack in attacks)
    none = replace(evidence, x_adv=evidence.x_adv[:0], row=evidence.row[:0], by=evidence.by[:0], gallery=None)
    for path in (place("json"), place("npz")):
        path.unlink()
    add(Path("leaderboard"), replace(record, attacks=attacks, provenance={}), none)


REFUSED = {
    "no such row": ((), ["--leaderboard=elsewhere"], "net-as-is: no such file, and elsewhere holds no rows"),
    "no evidence": ((lambda: place("npz").unlink(),), [], "keeps no adversarial inputs: there is no file net-as-is-"),
    "no inputs": ((without_inputs,), [], "has no adversarial inputs: no attack has fooled the model on any sample"),
    "damaged evidence": ((lambda: place("npz").write_bytes(b"PK"),), [], "is not of this row: sha256"),
    "damaged record": ((lambda: place("json").write_text("{}"),), [], "not a record"),
    "a full folder": (
        (lambda: Path("out").mkdir(), lambda: Path("out/mine.txt").touch()),
        [],
        "out is not an empty folder; name another one: --out=DIR",
    ),
    "a file": ((lambda: Path("out").touch(),), [], "out is not an empty folder"),
    "no data": ((), ["--data=npz:nope.npz"], "no such file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_apply_is_one_line_and_status_4(show, case):
    changes, arguments, told = REFUSED[case]
    for change in changes:
        change()
    before = sorted(Path("out").rglob("*"))

    status, out, err = show(*arguments)

    assert (status, out, err.count("\n")) == (4, "", 1)
    assert told in err
    assert sorted(Path("out").rglob("*")) == before


def test_other_samples_are_refused(show, tmp_path):
    x, y = (np.asarray(part) for part in DATA.get("digits").read("test"))
    np.savez(tmp_path / "other.npz", x_test=x[::-1], y_test=y[::-1], x_train=x, y_train=y)

    status, out, err = show("--data=npz:other.npz")

    assert (status, out) == (4, "")
    assert "is not the data of net-as-is-" in err


def test_inputs_of_certified_samples_are_told(show, row):
    record, evidence = row
    first = np.isin(np.arange(60), evidence.row[:2])
    add(Path("other"), replace(record, certificate=certificate("".join(map(str, first.astype(int))))), evidence)

    told = "; 2 of them of certified samples, so that the input or the bound is wrong"
    assert show("--leaderboard=other")[1].endswith(f"and inputs.npz{told}\n")
    with np.load("out/inputs.npz", allow_pickle=False) as file:
        assert file["certified"].tolist() == [True, True] + [False] * (len(evidence.row) - 2)
