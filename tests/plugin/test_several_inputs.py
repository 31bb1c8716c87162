"""Several inputs through the plugin: a linear model, whose figure is known, from the data to the row; and mistakes."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from robust.cli import main
from robust.distributed.ranks import ALONE
from robust.session.resources import make_resources
from robust.session.startup import check_settings
from robust.settings.parsing import raise_usage_errors
from tests.plugin.conftest import UNCHECKED
from tests.plugin.test_errors import NoHook
from tests.plugin.test_main_job import records
from tests.settings.making import read

SOURCE = """
import numpy as np
import torch
from torch import nn

W = np.round(np.random.default_rng(7).normal(size=(4, 25)), 2).astype("float32")
V = np.round(np.random.default_rng(8).normal(size=(4, 3)), 2).astype("float32")

def draw(split):
    rng = np.random.default_rng(split == "test")
    n = 80
    image = (0.25 + 0.5 * rng.random((n, 1, 5, 5))).astype("float32")
    meta = (4 * rng.random((n, 3)) - 2).astype("float32")
    ids = rng.integers(0, 4, (n,))
    y = (image.reshape(n, -1) @ W.T + meta @ V.T + 2 * (np.arange(4) == ids[:, None])).argmax(1)
    return image, meta, ids, y

def load(split):
    image, meta, ids, y = draw(split)
    return {"image": image, "meta": meta, "ids": ids}, y

def placed(split):
    return draw(split)

def one(split):
    image, *_, y = draw(split)
    return image, y

def uneven(split):
    image, meta, ids, y = draw(split)
    return {"image": image, "meta": meta[:70], "ids": ids}, y

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(25, 4, bias=False), nn.Linear(3, 4, bias=False), nn.Embedding(4, 4)
        with torch.no_grad():
            self.a.weight.copy_(torch.tensor(W))
            self.b.weight.copy_(torch.tensor(V))
            self.c.weight.copy_(2 * torch.eye(4))

    def forward(self, image, meta, ids):
        return self.a(image.flatten(1)) + self.b(meta) + self.c(ids)

class Two(Net):
    def forward(self, image, meta):
        return self.a(image.flatten(1)) + self.b(meta)

def make(): return Net()
def two(): return Two()
"""
pytestmark = pytest.mark.usefixtures("exporting")
BOTH = "image=linf:0.03;meta=l2:0.2"
DATA = "parts.py:load:meta.lo=-3:meta.hi=3"


@pytest.fixture
def several(pytester, monkeypatch):
    """A folder with data and models of several inputs, and a run of them."""
    (pytester.path / "parts.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*args, model="parts.py:make", data=DATA, threat=BOTH):
        options = [f"--robust-data={data}", f"--robust-threat={threat}", f"--robust-model={model}", "--robust-only"]
        return pytester.runpytest_inprocess(*options, *args)

    run.folder = pytester.path
    return run


def exact(image, meta):
    """Return which samples of the linear model are robust: by the dual norm of each pair's difference, part by part."""
    space = {}
    exec(SOURCE, space)
    x, m, ids, y = space["draw"]("test")
    logits = x.reshape(80, -1) @ space["W"].T + m @ space["V"].T + 2 * (np.arange(4) == ids[:, None])
    lead = logits[np.arange(80), y][:, None] - logits
    room = image * np.abs(space["W"][y][:, None] - space["W"]).sum(2)
    room = room + meta * np.linalg.norm(space["V"][y][:, None] - space["V"], axis=2)
    lead[np.arange(80), y] = np.inf
    assert np.abs(lead - room).min() > 1e-5
    return (lead > room).all(1)


def test_several_inputs_go_from_a_function_to_a_row_that_can_be_verified(several, monkeypatch, capsys):
    floor = f"--robust-fail-under={BOTH}:20"
    result = several("--robust-suite=quick-1", floor)
    result.assert_outcomes(passed=4)
    (record,) = records(several.folder / "leaderboard").values()

    assert record.threat == BOTH
    assert np.array_equal(record.robust, exact(0.03, 0.2))
    assert {part.feature for part in record.moved} == {"image", "meta"}
    assert record.moved[0].largest == pytest.approx(1, abs=1e-4)
    assert [part["name"] for part in record.provenance["layout"]["parts"]] == ["image", "meta", "ids"]
    result.stdout.fnmatch_lines(["*which parts its adversarial inputs moved*", "part * moved alone"])
    for name in ("README.md", "index.html"):
        assert "which parts its adversarial inputs moved" in (several.folder / "leaderboard" / name).read_text()
    page = (several.folder / "leaderboard" / "index.html").read_text()
    assert "<tr><th>meta 0<td>" in page  # beside the images
    monkeypatch.chdir(several.folder)
    words = ["parts", f"--data={DATA}"]
    assert main(["verify", *words, "--model=parts.py:make"]) == 0
    assert main(["show", *words, "--out=shown"]) == 0
    with np.load("shown/inputs.npz") as shown:
        assert shown["adversarial_image"].shape[1:] == (1, 5, 5)
        assert shown["adversarial_ids"].dtype == np.int64
        assert np.array_equal(shown["adversarial_ids"], shown["clean_ids"])
    assert {path.name for path in several.folder.joinpath("shown").iterdir()} > {"clean", "adversarial", "difference"}


