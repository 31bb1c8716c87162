"""`robust verify`: what is published verifies, and whatever is changed about it is found."""

import hashlib
import html
import json
import re
import runpy
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robust.attacks.threats.threat import read_threat
from robust.certification.certify import Certifier, certify
from robust.cli import main
from robust.commands.verify_bounds import certify_again
from robust.commands.verify_queries import find_wrong_queries
from robust.data.dataset import DATA, NotHereError
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.illustrate import illustrate
from robust.evaluation.measure import add_rounding, measure_attack, measure_clean
from robust.models.weights import hash_weights
from robust.records.attack_outcome import AttackOutcome
from robust.records.evidence import Evidence
from robust.records.record import Record
from robust.records.store import add
from robust.records.used import DataUsed, ModelUsed
from robust.verification.candidates import Candidates

ROOT = Path(__file__).parent.parent.parent
NET = """
from pathlib import Path
from safetensors.torch import load_file
from torch import nn

def make(name="weights.safetensors"):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    net.load_state_dict(load_file(Path(__file__).with_name(name)))
    return net
"""


def measured(module, threat, n=80):
    """A record, and its evidence, as a run files them."""
    samples, batcher = DATA.get("digits").load("test", n), Batcher(30)
    clean = measure_clean(module, samples, batcher=batcher)
    found = measure_attack(module, samples, clean.correct, "pgd:steps=5", read_threat(threat), RunOptions(batcher))
    found = add_rounding(found, module, samples, read_threat(threat), 17, batcher.size)
    evidence = Evidence.of(samples.y, samples.index, [(found.adversarial, found.x_adv)])
    robust = clean.correct & ~found.adversarial
    counts = (np.bincount(samples.y, weights=each).astype(int).tolist() for each in (None, clean.correct, robust))
    record = Record(
        data=DataUsed("digits", "test", n, samples.digest),
        model=ModelUsed("net", "as-is", hash_weights(module), 650),
        threat=threat,
        seed=0,
        correct=clean.correct,
        attacks=(AttackOutcome(found.attack, {}, found.adversarial, 1, 1, 1.0, rounded=found.rounded),),
        provenance={
            "inputs": len(evidence.row),
            "batch": 30,
            "classes": dict(zip(("n", "correct", "robust"), counts, strict=True)),
            "model": {"text": "net.py:make", "arch": None},
        },
        levels=17,
    )
    return record, evidence


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a model, its leaderboard of one row, and another model's weights."""
    folder = tmp_path_factory.mktemp("made")
    add(folder / "leaderboard", *make_row(folder))
    return folder


def make_row(folder):
    """Make a model in the folder, with another model's weights; return its record and its evidence."""
    (folder / "net.py").write_text(NET)
    torch.manual_seed(0)
    net, (x, y) = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), DATA.get("digits").read("train")
    optimiser = torch.optim.Adam(net.parameters(), 0.03)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimiser.step()
    save_file(net.state_dict(), folder / "weights.safetensors")
    save_file({key: 1.01 * value for key, value in net.state_dict().items()}, folder / "other.safetensors")
    return measured(net, "linf:0.15")


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A copy to change; one is in it."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "copy"))
    return Path()


@pytest.fixture
def verify(capsys):
    """A function: the exit status, output and errors of `robust verify` with these arguments."""

    def run(*argv):
        return main(["verify", *map(str, argv)]), *capsys.readouterr()

    return run


MODEL = "--model=net.py:make"


def place():
    (path,) = Path("leaderboard/results").rglob("*.json")
    return path


def change_json(change):
    """Change the record's JSON in place."""
    content = json.loads(place().read_text())
    change(content)
    place().write_text(json.dumps(content, indent=1) + "\n")


