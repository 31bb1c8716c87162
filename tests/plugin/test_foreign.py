"""Models of other libraries, ensembles, normalisation, and what only answers, through the plugin."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.models.forms import save_vit
from tests.models.serving import serving
from tests.plugin.test_main_job import MODEL, records

BLACK = """
import numpy as np
from pathlib import Path
from safetensors.numpy import load_file

class Estimator:
    def __init__(self):
        self.weights = load_file(Path(__file__).with_name("weights.safetensors"))

    def predict_proba(self, x):
        z = x @ self.weights["1.weight"].T + self.weights["1.bias"]
        p = np.exp(z - z.max(1, keepdims=True))
        return p / p.sum(1, keepdims=True)

def make():
    return Estimator()

def labels():
    return lambda x: Estimator().predict_proba(x.reshape(len(x), -1)).argmax(1)

def breaks():
    return lambda x: x.nosuch

def nothing():
    return object()
"""
ESTIMATOR = "--robust-model=blackbox:black.py:make"
QUICK = "--robust-attack=square:steps=40,noise:steps=5"


@pytest.fixture
def black(folder):
    (folder / "black.py").write_text(BLACK)
    return folder


def only_record(folder):
    (record,) = records(folder / "leaderboard").values()
    return record


def test_a_run_with_what_only_answers_attacks_without_gradients(node_ids, black):
    found = node_ids(ESTIMATOR, MODEL)

    attacks = {word.partition("[")[2].split("-")[-3] for word in found if "attack" in word}
    assert attacks == {"square", "noise"}


def test_an_estimator_has_a_row_like_any_model(run, black):
    run(ESTIMATOR, QUICK, "--robust-samples=60", fast=False).assert_outcomes(passed=3)
    answered = only_record(black)
    run(MODEL, QUICK, "--robust-samples=60", "--robust-leaderboard=other", fast=False).assert_outcomes(passed=3)
    (whole,) = records(black / "other").values()

    assert answered.model.params == 0
    assert answered.robust.sum() < answered.correct.sum()
    # The same function, asked through numpy: the attacks find the same, but for a rounding here or there.
    assert (answered.robust != whole.robust).sum() <= 1
    assert answered.model.weights != whole.model.weights


def test_what_only_answers_is_not_blamed_for_it(run, black):
    """Its probabilities are no mistake, and what a longer search breaks is no sign of masked gradients."""
    weak = "--robust-attack=noise:steps=1"
    result = run(ESTIMATOR, weak, "--robust-samples=60", fast=False, checked=True)

    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("*mitigation*")
    trust = only_record(black).trust
    assert {"probabilities", "log-probabilities", "saturated", "no-gradient"} <= {*trust.skipped}
    assert {doubt.grade for doubt in trust.findings} == {"suspect"}


def test_labels_alone_are_told(run, black):
    result = run("--robust-model=blackbox:black.py:labels", QUICK, "--robust-samples=30", fast=False)

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["loaded blackbox:black.py:labels: it answers with labels alone*loose upper bounds"])
    assert "labels alone" in only_record(black).provenance["notes"][0]


WRONG = {
    "attack": (
        [ESTIMATOR, "--robust-attack=pgd"],
        "--robust-attack=pgd: pgd needs a gradient, and blackbox:black.py:make only answers; take square or noise, "
        "or a surrogate, as pgd:surrogate=net.py:make",
    ),
    "suite": ([ESTIMATOR, "--robust-suite=quick-1"], "--robust-suite=quick-1: *needs a gradient, and blackbox:*"),
    "training": ([ESTIMATOR, "--robust-train=standard"], "*:make: has no architecture that could be trained"),
    "without the word": (
        ["--robust-model=black.py:make"],
        "*black.py:make returned Estimator, expected torch.nn.Module; a model that only answers is written "
        "blackbox:black.py:make",
    ),
    "a module": (["--robust-model=blackbox:net.py:make"], "*a torch module has a gradient; name it without blackbox:"),
    "no predict": (["--robust-model=blackbox:black.py:nothing"], "*a object has no predict_proba and no predict*"),
    "fails": (
        ["--robust-model=blackbox:black.py:breaks"],
        "*asking for its answers failed: AttributeError: *(black.py, line *)",
    ),
    "no factory": (["--robust-model=blackbox:weights.pt"], "*name the function that makes what answers, as blackbox:*"),
    "no endpoint": (["--robust-model=http://127.0.0.1:9/#retries=0"], "*http://127.0.0.1:9/#retries=0: no answer: *"),
    "endpoint's option": (["--robust-model=http://a.example/#rat=1"], "*has no option 'rat', did you mean 'rate'*"),
    "ensemble of one": (["--robust-model=ensemble:weights.pt"], "*an ensemble is of two models or more, as *"),
    "ensemble's member": (["--robust-model=ensemble:net.py:make,net.py:mke"], "*net.py:mke: net.py has no 'mke'*"),
    "ensemble to be trained": (
        ["--robust-model=ensemble:net.py:make,net.py:bare", "--robust-train=standard"],
        "*has no architecture that could be trained",
    ),
    "normalisation": ([MODEL, "--robust-normalize=0.5/0"], "--robust-normalize=0.5/0: *deviations above 0*"),
    "channels": ([MODEL, "--robust-normalize=imagenet"], "*--robust-normalize is for 3 channels, and they have 1*"),
    "timm": (["--robust-model=timm:resnet81"], "*timm has no classifier 'resnet81', did you mean 'resnet*"),
    "folder": (["--robust-model=hf"], "*hf: *code of its own (config.json, auto_map), which is not run*"),
    "no onnx": (["--robust-model=broken.onnx"], "*broken.onnx: *"),
}


@pytest.mark.parametrize(("args", "told"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_line(pytester, black, args, told):
    (black / "hf").mkdir()
    (black / "hf" / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Evil"}}')
    (black / "hf" / "evil.py").write_text("from pathlib import Path\nPath('marker').touch()")
    (black / "broken.onnx").write_bytes(b"\x08\x09\x12\x07pytorch" + bytes(40))

    result = pytester.runpytest_inprocess("--robust-samples=20", *args)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len([line for line in result.errlines if line]) == 1
    result.stderr.fnmatch_lines([f"ERROR: {told}"])
    assert not (black / "marker").exists()
    assert not (black / "leaderboard").exists()


def test_a_surrogate_lends_its_gradient(run, black):
    run(ESTIMATOR, "--robust-attack=pgd:steps=5:surrogate=net.py:make", "--robust-samples=40", fast=False)

    record = only_record(black)
    assert record.attacks[0].adversarial.any()


def test_an_endpoint_is_tested_by_a_name_of_its_own(run, folder, node_ids):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    net.load_state_dict(load_file(folder / "weights.safetensors"))

    def predict(x):
        with torch.no_grad():
            return {"probabilities": net(torch.from_numpy(x)).softmax(1).tolist()}

    with serving(predict) as server:
        model = f"--robust-model={server.url}#batch=500&budget=9000"
        name = server.url.removeprefix("http://").replace(":", "_").replace("/", "_")
        run(model, QUICK, "--robust-samples=40", f"http:{name}", fast=False).assert_outcomes(passed=3)
        spent = run(model.replace("9000", "300"), QUICK, "--robust-samples=40", fast=False)

    assert only_record(folder).model.name == name
    assert only_record(folder).robust.sum() < only_record(folder).correct.sum()
    spent.assert_outcomes(passed=1, failed=2)
    spent.stdout.fnmatch_lines(["*square:steps=40 under linf:0.15 could not be run: * of its budget of 300 are spent*"])
    assert node_ids(model)[0] == f"http:{name}::test_clean"


def test_an_ensemble_is_one_model(run, folder):
    weights = load_file(folder / "weights.safetensors")
    save_file({name: tensor / 2 for name, tensor in weights.items()}, folder / "half.safetensors")
    words = ("--robust-model=ensemble:weights.safetensors,half.safetensors", "--robust-arch=net.py:bare")

    result = run(*words, "ensemble:weights+half::test_attack")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["loaded ensemble:*: the answers are the mean probabilities of 2 models"])
    record = only_record(folder)
    assert (record.model.name, record.model.params) == ("weights+half", 1300)
    assert record.robust.sum() < record.correct.sum()


def test_normalisation_is_trained_with_told_and_part_of_what_is_measured(run, folder):
    train = ("--robust-model=zoo:mlp(width=8, depth=1)", "--robust-train=standard:epochs=1")
    for normalize in ("--robust-normalize=0.3/0.4", "--robust-normalize=none"):
        run(*train, normalize).assert_outcomes(passed=3)

    files = [*(folder / ".robust" / "models").glob("*.safetensors")]
    assert len(files) == 2  # trained anew, not taken from the other
    assert all({*load_file(file)} == {*load_file(files[0])} for file in files)
    found = records(folder / "leaderboard").values()
    told = {record.provenance["notes"][0] if record.provenance["notes"] else "" for record in found}
    assert told == {"", "inputs are normalised by mean/deviation 0.3/0.4"}
    assert len({record.model.weights for record in found}) == 2


def test_a_folder_of_transformers_is_tested_under_its_name(run, folder, node_ids):
    save_vit(folder / "models" / "vit", 1, 10, [0.5], [0.25])

    assert node_ids("--robust-model=models/vit")[0] == "models/vit::test_clean"
    result = run("--robust-model=models/vit", "models/vit::test_attack")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["loaded models/vit: inputs are normalised by mean/deviation 0.5/0.25"])
    other = run("--robust-model=models/vit", "--robust-normalize=none", "--robust-leaderboard=none")
    other.stdout.no_fnmatch_line("loaded models/vit*")