@pytest.mark.parametrize(
    ("threat", "image", "meta"),
    [("0=linf:0.03", 0.03, 0.0), ("1=l2:0.2", 0.0, 0.2), ("0=linf:0.03;1=l2:0.2", 0.03, 0.2)],
)
def test_by_position_each_part_alone_and_both_are_exact(several, threat, image, meta):
    several(
        "--robust-attack=pgd:loss=margin:targets=3",
        "--robust-gallery=0",
        "-k",
        "attack",
        data="parts.py:placed:1.lo=-3:1.hi=3",
        threat=threat,
    ).assert_outcomes(passed=1)
    (record,) = records(several.folder / "leaderboard").values()
    assert np.array_equal(record.robust, exact(image, meta))


SEQUENCE = """
import numpy as np
import torch
from torch import nn

W = np.round(np.random.default_rng(3).normal(size=(3, 2)), 2).astype("float32")

def load(split):
    rng = np.random.default_rng(split == "test")
    wave = (0.2 + 0.6 * rng.random((40, 6, 2))).astype("float32")
    lengths = rng.integers(2, 7, 40)
    mask = np.arange(6) < lengths[:, None]
    mean = (wave * mask[..., None]).sum(1) / lengths[:, None]
    return {"wave": wave, "lengths": lengths, "mask": mask}, (mean @ W.T).argmax(1)

class Mean(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(2, 3, bias=False)
        with torch.no_grad():
            self.out.weight.copy_(torch.tensor(W))

    def forward(self, wave, mask, lengths):
        assert mask.dtype == torch.bool and lengths.dtype == torch.int64
        assert torch.equal(mask.sum(1), lengths)
        return self.out((wave * mask[..., None]).sum(1) / lengths[:, None])

def make(): return Mean()
"""


def test_a_sequence_beside_its_lengths_and_its_mask(several):
    (several.folder / "waves.py").write_text(SEQUENCE)
    result = several(
        "--robust-attack=pgd:loss=margin:targets=2",
        "--robust-gallery=0",
        model="waves.py:make",
        data="waves.py:load",
        threat="wave=linf:0.1",
    )
    result.assert_outcomes(passed=4)
    (record,) = records(several.folder / "leaderboard").values()
    assert record.verdict == "trusted", record.trust.findings
    space = {}
    exec(SEQUENCE, space)
    parts, y = space["load"]("test")
    mean = (parts["wave"] * parts["mask"][..., None]).sum(1) / parts["lengths"][:, None]
    logits, w = mean @ space["W"].T, space["W"]
    lead, room = logits[np.arange(40), y][:, None] - logits, 0.1 * np.abs(w[y][:, None] - w).sum(2)
    lead[np.arange(40), y] = np.inf
    assert np.array_equal(record.robust, (lead > room).all(1))


def test_its_certificate_is_exact_where_the_graph_is_affine(several):
    (several.folder / "both.py").write_text(
        SOURCE + "\ndef load(split):\n    i, m, _, y = draw(split)\n    return {'image': i, 'meta': m}, y\n"
    )
    result = several(
        "--robust-attack=pgd:loss=margin:targets=3",
        "--robust-certify=crown",
        "--robust-gallery=0",
        UNCHECKED,
        model="both.py:two",
        data="both.py:load:meta.lo=-3:meta.hi=3",
    )
    result.assert_outcomes(passed=3)
    (record,) = records(several.folder / "leaderboard").values()
    assert record.robust.any()
    assert np.array_equal(record.certificate.certified, record.robust)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_scripted_model_takes_its_inputs_by_name(several):
    space = {}
    exec(SOURCE, space)
    parts = {"image": torch.rand(2, 1, 5, 5), "meta": torch.rand(2, 3), "ids": torch.zeros(2, dtype=torch.int64)}
    torch.jit.trace(space["Net"](), example_kwarg_inputs=parts).save(several.folder / "net.pt")
    resources = check(several.folder, "model=net.pt", "run-code=net.pt")
    (variant,) = resources.settings.everything
    rows = torch.from_numpy(resources.data.samples.x)
    made = space["Net"]()(**resources.data.samples.layout.unpack(rows))
    assert torch.allclose(resources.models.load(variant).module(rows), made, atol=1e-6)


def test_values_of_several_inputs_are_learnt_in_the_units_of_the_labels(several):
    text = (
        SOURCE
        + "\ndef values(split):\n    i, m, *_ = draw(split)\n    return {'image': i, 'meta': m}, 50 + 9 * m[:, 0]\n"
    )
    (several.folder / "values.py").write_text(text)
    result = several(
        "--robust-attack=pgd",
        "--robust-criterion=within:9",
        "--robust-train=standard:epochs=20",
        UNCHECKED,
        model="zoo:fusion(width=8)",
        data="values.py:values:meta.lo=-3:meta.hi=3",
        threat="meta=linf:0.3",
    )
    result.assert_outcomes(passed=2)
    (record,) = records(several.folder / "leaderboard").values()
    assert record.counts[0] > 40