def change_evidence(own_up, **parts):
    """Change parts of the evidence; `own_up` makes the record name the new file."""
    file = place().with_suffix(".npz")
    evidence = Evidence.from_bytes(file.read_bytes())
    changed = replace(evidence, **{name: change(getattr(evidence, name).copy()) for name, change in parts.items()})
    file.write_bytes(changed.to_bytes())
    if own_up:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        change_json(lambda content: content.update(evidence=digest))


@pytest.mark.parametrize("told", [{}, {"command": "pytest --robust-leaderboard='my board' --robust-data=digits"}])
def test_the_command_on_its_page_verifies_a_row(folder, verify, told):
    change_json(lambda content: content["provenance"].update(told))
    if told:
        Path("leaderboard").rename("my board")
    board = Path("my board" if told else "leaderboard")
    main(["board", str(board)])
    (command,) = re.findall("<code>robust verify (.*?)</code>", (board / "index.html").read_text())

    assert verify(*shlex.split(html.unescape(command)))[0] == 0


def test_a_row_is_verified_and_says_what_is_not(folder, verify):
    status, out, err = verify("net-as-is", MODEL)

    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == str(place())
    assert [line.split()[:2] for line in lines[1:-3]] == [
        [what, "sound"] for what in ("record", "evidence", "data", "model", "inputs", "rounded", "clean")
    ]
    assert "robust samples, as another attack may succeed on them" in lines[-2]
    assert lines[-1] == "verified"


def test_a_row_goes_by_its_path_its_stem_or_enough_of_it(folder, verify):
    stem = str(place().relative_to("leaderboard/results").with_suffix(""))

    for name in (place(), stem, stem[-8:]):
        assert verify(name, MODEL)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing", MODEL], "no row of leaderboard has 'nothing' in its name"),
        (
            ["net", MODEL, "--leaderboard=elsewhere"],
            "net: no such file, and elsewhere holds no rows (no folder elsewhere/results)",
        ),
        (
            ["net"],
            "no weights of this row in leaderboard/weights or .robust/models; name its model: --model=net.py:make",
        ),
        (["net", "--model=nope.py:make"], "no such file"),
        (["net", MODEL, "--data=npz:nope.npz"], "no such file"),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_one_line_and_status_4(folder, verify, arguments, told):
    status, out, err = verify(*arguments)

    assert (status, out, err.count("\n")) == (4, "", 1)
    assert told in err


def test_a_name_that_several_rows_have_is_refused(folder, verify):
    shutil.copy(place(), place().with_name("net-two.json"))

    status, _, err = verify("net", MODEL)
    assert status == 4
    assert "'net' is in the names of 2 rows: digits/linf-0.15/pgd-steps5/net-as-is-" in err


def nudged(by):
    def change(x_adv):
        x_adv[0].flat[20] += np.float32(by)
        return x_adv

    return change


def swapped(y):
    y[0] = (y[0] + 1) % 10
    return y


