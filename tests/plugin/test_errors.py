"""Mistakes in a model or its data are reported before the first test, in one line that begins with the option.

Mistakes in an option's value alone are in tests/settings/test_mistakes.py.
"""

import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from robust.distributed.ranks import ALONE
from robust.models.compressed import CARD
from robust.session.resources import make_resources
from robust.session.startup import check_settings
from tests.settings.making import read

NET, WEIGHTS, LINF = "model=net.py:make", "model=weights.pt", "threat=linf:0.1"
BARE, GOOD = "arch=net.py:bare", "data=npz:good.npz"

# By name: what is typed, the first of it being at fault, and the word of the message that says why.
WRONG = {
    "missing name": (["model=net.py:mke"], "did you mean 'make'"),
    "not callable": (["model=net.py:NUMBER"], "is a int, expected a function or class"),
    "no module": (["model=net.py:words"], "returned dict, expected torch.nn.Module"),
    "nothing returned": (
        ["model=answers.py:nothing"],
        "returned NoneType, expected torch.nn.Module; end it with return",
    ),
    "more than the module": (["model=answers.py:pair"], "expected torch.nn.Module; return the module alone"),
    "an answer that is no tensor": (["model=answers.py:Arrays"], "no tensor; return logits, a tensor of shape [n, 10]"),
    "a name of a nameless answer": (
        [NET, "output=logitz"],
        "one tensor, which has no name, as 'logitz'; --robust-output=logit, probability or log",
    ),
    "a packed folder to be trained": (["model=packed", "train=standard"], "train its float network, and compress that"),
    "classes for logits": (["model=answers.py:Classes"], "got shape [2]; these are classes: return the logits before"),
    "images without a channel": (["model=answers.py:Planes"], "without a channel axis; give it a model of three lines"),
    "needs arguments": (["model=net.py:needs"], "missing a required argument: 'width'; arguments are written as"),
    "arguments of another kind": (["model=net.py:needs(depth=2)"], "missing a required argument: 'width'"),
    "factory raises": (["model=net.py:breaks"], "RuntimeError: no such layer (net.py, line "),
    "a library that it calls raises": (["model=net.py:lacks"], "nosuch.safetensors (net.py, line "),
    "file does not run": (["model=broken.py:make"], "running broken.py failed: SyntaxError"),
    "file misses a module": (["model=lonely.py:make"], "'no_such_module' (lonely.py, line 1)"),
    "file wants arguments": (["model=program.py:make"], "required: --lr; put what only a program does"),
    "factory wants arguments": (["model=parses.py:make"], "required: --lr; put what only a program does"),
    "data function wants arguments": (["data=parses.py:make", LINF], "required: --lr; put what only a program does"),
    "part of a package": (["model=package/part.py:make"], "PACKAGE.part:FACTORY"),
    "weights alone": ([WEIGHTS], "(2 tensors, first 1.weight [10, 64])"),
    "weights do not fit": ([WEIGHTS, "arch=net.py:narrow"], "[10, 64] in the file, [10, 10] in the model"),
    "weights alone, to be trained": ([WEIGHTS, "train=standard"], "name the architecture with --robust-arch"),
    "unknown to torchvision": (["model=torchvision:resnet81"], "did you mean 'resnet18'"),
    "a function of torchvision": (
        ["model=torchvision.models:resnet18"],
        "; torchvision:resnet18 is made for the shape",
    ),
    "unknown architecture": ([WEIGHTS, "arch=torchvision:resnet81"], "did you mean 'resnet18'"),
    "architecture file missing": ([WEIGHTS, "arch=nope.py:make"], "--robust-arch=nope.py:make: no such file"),
    "another shape": (["model=zoo:lstm", "data=npz:flat.npz", LINF], "got inputs of [3]"),
    "another shape, to be trained": (
        ["model=zoo:vit", "data=npz:flat.npz", "train=standard", LINF],
        "got inputs of [3]",
    ),
    "option of the zoo": (["model=zoo:wideresnet-29-10"], "6k + 4, got 29"),
    "no option of the zoo": (["model=zoo:cnn(depth=3)"], "unexpected keyword argument 'depth'"),
    "full pickle": (["model=full.pt", BARE], "--robust-safe-globals=torch.nn.modules.linear.Linear"),
    "pickle with a payload": (["model=evil.pt", BARE], "needs io.open, which act on the machine"),
    "name that is not there": (["model=full.pt", "safe-globals=torch.nn.Linaer"], "AttributeError"),
    "no checkpoint": (["model=text.pt", BARE], "by its content"),
    "safetensors cut short": (["model=cut.safetensors", BARE], "is not a sound safetensors file"),
    "archive cut short": (["model=cut.pt", BARE], "is not a sound zip archive"),
    "member of an ensemble cut short": (["model=ensemble:weights.pt,cut.pt", BARE], "cut.pt: is not a sound"),
    "architecture without a factory": (
        [WEIGHTS, "arch=net.py:bear"],
        "--robust-arch=net.py:bear: net.py has no 'bear'",
    ),
    "data does not fit": (["model=net.py:narrow"], "is this the data that it was made for (--robust-data)?"),
    "wrong number of classes": (["model=net.py:two_classes"], "logits of shape [2, 10], got shape [2, 2]"),
    "inputs without a channel axis": (["model=conv.py:make", LINF, "data=npz:rows.npz"], "as [1, 8, 8]"),
    "numbers of another type and inputs of another width": (
        ["model=net.py:double"],
        "cannot be multiplied (2x64 and 10x10); is this the data",
    ),
    "parts on another device": (["model=net.py:astray"], "on cpu and meta"),
    "inputs outside the bounds": (["data=npz:wide.npz", LINF], "divide by 255"),
    "inputs without their labels": (["data=npz:short.npz", LINF], "80 inputs and 79 labels"),
    "inputs that are no numbers": (["data=npz:nan.npz", LINF], "nan to nan"),
    "labels out of range": (["data=npz:good.npz:classes=4", LINF], "labels from 0 to 9, expected 0 to 3"),
    "no data": (["data=npz:empty.npz", LINF], "has no test samples"),
    "too few lines of groups": (
        ["groups=few.csv:sex", GOOD, LINF],
        "few.csv has 1 rows below its header, and the test",
    ),
    "no such column of groups": (["groups=few.csv:sexe", GOOD, LINF], "few.csv has no column 'sexe', did you mean"),
    "groups by a column of images": (["groups=sex"], "digits has no columns with names; write FILE.csv:COLUMN"),
    "floor of classes of values": (
        ["fail-under=worst-class:40", "data=diabetes", "criterion=within:50", "model=net.py:one"],
        "a sample of diabetes is of no one class: it has values",
    ),
    "objects as data": (["data=npz:objects.npz", LINF], "holds Python objects"),
    "data function fails": (["data=net.py:breaks", LINF], "RuntimeError: no such layer (net.py, line "),
    "data function returns no data": (["data=net.py:words", LINF], "the mapping has a; expected an input"),
    "too many samples": (["samples=9999"], "digits has 599 test samples"),
    "absent device": (["device=cuda:99"], "CUDA devices"),
    "an attack for another norm": (["attack=rays:steps=20", "threat=l1:1"], "rays is for"),
    "a road of no compressed model": (["road=twin"], "it is for folders of robust compress, and no model of this run"),
    "an attack for another norm of a union": (["attack=square", "threat=linf:0.1+l1:3"], "square is for linf and l2"),
    "an attack for another norm, by a surrogate": (
        ["attack=cw:restarts=2:surrogate=net.py:bare", LINF],
        "cw is for l2, the threat is linf; use fmn",
    ),
    "a torchattack for another norm": (["attack=torchattacks:PGD", "threat=l2:1"], "PGD is an attack for linf, the"),
    "no weights of a surrogate": (["attack=pgd:surrogate=none.pt"], "no such file"),
    "no factory of a surrogate": (["attack=pgd:surrogate=net.py:mke"], "did you mean 'make'"),
    "surrogate for other data": (["attack=pgd:surrogate=net.py:narrow"], "does not take digits"),
    "surrogate without architecture": (["attack=pgd:surrogate=weights.pt"], "holds weights only"),
    "option of a torchattack": (["attack=torchattacks:PGD:step=3"], "did you mean 'steps'"),
    "unknown torchattack": (["attack=torchattacks:PDG"], "did you mean 'PGD'"),
    "eps in grey levels": (["threat=linf:8"], "did you mean linf:8/255?"),
    "operator without bounds": (
        ["certify=ibp", "model=odd.py:Sorts"],
        "odd.py:Sorts cannot be certified: the model's own forward (aten::sort); --robust-certify=none leaves it out",
    ),
    "control flow on data": (["certify=ibp", "model=odd.py:Branches"], "its control flow depends on the data"),
    "random answers": (["certify=ibp", "model=odd.py:Draws"], "(aten::randn_like)"),
    "answers that change": (["certify=ibp", "model=odd.py:Counts"], "answers are random, or keep a state"),
    "recipe option": (["train=trades:gamma=6"], "no option 'gamma'"),
    "recipe value": (["train=trades:epochs=0"], "epochs must be above 0, got 0"),
    "values without a criterion": (
        ["criterion", "model=net.py:one", "data=npz:values.npz", LINF],
        "half by at most",
    ),
    "values and a model of several": (
        ["model=net.py:bare", "data=npz:values.npz", "criterion=within:3", LINF],
        "1 labels a sample, with values of shape [2, 1], got shape [2, 10]",
    ),
    "values as classes": (["model=net.py:one", "data=npz:whole.npz", LINF], "--robust-criterion=within:T"),
    "texts as values": (["data=npz:texts.npz", "criterion=within:3", LINF], "are texts or objects"),
    "labels of three axes": (["data=npz:deep.npz", "criterion=within:3", LINF], "(n,) or (n, k)"),
    "no label at all": (["data=npz:unknown.npz", "criterion=within:3", LINF], "1 samples have no label at all"),
    "a share of nothing": (["data=npz:whole.npz", "criterion=within:10%", LINF], "no share is an error"),
    "bits of two": (["data=npz:whole.npz", "criterion=labels", LINF], "expected 1, 0, and -1"),
    "a label that is not there": (["data=npz:bits.npz", "criterion=labels:any=4", LINF], "there are 4 labels"),
    "probabilities of labels": (
        ["model=net.py:shares", "data=npz:bits.npz", "output=log-probability", LINF],
        "no log-probability of separate labels",
    ),
    "corruptions of a row": (
        ["threat=corruption:3", "data=breast-cancer", "model=net.py:bare"],
        "for pictures, grey or",
    ),
    "a gradient and corruptions": (["attack=pgd", "threat=corruption:3"], "use corruptions, or a suite"),
    "corruptions of a ball": (
        ["attack=corruptions", "threat=linf:0.1"],
        "corruptions is for corruption, the threat is",
    ),
    "margin of a mean over corruptions without any": (
        ["compare-fail=mean:2pp", "compare=auto", "threat=linf:0.1"],
        "no threat model has any; add one, as corruption:3",
    ),
    "mean under a ball beside corruptions": (
        ["fail-under=mean-linf-0.1:60", "threat=linf:0.1,corruption:3", "suite=quick-1"],
        "the mean score by class is the accuracy",
    ),
    "mean score of classes": (["fail-under=mean:3"], "the mean score by class is the accuracy"),
    "a recipe for classes": (
        ["train=mart", "model=zoo:mlp", "data=npz:values.npz", "criterion=within:3", LINF],
        "is for classes, and the criterion is within:3; take one of",
    ),
    "an option of training for classes": (
        ["train=standard:smoothing=0.1", "model=zoo:mlp", "data=npz:values.npz", "criterion=within:3", LINF],
        "smoothing is for classes",
    ),
    "certificates of a goal": (["certify=ibp", "goal=3->1", "samples=20", LINF], "nothing linear in the answers"),
    "a black box of values that is a module": (
        ["model=blackbox:net.py:bare", "data=npz:values.npz", "criterion=within:3", "attack=square", LINF],
        "a torch module has a gradient",
    ),
    "nothing to train on": (["train=standard", LINF, GOOD], "expected x_train and y_train"),
}