@pytest.mark.slow  # two runs more
def test_a_row_is_the_same_on_several_processes_and_against_its_baseline(several):
    several("--robust-attack=pgd,fgsm", "--robust-save=before.json").assert_outcomes(passed=5)
    (record,) = records(several.folder / "leaderboard").values()
    other = several("--robust-attack=pgd,fgsm", "-n2", "--robust-leaderboard=other", "--robust-compare=latest")
    (again,) = records(several.folder / "other").values()
    assert again.same_outcomes(record)
    assert again.moved == record.moved
    assert other.ret == 0


def check(folder, *typed):
    """Try everything, as a run does before its first test; no hook is implemented."""
    config = SimpleNamespace(hook=SimpleNamespace(pytest_robust_load_model=NoHook()))
    given = {text.partition("=")[0] for text in typed}
    rest = {"model": "parts.py:make", "data": DATA, "threat": BOTH, "samples": "60"}
    with raise_usage_errors():
        settings = read(folder, *(f"{key}={value}" for key, value in rest.items() if key not in given), *typed)
    resources = make_resources(config, settings, None, ALONE)
    check_settings(resources)
    return resources


WRONG = {
    "a part that is not there": (
        ["threat=imag=linf:0.1"],
        "unknown part 'imag', did you mean 'image'? Known: ids, image, meta",
    ),
    "a threat for whole numbers": (
        ["threat=ids=linf:1"],
        "the part ids is of whole numbers (int64), which no ball is for; leave it out",
    ),
    "a threat of one input": (
        ["threat=linf:0.1"],
        "there are several inputs (image [1, 5, 5] float32, meta [3] float32, ids [] int64)",
    ),
    "parts of one input": (
        ["threat=image=linf:0.1", "data=parts.py:one"],
        "names parts of several inputs, and there is one",
    ),
    "different n": (
        ["data=parts.py:uneven"],
        "the part meta has 70 samples and image has 80; expected as many of each",
    ),
    "values beyond the bounds": (["data=parts.py:load"], "the part meta of parts goes from -1.9"),
    "bounds of no part": (["data=parts.py:load:mta.lo=-3"], "unknown part 'mta', did you mean 'meta'?"),
    "eps wider than the part": (
        ["threat=image=linf:8"],
        "image: linf:8 is wider than the inputs' range [0, 1]; did you mean linf:8/255?",
    ),
    "a table of a part": (["threat=meta=features:x.toml"], "a part's threat is a ball, of linf, l2, l1"),
    "a part without a ball": (["threat=image=linf:0.1;meta"], "'meta' names no part and its ball"),
    "a part twice": (["threat=image=linf:0.1;image=l2:1"], "gives image twice"),
    "a model of other names": (["model=parts.py:two"], "forward() got an unexpected keyword argument 'ids'"),
    "an architecture of one input": (["model=zoo:mlp"], "zoo:mlp is for one input, and the data have several"),
    "an architecture of several": (
        ["model=zoo:fusion", "data=parts.py:one", "threat=linf:0.1"],
        "zoo:fusion: is for several inputs",
    ),
    "an attack of one input": (
        ["attack=square"],
        "square is for linf, l2, l1, the threat is product; use search or noise",
    ),
    "an attack of several": (
        ["attack=search", "data=parts.py:one", "threat=linf:0.1"],
        "search is for product, the threat is linf",
    ),
    "a suite of one input": (["suite=mine.toml"], f"is for product, and the threat model is {BOTH}"),
    "a curve": (["curve=auto"], "a curve is of linf, l2, l1, and the threat model is image=linf:0.03;meta=l2:0.2"),
    "a normalisation": (
        ["normalize=0.5/0.5"],
        "--robust-normalize is for one input; of several, let the model normalise each itself",
    ),
    "a certificate of l1": (["certify=crown", "threat=meta=l1:0.1"], "no bounds are known for meta=l1:0.1"),
    "a certificate of ids": (["certify=crown"], "no bounds are known for values of torch.int64"),
    "a recipe of one input": (["train=free"], "it is not for the threat model image=linf:0.03;meta=l2:0.2; take "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line(name, several):
    (several.folder / "mine.toml").write_text('[[stages]]\nattack = "pgd"\n')
    (wrong, *others), message = WRONG[name]
    with pytest.raises(pytest.UsageError) as caught:
        check(several.folder, wrong, *others)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_right_passes_and_the_module_takes_rows_and_parts(several):
    resources = check(several.folder, f"fail-under={BOTH}:40", f"fail-under=pgd@{BOTH}:40")
    (variant,) = resources.settings.everything
    module, samples = resources.models.load(variant).module, resources.data.samples
    rows = torch.from_numpy(samples.x)
    assert torch.equal(module(rows), module(**samples.layout.unpack(rows)))  # a test of the user's may call it so
