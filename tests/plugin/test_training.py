"""`--robust-train`: every variant from pytest, and what it leaves in records and on the terminal."""

import numpy as np
import pytest
from safetensors.torch import load_file, save

from robust.cli import main
from robust.records.record import Record
from robust.records.store import records
from robust.train.recipe import RECIPES

BARE = "--robust-model=net.py:bare"
PLAN = "epochs=1:lr=0.5"


def one_record(folder):
    (path,) = (folder / "leaderboard" / "results").rglob("*.json")
    return Record.from_json(path.read_text())


def test_every_variant_adds_its_row(run, folder):
    words = [f"{name}:{PLAN}" for name in RECIPES.names() if name not in ("ard", "distill")]
    words += [f"trades+ema+awp:{PLAN}", f"pgd-at+swa:{PLAN}", f"ard:{PLAN}:teacher=weights.safetensors"]
    words += [f"distill:{PLAN}:teacher=weights.safetensors"]
    result = run(BARE, f"--robust-train={','.join(words)}", "--robust-only")
    trainings = {
        Record.from_json(path.read_text()).model.training
        for path in (folder / "leaderboard" / "results").rglob("*.json")
    }

    result.assert_outcomes(passed=3 * len(words))
    assert len(trainings) == len(words)
    assert f"trades+awp+ema:{PLAN}" in trainings


def test_wrappers_have_their_word_in_a_tests_name(run):
    result = run(BARE, "--robust-train=trades+ema+awp:epochs=1:beta=3", "--collect-only", "-q")

    result.stdout.fnmatch_lines(["net.py::test_clean[[]bare-trades+awp+ema-beta3-epochs1]"])


def test_the_record_tells_how_each_class_fares(run, folder):
    run("--robust-model=net.py:make", "--robust-only").assert_outcomes(passed=3)
    record = one_record(folder)
    found = record.provenance["classes"]

    assert sum(found["n"]) == record.data.n
    assert sum(found["correct"]) == record.correct.sum()
    assert sum(found["robust"]) == record.robust.sum()
    shares = np.array(found["robust"]) / np.array(found["n"])
    assert found["worst_robust"] == pytest.approx(shares.min(), abs=1e-6)


def test_the_record_tells_the_best_epoch_and_the_last(run, folder):
    run(BARE, "--robust-train=pgd-at:steps=1:epochs=2", "--robust-only").assert_outcomes(passed=3)
    training = one_record(folder).provenance["training"]

    assert training["last"]["number"] == 2
    assert training["best"]["robust"] >= training["last"]["robust"]
    assert training["best"]["robust"] <= training["best"]["one_step"] <= training["best"]["clean"]
    assert len(training["best"]["by_class"]) == 10


def test_what_went_wrong_in_a_training_is_shown(run):
    result = run(
        BARE, "--robust-train=standard:epochs=30:lr=2:momentum=0:patience=1:schedule=constant", "--robust-only"
    )

    result.stdout.fnmatch_lines(["trained by standard:*", "  stopped early: no epoch after *"])


@pytest.fixture
def leaky(pytester):
    """Data whose two splits are the same."""
    pytester.makepyfile(
        data="""
        import numpy as np

        def load(split):
            x = np.random.RandomState(0).rand(200, 64).astype("float32")
            return x, np.arange(200) % 10
        """
    )


def test_the_card_beside_weights_tells_what_trained_them_and_of_other_weights_nothing(run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert main(["train", "net.py:bare", "--recipe=standard:epochs=1", "--out=."]) == 0
    (path,) = folder.glob("net-bare-*.safetensors")
    given = [f"--robust-model={path.name}", "--robust-arch=net.py:bare", "--robust-only", "--robust-accept=guessing"]
    result = run(*given)
    result.stdout.fnmatch_lines(["*net-bare-standard*standard:*", f"trained by standard:epochs=1 in *: {path.name}"])
    (record,) = records(folder / "leaderboard")
    assert (record.recipe, record.model.training) == ("standard:epochs=1", "as-is")

    path.write_bytes(save({name: 2 * tensor for name, tensor in load_file(path).items()}))
    result = run(*given)
    result.stdout.no_fnmatch_line("trained by *")
    assert {record.recipe for record in records(folder / "leaderboard")} == {"standard:epochs=1", "as-is"}


@pytest.mark.usefixtures("leaky")
def test_weights_are_refused_by_the_card_beside_them(run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    given = ["--data=data.py:load", "--threat=linf:0.1", "--out=."]
    assert main(["train", "net.py:bare", "--recipe=standard:epochs=1", *given]) == 0
    (path,) = folder.glob("net-bare-*.safetensors")
    data = ["--robust-data=data.py:load", "--robust-threat=linf:0.1", "--robust-samples=200"]
    result = run(f"--robust-model={path.name}", "--robust-arch=net.py:bare", *data, "--robust-only")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*30 of the 30 samples that selected the best epoch are among the 200 test samples*"])


@pytest.mark.usefixtures("leaky")
def test_a_figure_on_samples_that_selected_the_best_epoch_is_refused(run):
    given = ["--robust-data=data.py:load", "--robust-threat=linf:0.1", "--robust-train=standard:epochs=1"]
    result = run(BARE, *given, "--robust-only", "--robust-samples=200", "--robust-leaderboard=none")

    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*30 of the 30 samples that selected the best epoch are among the 200 test samples*"])


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("ard", "ard: needs a teacher, as ard:teacher=weights.safetensors or ard:teacher=net.py:large"),
        ("standard:freeze=conv", "freeze: no parameter begins with 'conv'. Known: 1.bias, 1.weight"),
        (
            "standard:augment=sepia",
            "standard:augment=sepia: augment: unknown word 'sepia'. Known: crop-flip, none, trivial",
        ),
        ("standard:config=none.toml", "standard:config=none.toml: no such file"),
    ],
)
def test_a_wrong_word_is_one_line_before_any_training(word, told, run, folder):
    result = run(BARE, f"--robust-train={word}", "--robust-only")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --robust-train={word}: *".replace("[", "[[]")])
    assert told in result.stderr.str()
    assert not [*(folder / ".robust").rglob("*.safetensors")]