LIES = {
    "damaged record": (lambda: change_json(lambda c: c["clean"].update(correct=80)), "record", "parts do not agree"),
    "damaged count of the robust": (
        lambda: change_json(lambda c: c["robust"].update(correct=80)),
        "record",
        "$.robust.correct",
    ),
    "count of the broken": (lambda: change_json(lambda c: c["attacks"][0].update(broken=1)), "record", "broken is 1"),
    "count of a class": (
        lambda: change_json(lambda c: c["provenance"]["classes"]["robust"].__setitem__(0, 8)),
        "evidence",
        "counts by class",
    ),
    "number of inputs": (lambda: change_json(lambda c: c["provenance"].update(inputs=3)), "evidence", "recorded 3"),
    "rounded count": (lambda: change_json(lambda c: c["rounded"].update(correct=80)), "record", "$.rounded.correct"),
    "another threat model": (
        lambda: change_json(lambda c: (c.update(threat="linf:0.3"), c["identity"].update(threat="linf:0.3"))),
        "record",
        "belongs at",
    ),
    "no evidence": (lambda: place().with_suffix(".npz").unlink(), "evidence", "no file"),
    "damaged evidence": (lambda: place().with_suffix(".npz").write_bytes(b"PK"), "evidence", "sha256"),
    "nudged pixel": (lambda: change_evidence(False, x_adv=nudged(0.2)), "evidence", "sha256"),
    "nudged pixel and its hash": (lambda: change_evidence(True, x_adv=nudged(0.4)), "inputs", "1 larger than eps"),
    "not a number and its hash": (lambda: change_evidence(True, x_adv=nudged(np.nan)), "inputs", "1 larger than eps"),
    "clean inputs and their hash": (lambda: change_evidence(True, x_adv=lambda x: x * 0), "inputs", "larger than eps"),
    "label": (lambda: change_evidence(False, y=swapped), "evidence", "sha256"),
    "label and its hash": (
        lambda: (
            change_evidence(True, y=swapped),
            change_json(lambda c: c["provenance"].pop("classes")),
        ),
        "data",
        "digits",
    ),
    "another sample": (
        lambda: change_evidence(True, index=lambda index: np.concatenate((index[:-1], [598]))),
        "data",
        "digits",
    ),
    "inputs of another shape": (lambda: change_evidence(True, x_adv=lambda x: x.reshape(-1, 64)), "data", "digits"),
    "a sample that is not there": (lambda: change_evidence(True, index=lambda index: index + 9999), "data", "no such"),
    "a robust sample": (
        lambda: change_evidence(True, row=lambda row: np.sort([np.setdiff1d(np.arange(80), row)[0], *row[1:]])),
        "evidence",
        "says are robust",
    ),
    "an attack that is not there": (lambda: change_evidence(True, by=lambda by: by + 1), "evidence", "not there"),
    "fewer inputs": (
        lambda: change_evidence(True, row=lambda r: r[1:], by=lambda b: b[1:], x_adv=lambda x: x[1:]),
        "evidence",
        "inputs, recorded",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_was_changed_is_found(folder, verify, lie):
    change, what, told = LIES[lie]
    change()

    status, out, err = verify(place(), MODEL)
    assert (status, err) == (1, "")
    wrong = next(line for line in out.splitlines() if " WRONG " in line)
    assert wrong.split()[0] == what
    assert told in wrong
    assert out.endswith("\nNOT verified\n")


def repacked(correct=None, adversarial=None, rounded=None):
    """File the row with other outcomes, all counts and hashes made to fit."""
    record, content = Record.from_json(place().read_text()), place().with_suffix(".npz").read_bytes()
    evidence = Evidence.from_bytes(content)
    (attack,) = record.attacks
    attack = replace(attack, adversarial=attack.adversarial if adversarial is None else adversarial)
    attack = replace(attack, rounded=attack.rounded & attack.adversarial if rounded is None else rounded)
    kept = attack.adversarial[evidence.row]
    evidence = replace(evidence, x_adv=evidence.x_adv[kept], row=evidence.row[kept], by=evidence.by[kept])
    content = evidence.to_bytes()
    record.provenance.pop("classes")
    record = replace(
        record,
        correct=record.correct if correct is None else correct,
        attacks=(attack,),
        provenance={**record.provenance, "inputs": len(evidence.row)},
        evidence=hashlib.sha256(content).hexdigest(),
    )
    place().with_suffix(".npz").write_bytes(content)
    place().write_text(record.to_json())


def wrongs(out):
    return [line.split()[0] for line in out.splitlines() if " WRONG " in line]


def test_a_clean_accuracy_that_the_model_does_not_have_is_found(folder, verify):
    record = Record.from_json(place().read_text())
    repacked(correct=np.ones_like(record.correct))

    status, out, _ = verify(place(), MODEL)
    assert (status, wrongs(out)) == (1, ["clean"])
    assert "samples are not answered as recorded" in out


def scored(clean, worst):
    """File the row with scores by its criterion, without an attack and under it."""
    record = Record.from_json(place().read_text())
    (attack,) = record.attacks
    score, worst = (np.asarray(each, np.float32) for each in (clean(record), worst(record)))
    attack = replace(attack, columns={**attack.columns, "score": worst})
    place().write_text(replace(record, attacks=(attack,), columns={**record.columns, "score": score}).to_json())


@pytest.mark.parametrize(
    ("clean", "worst", "told"),
    [
        (lambda r: r.correct, lambda r: r.robust, ""),
        (lambda r: r.correct | True, lambda r: r.robust, "the mean is another"),
        (lambda r: r.correct, lambda r: r.correct, "the inputs here are worse than recorded under attack"),
        (lambda r: r.correct, lambda r: r.correct | True, "it is recorded as better under attack"),
    ],
)
def test_mean_scores_that_were_changed_are_found(folder, verify, clean, worst, told):
    scored(clean, worst)

    status, out, err = verify(place(), MODEL)

    assert (status, err, wrongs(out)) == (int(bool(told)), "", ["scores"] * bool(told))
    assert told in next(line for line in out.splitlines() if line.split()[:1] == ["scores"])


def test_queries_of_a_first_success_beyond_all_that_were_asked_are_found(folder, verify):
    record = Record.from_json(place().read_text())
    (attack,) = record.attacks
    for asked, status in ((40, 0), (39, 1)):
        queries = np.where(attack.adversarial, 40, np.where(record.correct, np.inf, 0)).astype(np.float32)
        changed = replace(attack, asked=asked, columns={**attack.columns, "queries": queries})
        place().write_text(replace(record, attacks=(changed,)).to_json())

        code, out, _ = verify(place(), MODEL)

        assert code == status
        assert ("samples with more queries than any was asked" in out) == bool(status)


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("square:steps=40", 42, ""),
        ("square:steps=40", 43, "43 queries of a sample, and square:steps=40 makes at most 42 under linf:0.15"),
        ("square:restarts=2:steps=40", 83, ""),
        ("square:restarts=2:steps=40", 84, "makes at most 83 under"),
        ("square:eot=2:steps=40", 43, ""),  # asks twice a step
        ("pgd:steps=40", 43, ""),  # as a later version may count them
    ],
)
def test_more_queries_than_the_steps_of_an_attack_make_are_found(folder, verify, name, asked, told):
    record = Record.from_json(place().read_text())
    (attack,) = record.attacks
    queries = np.where(attack.adversarial, 40, np.where(record.correct, np.inf, 0)).astype(np.float32)
    changed = replace(attack, name=name, asked=asked, columns={**attack.columns, "queries": queries})
    found = find_wrong_queries(changed, record.threat)

    assert told in found
    assert bool(told) == bool(found)


