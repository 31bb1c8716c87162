"""What is wrong with the input is one line, exit status 4, no traceback, and nothing is written."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

NET = "--robust-model=net.py:make"
BARE = "--robust-arch=net.py:bare"
LINF = ["--robust-threat=linf:0.1"]

WRONG = {
    "missing file": (
        ["--robust-model=nope.py:make"],
        "--robust-model=nope.py:make: no such file (looked for *nope.py); write *",
    ),
    "a folder": (["--robust-model=."], "--robust-model=.: is a folder*"),
    "no factory": (["--robust-model=net.py"], "--robust-model=net.py: name the function or class*net.py:make"),
    "missing name": (
        ["--robust-model=net.py:mke"],
        "--robust-model=net.py:mke: net.py has no 'mke', did you mean 'make'*",
    ),
    "not callable": (["--robust-model=net.py:NUMBER"], "*net.py:NUMBER is a int, expected a function or class*"),
    "no module": (["--robust-model=net.py:words"], "*net.py:words returned dict, expected torch.nn.Module"),
    "needs arguments": (
        ["--robust-model=net.py:needs"],
        "*net.py:needs cannot be called so: missing a required argument: 'width'; *net.py:needs(width=2)",
    ),
    "factory raises": (
        ["--robust-model=net.py:breaks"],
        "*net.py:breaks failed: RuntimeError: no such layer (net.py, line *)",
    ),
    "a library that it calls raises": (
        ["--robust-model=net.py:lacks"],
        "*net.py:lacks failed: FileNotFoundError: *nosuch.safetensors* (net.py, line *)",
    ),
    "file does not run": (["--robust-model=broken.py:make"], "*running broken.py failed: SyntaxError:*"),
    "file misses a module": (
        ["--robust-model=lonely.py:make"],
        "*running lonely.py failed: ModuleNotFoundError:*line 1)",
    ),
    "weights alone": (
        ["--robust-model=weights.pt"],
        "*holds weights only (2 tensors, first 1.weight [[]10, 64[]])*--robust-arch=*",
    ),
    "weights do not fit": (
        ["--robust-model=weights.pt", "--robust-arch=net.py:narrow"],
        "*weights do not fit: 1 of another shape (1.weight [[]10, 64[]] in the file, [[]10, 10[]] in the model)*",
    ),
    "arguments that are no literals": (
        ["--robust-model=net.py:needs(width=os.getpid())"],
        "*cannot read the arguments (width=os.getpid()); write Python literals, as make(width=2)",
    ),
    "arguments of another kind": (
        ["--robust-model=net.py:needs(depth=2)"],
        "*net.py:needs(depth=2) cannot be called so: missing a required argument: 'width'*",
    ),
    "no such module": (
        ["--robust-model=pkg.mod:make"],
        "--robust-model=pkg.mod:make: there is no module pkg.mod (looked in *",
    ),
    "part of a package": (
        ["--robust-model=package/part.py:make"],
        "*attempted relative import with no known parent package*so name its module: PACKAGE.part:FACTORY",
    ),
    "unknown in the zoo": (
        ["--robust-model=zoo:vti"],
        "--robust-model=zoo:vti: unknown architecture 'vti', did you mean 'vit'[?] Known: cnn, *",
    ),
    "nothing of the zoo": (["--robust-model=zoo:"], "--robust-model=zoo:: unknown architecture ''. Known: cnn, *"),
    "unknown to torchvision": (
        ["--robust-model=torchvision:resnet81"],
        "--robust-model=torchvision:resnet81: torchvision has no classifier 'resnet81', did you mean 'resnet18'*",
    ),
    "architecture for another shape": (
        ["--robust-model=zoo:lstm", "--robust-data=npz:flat.npz", *LINF],
        "*zoo:lstm: needs inputs with rows, (rows, columns) or (channels, rows, columns), got inputs of [[]3[]]",
    ),
    "architecture for another shape, to be trained": (
        ["--robust-model=zoo:vit", "--robust-data=npz:flat.npz", "--robust-train=standard", *LINF],
        "*zoo:vit: needs pictures, (channels, height, width) or (height, width), got inputs of [[]3[]]",
    ),
    "option of the zoo": (
        ["--robust-model=zoo:wideresnet-29-10"],
        "*zoo:wideresnet-29-10: depth must be 10, 16, 22, 28, 34 or another 6k + 4, got 29",
    ),
    "no option of the zoo": (
        ["--robust-model=zoo:cnn(depth=3)"],
        "*zoo:cnn(depth=3) cannot be called so: got an unexpected keyword argument 'depth'; *zoo:cnn(width=2)",
    ),
    "architecture given twice": (["--robust-model=zoo:cnn", "--robust-model=zoo:cnn()"], "*zoo:cnn is given twice"),
    "test of the zoo that is not there": (
        ["--robust-model=zoo:cnn", "zoo:cnn::test_clear"],
        "not found: zoo:cnn::test_clear",
    ),
    "full pickle": (
        ["--robust-model=full.pt", BARE],
        "*needs torch.nn.modules.linear.Linear, not known to be safe to unpickle, so it was not loaded; save only *; "
        "if these are harmless: --robust-safe-globals=torch.nn.modules.linear.Linear; "
        "if you trust the file: --robust-run-code=full.pt",
    ),
    "pickle with a payload": (
        ["--robust-model=evil.pt", BARE],
        "*needs io.open, which act on the machine and which no weights need, so it was not loaded; save only *; "
        "if you trust the file: --robust-run-code=evil.pt",
    ),
    "name that is not there": (
        ["--robust-model=full.pt", "--robust-safe-globals=torch.nn.Linaer"],
        "*--robust-safe-globals=torch.nn.Linaer: failed to load: AttributeError*",
    ),
    "no name": (
        [NET, "--robust-safe-globals=Namespace"],
        "--robust-safe-globals=Namespace: expected a function or class with its module, as argparse.Namespace",
    ),
    "no file to run": ([NET, "--robust-run-code=nope.pt"], "--robust-run-code=nope.pt: no such file (looked for *"),
    "no digest": ([NET, "--robust-run-code=sha256:abc"], "--robust-run-code=sha256:abc: expected sha256: and 64 *"),
    "no checkpoint": (
        ["--robust-model=text.pt", BARE],
        "*is none of *safetensors, a file of torch.save, *by its content",
    ),
    "unknown architecture": (
        ["--robust-model=weights.pt", "--robust-arch=torchvision:resnet81"],
        "*torchvision has no classifier 'resnet81', did you mean 'resnet18'*",
    ),
    "architecture file missing": (
        ["--robust-model=weights.pt", "--robust-arch=nope.py:make"],
        "*--robust-arch=nope.py:make: no such file*",
    ),
    "model given twice": ([NET, "--robust-model=net.py:make()"], "*net.py and its make are given twice"),
    "data does not fit": (
        ["--robust-model=net.py:narrow"],
        "*does not take digits, samples of shape [[]1, 8, 8[]]: mat1*is this the data * made for (--robust-data)[?]",
    ),
    "wrong number of classes": (
        ["--robust-model=net.py:two_classes"],
        "*must answer 2 samples of digits, 10 classes, with logits of shape [[]2, 10[]], got shape [[]2, 2[]]",
    ),
    "unknown data": (
        [NET, "--robust-data=digit"],
        "--robust-data=digit: unknown data set 'digit', did you mean 'digits'*",
    ),
    "data with an option": ([NET, "--robust-data=digits:size=3"], "--robust-data=digits:size=3: digits takes no *"),
    "data file missing": ([NET, "--robust-data=npz:nope.npz"], "*npz:nope.npz: no such file (looked for */nope.npz)"),
    "data without a threat": (
        [NET, "--robust-data=npz:good.npz"],
        "--robust-data=npz:good.npz: say what an attacker may do, as --robust-threat=linf:8/255",
    ),
    "inputs outside the bounds": (
        [NET, *LINF, "--robust-data=npz:wide.npz"],
        "--robust-data=npz:wide.npz: wide has inputs of shape [[]1, 8, 8[]] from 0 to 255, expected [[]1, 8, 8[]] from "
        "0 to 1; divide by 255 where they are read, or declare their bounds, as :lo=0:hi=255",
    ),
    "inputs without their labels": (
        [NET, *LINF, "--robust-data=npz:short.npz"],
        "--robust-data=npz:short.npz: short has 80 inputs and 79 labels",
    ),
    "inputs without a channel axis": (
        ["--robust-model=conv.py:make", *LINF, "--robust-data=npz:rows.npz"],
        "--robust-model=conv.py:make: the model does not take rows, samples of shape [[]8, 8[]]: *; is this the data "
        "that it was made for (--robust-data)[?] An image has a channel axis, as [[]1, 8, 8[]]",
    ),
    "inputs that are no numbers": (
        [NET, *LINF, "--robust-data=npz:nan.npz"],
        "*nan has inputs of shape * nan to nan, expected * from 0 to 1",
    ),
    "labels out of range": (
        [NET, *LINF, "--robust-data=npz:good.npz:classes=4"],
        "*good has labels from 0 to 9, expected 0 to 3",
    ),
    "no data": ([NET, *LINF, "--robust-data=npz:empty.npz"], "*empty has no test samples"),
    "objects as data": (
        [NET, *LINF, "--robust-data=npz:objects.npz"],
        "*objects.npz is not a sound file of numpy.savez: it holds Python objects, *",
    ),
    "a folder without pictures": ([NET, "--robust-data=imagefolder:package"], "*expected a folder of pictures for *"),
    "data function fails": (
        [NET, *LINF, "--robust-data=net.py:breaks"],
        "*net.py:breaks failed: RuntimeError: no such layer (net.py, line *)",
    ),
    "data function returns no data": (
        [NET, *LINF, "--robust-data=net.py:words"],
        "*net.py:words returned dict, expected (inputs, labels) or a torch data set",
    ),
    "numbers of another type": (
        ["--robust-model=net.py:double"],
        "*does not take digits*; its numbers are torch.float64, inputs are torch.float32: call float() on it",
    ),
    "parts on another device": (
        ["--robust-model=net.py:astray"],
        "*does not take digits*; parts of it are on cpu and meta: register what it needs as buffers",
    ),
    "nothing to train on": (
        [NET, *LINF, "--robust-data=npz:good.npz", "--robust-train=standard"],
        "*good.npz holds x, y; expected x_train and y_train",
    ),
    "batch of none": ([NET, "--robust-batch-size=0"], "--robust-batch-size=0: expected a whole number, 1 or more*"),
    "unknown device": ([NET, "--robust-device=gpu"], "--robust-device=gpu: expected auto, cpu, cuda, cuda:1 or mps"),
    "absent device": ([NET, "--robust-device=cuda:99"], "--robust-device=cuda:99: this machine has * CUDA devices*"),
    "unknown attack": (
        [NET, "--robust-attack=pgdd"],
        "--robust-attack=pgdd: unknown attack 'pgdd', did you mean 'pgd'*",
    ),
    "attack option": ([NET, "--robust-attack=pgd:step=3"], "*pgd has no option 'step', did you mean 'steps'*"),
    "attack value": ([NET, "--robust-attack=pgd:steps=0"], "*steps must be at least 1, got 0"),
    "no surrogate": (
        [NET, "--robust-attack=pgd:surrogate=none.py:make"],
        "--robust-attack=pgd:surrogate=none.py:make: no such file*",
    ),
    "surrogate for other data": (
        [NET, "--robust-attack=pgd:surrogate=net.py:narrow"],
        "--robust-attack=pgd:surrogate=net.py:narrow: the model does not take digits*",
    ),
    "surrogate without architecture": (
        [NET, "--robust-attack=pgd:surrogate=weights.pt"],
        "--robust-attack=pgd:surrogate=weights.pt: holds weights only*",
    ),
    "unknown torchattack": (
        [NET, "--robust-attack=torchattacks:PDG"],
        "*torchattacks has no attack 'PDG', did you mean 'PGD'*",
    ),
    "unknown recipe": (
        [NET, "--robust-train=pgdat"],
        "--robust-train=pgdat: unknown training recipe 'pgdat', did you mean 'pgd-at'*",
    ),
    "recipe option": ([NET, "--robust-train=trades:gamma=6"], "*trades has no option 'gamma'*beta*"),
    "recipe value": ([NET, "--robust-train=trades:epochs=0"], "*epochs must be above 0, got 0"),
    "unknown norm": (
        [NET, "--robust-threat=lin:0.1"],
        "--robust-threat=lin:0.1:*unknown norm 'lin', did you mean 'linf'*",
    ),
    "no eps": ([NET, "--robust-threat=linf"], "*eps must be a number such as 8/255*"),
    "eps in grey levels": ([NET, "--robust-threat=linf:8"], "*did you mean linf:8/255[?]"),
    "too many samples": (
        [NET, "--robust-samples=9999"],
        "--robust-samples=9999: digits has 599 test samples, 9999 were asked for; 'all' is all of them",
    ),
    "no evidence": ([NET, "--robust-evidence=0"], "--robust-evidence=0: expected a whole number, 1 or more*"),
    "gallery": ([NET, "--robust-gallery=few"], "--robust-gallery=few: expected a whole number, 0 or more*"),
    "no samples": ([NET, "--robust-samples=0"], "--robust-samples=0: expected a whole number, 1 or more*, or all"),
    "seed": ([NET, "--robust-seed=x"], "--robust-seed=x: expected a whole number, 0 or more*"),
    "percent as a share": (
        [NET, "--robust-fail-under=0.4"],
        "--robust-fail-under=0.4: expected a percentage; did you mean 40[?]",
    ),
    "percent": ([NET, "--robust-fail-under=140"], "*expected a percentage from 0 to 100"),
    "percent of a share": ([NET, "--robust-fail-under=clean:0.8"], "*expected a percentage; did you mean 80[?]"),
    "unknown scope": (
        [NET, "--robust-fail-under=pdg:40"],
        "--robust-fail-under=pdg:40: unknown scope 'pdg', did you mean 'pgd'[?] Known: clean, fgsm, *",
    ),
    "unknown rule": ([NET, "--robust-fail-on=cl"], "--robust-fail-on=cl: expected figure or ci"),
    "unknown verdict": ([NET, "--robust-verdict=good"], "--robust-verdict=good: expected trusted, suspect or none"),
    "accepted what is no finding": (
        [NET, "--robust-accept=nondet"],
        "--robust-accept=nondet: unknown preflight check 'nondet'*nondeterministic*",
    ),
    "someone's README": (
        [NET, "--robust-leaderboard=."],
        "*README.md is not a leaderboard of ours*choose another folder",
    ),
    "leaderboard is a file": ([NET, "--robust-leaderboard=net.py"], "*net.py is a file, expected a folder"),
    "only, without a model": (
        ["--robust-only"],
        "there is no model to test; name one, as --robust-model=net.py:make of pytest, *",
    ),
}


class Payload:
    def __reduce__(self):
        return (open, ("touched", "w"))


@pytest.fixture
def cluttered(folder, pytester):
    (folder / "README.md").write_text("# Mine\n")
    (folder / "broken.py").write_text("def make(:\n")
    (folder / "lonely.py").write_text("import no_such_module\n")
    (folder / "conv.py").write_text("from torch import nn\n\ndef make(): return nn.Conv2d(1, 10, 8)\n")
    (folder / "text.pt").write_text("not a checkpoint")
    torch.save(nn.Linear(2, 2), folder / "full.pt")
    (folder / "evil.pt").write_bytes(pickle.dumps(Payload(), protocol=2))
    (folder / "package").mkdir()
    (folder / "package" / "part.py").write_text("from . import other\n")
    x, y = np.zeros((80, 1, 8, 8), np.float32), np.arange(80) % 10
    np.savez(folder / "good.npz", x=x, y=y)
    np.savez(folder / "flat.npz", x_test=x[:, 0, 0, :3], y_test=y, x_train=x[:, 0, 0, :3], y_train=y)
    np.savez(folder / "wide.npz", x=x + 255 * (y == 3)[:, None, None, None], y=y)
    np.savez(folder / "short.npz", x=x, y=y[:79])
    np.savez(folder / "rows.npz", x=x[:, 0], y=y)
    np.savez(folder / "nan.npz", x=x + np.nan, y=y)
    np.savez(folder / "empty.npz", x=x[:0], y=y[:0])
    np.savez(folder / "objects.npz", x=np.array([Payload(), None]), y=y)
    return folder


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_line_and_exit_status_4(name, pytester, cluttered):
    args, told = WRONG[name]
    before = {path for path in cluttered.rglob("*") if "__pycache__" not in path.parts}

    result = pytester.runpytest_inprocess("--robust-samples=60", *args, "-p", "no:cacheprovider")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = result.errlines + result.outlines
    assert sum(line.startswith("ERROR: ") for line in lines) == 1
    result.stderr.fnmatch_lines([f"ERROR: {told}"])
    assert not [line for line in lines if "Traceback" in line or "INTERNAL" in line]
    assert {path for path in cluttered.rglob("*") if "__pycache__" not in path.parts} == before


def test_parallel_runs_tell_it_once_as_well(pytester, cluttered):
    result = pytester.runpytest_subprocess("-n", "2", "--robust-model=weights.pt")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --robust-model=weights.pt: holds weights only*"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_factory_is_needed_for_training_too(pytester, cluttered):
    result = pytester.runpytest_inprocess("--robust-model=weights.pt", "--robust-train=standard")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*weights.pt holds weights only; name the architecture with --robust-arch"])