# Of these, those that no data are read for.
EARLY = [
    *("missing name", "file does not run", "weights alone", "weights alone, to be trained", "unknown to torchvision"),
    *("unknown architecture", "architecture file missing", "architecture without a factory", "full pickle"),
    *("pickle with a payload", "no checkpoint", "safetensors cut short", "archive cut short"),
    *("member of an ensemble cut short", "absent device", "no weights of a surrogate", "no factory of a surrogate"),
    *("surrogate without architecture", "option of a torchattack", "unknown torchattack", "recipe option"),
    "recipe value",
]


ANSWERS = """
from torch import nn

def nothing(): nn.Linear(64, 10)
def pair(): return nn.Linear(64, 10), "name"

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    def forward(self, x): return self.net(x)
class Arrays(Net):
    def forward(self, x): return super().forward(x).detach().numpy()
class Classes(Net):
    def forward(self, x): return super().forward(x).argmax(1)
class Planes(Net):
    def forward(self, x):
        n, height, width = x.shape
        return super().forward(x)
"""

ODD = """
import random
import torch
import net

class Sorts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net.make()

    def forward(self, x):
        return self.net(self.change(x))

    def change(self, x):
        return x.sort()[0]

class Branches(Sorts):
    def change(self, x):
        return x if x.sum() > 3 else -x

class Draws(Sorts):
    def change(self, x):
        return x + 1e-6 * torch.randn_like(x)

class Counts(Sorts):
    def change(self, x):
        return x * random.random()
"""