@pytest.mark.parametrize(
    ("draws", "clean", "attacked", "told"),
    [
        ("mean:2", lambda r: ~r.correct, lambda a: a.adversarial, ""),
        ("", lambda r: ~r.correct, lambda a: a.adversarial & False, "undecided, and the answers are not random"),
        ("", lambda r: r.correct & False, lambda a: a.adversarial, "undecided, and the answers are not random"),
        ("mean:2", lambda r: r.correct, lambda a: a.adversarial, "undecided that do not count as wrong"),
        ("mean:2", lambda r: ~r.correct, lambda a: ~a.adversarial, "undecided that do not count as wrong"),
    ],
)
def test_undecided_samples_that_cannot_be_are_found(folder, draws, clean, attacked, told):
    record = Record.from_json(place().read_text())
    (attack,) = record.attacks
    marked = replace(attack, columns={**attack.columns, "undecided": attacked(attack)})
    columns = {**record.columns, "undecided": clean(record)}
    text = replace(record, draws=draws, columns=columns, attacks=(marked,)).to_json()

    if not told:
        assert sum(Record.from_json(text).undecided) == (~record.robust).sum()
        return
    with pytest.raises(ValueError, match=rf"^its parts do not agree: samples are {told}$"):
        Record.from_json(text)


def test_rounded_outcomes_that_are_not_so_are_found(folder, verify):
    (attack,) = Record.from_json(place().read_text()).attacks
    assert (attack.rounded != attack.adversarial).any()
    repacked(rounded=attack.adversarial)

    status, out, _ = verify(place(), MODEL)
    assert (status, wrongs(out)) == (1, ["rounded"])