class Payload:
    def __reduce__(self):
        return (open, ("touched", "w"))


@pytest.fixture
def cluttered(exporting, folder, monkeypatch):
    """The user's folder, with files that are wrong; sys.path is restored when a test ends."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (folder / "packed").mkdir()
    (folder / "packed" / CARD).write_text("{}")
    (folder / "answers.py").write_text(ANSWERS)
    (folder / "broken.py").write_text("def make(:\n")
    (folder / "lonely.py").write_text("import no_such_module\n")
    parse = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', required=True)\n"
    (folder / "program.py").write_text(f"{parse}parser.parse_args()\n")
    (folder / "parses.py").write_text(f"{parse}def make(): parser.parse_args()\n")
    (folder / "conv.py").write_text("from torch import nn\n\ndef make(): return nn.Conv2d(1, 10, 8)\n")
    (folder / "odd.py").write_text(ODD)
    (folder / "text.pt").write_text("not a checkpoint")
    torch.save(nn.Linear(2, 2), folder / "full.pt")
    for suffix in ("safetensors", "pt"):
        whole = (folder / f"weights.{suffix}").read_bytes()
        (folder / f"cut.{suffix}").write_bytes(whole[: len(whole) // 2])
    (folder / "evil.pt").write_bytes(pickle.dumps(Payload(), protocol=2))
    (folder / "package").mkdir()
    (folder / "package" / "part.py").write_text("from . import other\n")
    x, y = np.zeros((80, 1, 8, 8), np.float32), np.arange(80) % 10
    np.savez(folder / "good.npz", x=x, y=y)
    (folder / "few.csv").write_text("sex\nf\n")
    np.savez(folder / "flat.npz", x_test=x[:, 0, 0, :3], y_test=y, x_train=x[:, 0, 0, :3], y_train=y)
    np.savez(folder / "wide.npz", x=x + 255 * (y == 3)[:, None, None, None], y=y)
    values = x[:, 0, 0, :1] + y[:, None] + 0.25
    arrays = {"values": values, "whole": values - 0.25, "texts": values.astype(str), "deep": values[..., None]}
    arrays |= {"unknown": np.where(values < 0.5, np.nan, values), "bits": np.stack([y > 3, y > 2, y > 1, y > 0], 1)}
    arrays["unknown"][1:] = 1.5
    for name, labels in arrays.items():
        np.savez(folder / f"{name}.npz", x_test=x, y_test=labels, x_train=x, y_train=labels)
    np.savez(folder / "short.npz", x=x, y=y[:79])
    np.savez(folder / "rows.npz", x=x[:, 0], y=y)
    np.savez(folder / "nan.npz", x=x + np.nan, y=y)
    np.savez(folder / "empty.npz", x=x[:0], y=y[:0])
    np.savez(folder / "objects.npz", x=np.array([Payload(), None]), y=y)
    return folder


class NoHook:
    """The hook pytest_robust_load_model, which nobody implements."""

    def __call__(self, **given):
        return None

    def get_hookimpls(self):
        return []


def check(folder, *typed, **given):
    """Try everything, as a run does before its first test; no hook is implemented."""
    few = [] if any(text.startswith("samples=") for text in typed) else ["samples=60"]
    model = [] if any(text.startswith("model=") for text in typed) else [NET]
    config = SimpleNamespace(hook=SimpleNamespace(pytest_robust_load_model=NoHook()))
    resources = make_resources(config, read(folder, *model, *few, *typed), None, ALONE)
    check_settings(resources, **given)
    return resources


def test_full_trace_shows_where_an_error_came_from(cluttered):
    (cluttered / "bad.py").write_text("def make(): raise BaseException")
    with pytest.raises(pytest.UsageError) as caught:
        check(cluttered, "model=bad.py:make", full_trace=True)

    line, trace = caught.value.args
    assert line.startswith("--robust-model=bad.py:make: ")
    assert trace.startswith("Traceback")
    assert "bad.py" in trace


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line_and_nothing_is_written(name, cluttered):
    (wrong, *others), word = WRONG[name]
    before = {*cluttered.rglob("*")}
    with pytest.raises(pytest.UsageError) as caught:
        check(cluttered, wrong, *others)

    line = str(caught.value)
    assert line.startswith(f"--robust-{wrong}: ")
    assert word in line
    assert "\n" not in line
    assert {*cluttered.rglob("*")} == before


@pytest.mark.parametrize("name", EARLY)
def test_what_needs_no_data_is_said_before_they_are_read(name, cluttered):
    (wrong, *others), word = WRONG[name]
    with pytest.raises(pytest.UsageError) as caught:
        check(cluttered, wrong, *others, "data=net.py:breaks", LINF)

    assert str(caught.value).startswith(f"--robust-{wrong}: ")
    assert word in str(caught.value)


# Each makes a model, in a way that its source does not show at once.
SOURCES = {
    "by a star": "from net import *\n",
    "by another name": "from net import bare as make\n",
    "in a condition": "import net\nif net.NUMBER == 3:\n    make = net.bare\n",
    "by a loop": "import net\nfor name in ['make']:\n    globals()[name] = net.bare\n",
    "on demand": "def __getattr__(name):\n    import net\n    return net.bare\n",
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_a_factory_is_found_however_it_is_defined(source, cluttered):
    (cluttered / "own.py").write_text(source)

    check(cluttered, "model=own.py:make")


def test_a_file_that_seeds_random_numbers_makes_the_model_that_it_makes_alone(cluttered):
    """The seed counts only for a factory that is called as the file is imported: it is not imported before."""
    (cluttered / "own.py").write_text("import torch\nfrom net import bare\ntorch.manual_seed(5)\nmake = bare\n")
    torch.manual_seed(5)
    weight = nn.Linear(64, 10).weight

    resources = check(cluttered, "model=own.py:make")
    (variant,) = resources.settings.everything
    assert torch.equal(resources.models.load(variant).module[1].weight, weight)


def test_a_hook_may_load_what_is_of_no_format(pytester, cluttered):
    pytester.makeconftest("import net\n\ndef pytest_robust_load_model(path): return net.make()\n")
    result = pytester.runpytest_inprocess("--robust-model=text.pt", "--robust-samples=60", "-k", "clean")

    result.assert_outcomes(passed=1)


def test_a_stage_is_refused_for_the_norms_that_it_says_it_is_for(cluttered):
    stage = '[[stages]]\nattack = "cw:steps=5"\n'
    for name, norms in ("own", ""), ("fine", 'norms = ["l2"]\n[[stages]]\nattack = "pgd"\n'):
        (cluttered / f"{name}.toml").write_text(stage + norms)

    check(cluttered, NET, "suite=fine.toml", "threat=linf:0.1+l2:1")
    with pytest.raises(pytest.UsageError, match=r"^--robust-suite=own-\w+: cw is for l2, the threat is linf; use "):
        check(cluttered, NET, "suite=own.toml", "threat=linf:0.1+l2:1")


def test_what_is_right_passes(cluttered):
    check(cluttered, NET)
    check(cluttered, NET, LINF, GOOD)


def refused(result, message):
    """Check that the run ended with this one line, status 4 and no traceback."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = result.errlines + result.outlines
    assert [line for line in lines if line.startswith("ERROR: ")] == [f"ERROR: {message}"]
    assert not [line for line in lines if "Traceback" in line or "INTERNAL" in line]