def test_what_was_left_out_with_all_that_told_of_it_cannot_be_found(folder, verify):
    """A row that hides adversarial samples and their inputs looks like a row of a weak attack."""
    (attack,) = Record.from_json(place().read_text()).attacks
    fewer = attack.adversarial & (np.cumsum(attack.adversarial) > 10)
    repacked(adversarial=fewer)

    assert verify(place(), MODEL)[0] == 0


def test_another_models_weights_are_found(folder, verify):
    status, out, _ = verify("net", "--model=net.py:make('other.safetensors')")

    assert status == 1
    assert wrongs(out) == ["model"]


def test_weights_beside_the_row_are_found_by_the_key_on_their_card(folder, verify):
    change_json(lambda content: content["provenance"].update(training={"key": "k1"}))
    Path("leaderboard/weights").mkdir()
    for name, key in (("a", "k0"), ("b", "k1")):
        Path(f"leaderboard/weights/{name}.json").write_text(json.dumps({"key": key}))
    Path("leaderboard/weights/c.json").write_text("[]")
    shutil.copy("other.safetensors", "leaderboard/weights/a.safetensors")
    shutil.copy("weights.safetensors", "leaderboard/weights/b.safetensors")

    assert "a row does not choose what code is run" in verify("net")[2]
    assert verify("net", "--arch=net.py:make")[0] == 0
    shutil.copy("other.safetensors", "leaderboard/weights/b.safetensors")
    assert verify("net", "--arch=net.py:make")[0] == 1


def test_a_row_chooses_no_data(folder, verify):
    change_json(lambda content: (content["data"].update(name="ours"), content["identity"].update(data="ours")))
    told = "unknown data set 'ours'. Known: "
    status, _, err = verify(place(), MODEL)

    assert status == 4
    assert told in err
    assert "a row does not choose what is read; name its data yourself: --data=data.py:load" in err


def test_a_row_chooses_no_code(folder, verify, tmp_path):
    change_json(lambda c: c["provenance"].update(model={"text": "os:mkdir('harm')", "arch": None}))

    assert verify("net")[0] == 4
    assert not Path("harm").exists()


def test_an_older_record_without_the_newer_fields_is_verified_too(folder, verify):
    def strip(content):
        content["provenance"] = {}
        del content["rounded"], content["attacks"][0]["rounded"], content["attacks"][0]["columns"]["rounded"]

    change_json(strip)
    status, out, _ = verify("net", MODEL)

    assert status == 0
    assert " rounded " not in out