def test_a_mistake_on_the_command_line_ends_the_run(pytester, cluttered):
    before = {*cluttered.rglob("*")}
    result = pytester.runpytest_inprocess(f"--robust-{NET}", "--robust-seed=x", "-p", "no:cacheprovider")

    refused(result, "--robust-seed=x: expected a whole number, 0 or more, of at most 18 digits")
    assert {*cluttered.rglob("*")} == before


def test_a_mistake_in_the_ini_file_ends_the_run(pytester, cluttered):
    pytester.makeini("[pytest]\nrobust_model = net.py:make\nrobust_fail_under = 0.4")

    refused(pytester.runpytest_inprocess(), "--robust-fail-under=0.4: expected a percentage; did you mean 40?")


def test_a_mistake_in_a_model_ends_the_run_before_its_first_test(pytester, cluttered):
    before = {*cluttered.rglob("*")}
    result = pytester.runpytest_inprocess("--robust-model=net.py:breaks", "-p", "no:cacheprovider")

    refused(result, "--robust-model=net.py:breaks: net.py:breaks failed: RuntimeError: no such layer (net.py, line 20)")
    assert {*cluttered.rglob("*")} == before


def test_parallel_runs_tell_it_once_as_well(pytester, cluttered):
    result = pytester.runpytest_subprocess("-n", "2", "--robust-model=weights.pt")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --robust-model=weights.pt: holds weights only*"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_only_the_robustness_tests_without_a_model_are_refused(pytester, folder):
    how = "--robust-model=net.py:make of pytest, or as robust evaluate net.py:make"

    refused(pytester.runpytest_inprocess("--robust-only"), f"there is no model to test; name one, as {how}")


def test_a_test_of_the_zoo_that_is_not_there_is_not_found(pytester, folder):
    result = pytester.runpytest_inprocess("--robust-model=zoo:cnn", "zoo:cnn::test_clear")

    refused(result, "not found: zoo:cnn::test_clear")