@pytest.mark.parametrize("row", sorted((ROOT / "leaderboard" / "results").rglob("*.json")), ids=lambda p: p.stem)
def test_the_published_rows_are_verified(verify, monkeypatch, row):
    record = Record.from_json(row.read_text())
    architectures = {"fashion-mnist": "examples/fashion_mnist.py:make", "digits": "examples/digits.py:make"}
    try:
        DATA.get(record.data.name).read("test")
    except NotHereError as error:
        pytest.skip(str(error))
    monkeypatch.chdir(ROOT)

    status, out, err = verify(str(row), f"--arch={architectures[record.data.name]}")
    told = [line for line in err.splitlines() if not line.startswith("bounds of ")]  # those of a busy machine
    assert (status, told) == (0, []), out


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda pictures: pictures, "images    sound"),
        (lambda pictures: replace(pictures, original=255 - pictures.original), "images    WRONG"),
        (lambda pictures: replace(pictures, original=pictures.original[:, :4]), "of shape [3, 8, 8, 1], expected"),
        (lambda pictures: replace(pictures, label=pictures.label + 1), "images of samples that are not adversarial"),
    ],
    ids=["as they are", "others", "other sizes", "other labels"],
)
def test_pictures_are_those_of_the_samples(folder, verify, change, line):
    file = place().with_suffix(".npz")
    evidence, samples = Evidence.from_bytes(file.read_bytes()), DATA.get("digits").load("test", 80)
    module, adversarial = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), np.isin(np.arange(80), evidence.row)
    attacked = samples.take(evidence.row)
    candidates = Candidates(evidence.x_adv, attacked.x, attacked.y, "linf:0.15", (0.0, 1.0), 8)
    pictures = illustrate(module, candidates, adversarial, most=3)
    file.write_bytes(replace(evidence, gallery=change(pictures)).to_bytes())
    change_json(lambda content: content.update(evidence=hashlib.sha256(file.read_bytes()).hexdigest()))
    status, out, _ = verify("net-as-is", MODEL)

    assert status == int(not line.endswith("sound"))
    assert line in out


@pytest.fixture
def certified(folder):
    """A function that files the row with a certificate, of its linear model by intervals, which are exact for it."""

    def add_row(change=lambda certificate: certificate):
        net = runpy.run_path("net.py")["make"]()
        record, evidence = measured(net, "linf:0.03")
        samples = DATA.get("digits").load("test", 80)
        certifier = Certifier.of(net, torch.from_numpy(samples.x[:1]), read_threat("linf:0.03"))
        proof = change(certify(certifier, samples, record.correct, "ibp"))
        add(Path("certified"), replace(record, certificate=proof), evidence)
        return record, proof

    return add_row


def test_the_bounds_of_certified_samples_are_computed_again(certified, verify):
    record, proof = certified()
    status, out, _ = verify("net", "--leaderboard=certified", MODEL)
    k, left = int(proof.certified.sum()), int((record.robust & ~proof.certified).sum())

    assert status == 0
    assert f"  bounds    sound  {k} of {k} samples are certified again, by ibp or cheaper\n" in out
    assert f", the bounds at least {100 * k / 80:.2f} %\n" in out
    assert f"the {left} open samples" in out or not left


def test_samples_that_are_not_certified_are_found(certified, verify):
    def claim(proof):
        margin = np.where(proof.margin > 0, proof.margin, np.float32(1))
        return replace(proof, certified=margin > 0, margin=margin, by={"ibp": 80})

    record, _ = certified(claim)
    status, out, _ = verify("net", "--leaderboard=certified", MODEL)
    lost = int((~record.robust).sum())

    assert status == 1
    line = next(line for line in out.splitlines() if line.startswith("  bounds    WRONG"))
    assert re.search(rf"; \d+ are not; {lost} are certified and broken, of which one is wrong$", line)


def test_a_margin_that_rounding_decides_is_no_fault(certified):
    record, proof = certified()
    net, samples = runpy.run_path("net.py")["make"](), DATA.get("digits").load("test", 80)
    broken = np.flatnonzero(record.correct & ~proof.certified)[:1]
    margin = proof.margin.copy()
    margin[broken] = 1e-9
    claimed = replace(proof, certified=margin > 0, margin=margin)

    again, near = certify_again(net, samples, read_threat("linf:0.03"), claimed)
    assert (again.sum(), near.sum()) == (proof.certified.sum(), 1)


def test_a_method_that_there_is_not_is_one_line(certified, verify):
    certified(lambda proof: replace(proof, method="magic"))

    assert (
        "  bounds    WRONG  cannot be computed again: the method 'magic' is none of ibp, crown, alpha-crown\n"
        in verify("net", "--leaderboard=certified", MODEL)[1]
    )
