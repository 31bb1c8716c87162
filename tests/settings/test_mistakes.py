"""A mistake in an option is one line that begins with the option; messages.txt holds the whole lines."""

import re
from pathlib import Path

import pytest

from robust.attacks.words import TYPED
from robust.settings.parsing import SettingsError, raise_usage_errors
from tests.settings.making import read

NET = "model=net.py:make"

# By name: what is typed, the option that is named first in the message, and a word in it.
WRONG = {
    "missing file": (["model=nope.py:make"], "model=nope.py:make", "no such file"),
    "a folder": (["model=."], "model=.", "is a folder"),
    "no factory": (["model=net.py"], "model=net.py", "net.py:make"),
    "no literals": (["model=net.py:make(x)"], "model=net.py:make(x)", "literals"),
    "no such module": (["model=pkg.mod:make"], "model=pkg.mod:make", "no module pkg.mod"),
    "unknown in the zoo": (["model=zoo:vti"], "model=zoo:vti", "'vit'"),
    "nothing of the zoo": (["model=zoo:"], "model=zoo:", "Known: cnn"),
    "architecture given twice": (["model=zoo:cnn", "model=zoo:cnn()"], "model=zoo:cnn()", "given twice"),
    "models in one option": (
        ["model=net.py:a,net.py:make"],
        "model=net.py:a,net.py:make",
        "as one, ensemble:net.py:a,",
    ),
    "files in one option": (["model=a.pt,b.pt"], "model=a.pt,b.pt", "give each of 2 models for itself"),
    "model given twice": ([NET, "model=net.py:make()"], "model=net.py:make()", "given twice"),
    "architecture of a factory": (
        [NET, "model=zoo:cnn", "arch=net.py:bare"],
        "arch=net.py:bare",
        "no model is one (net.py:make, zoo:cnn); leave it out",
    ),
    "unknown normalisation": (["normalize=cifar"], "normalize=cifar", "'cifar10'"),
    "float and what it has not": (
        ["compare=float", "compare-fail=mean:+2"],
        "compare-fail=mean:+2",
        "clean_acc and robust_acc are compared",
    ),
    "unknown road": (["road=twins"], "road=twins", "own, twin or queries"),
    "no name": (["safe-globals=Namespace"], "safe-globals=Namespace", "argparse.Namespace"),
    "no file to run": (["run-code=nope.pt"], "run-code=nope.pt", "no such file"),
    "no digest": (["run-code=sha256:abc"], "run-code=sha256:abc", "64 digits"),
    "unknown data": (["data=digit"], "data=digit", "'digits'"),
    "data with an option": (["data=digits:size=3"], "data=digits:size=3", "no options"),
    "data file missing": (["data=npz:nope.npz"], "data=npz:nope.npz", "no such file"),
    "data without a threat": (["data=npz:good.npz"], "data=npz:good.npz", "--robust-threat=linf:8/255"),
    "a folder without images": (["data=imagefolder:package"], "data=imagefolder:package", "0 folders"),
    "unknown criterion": (["criterion=witin:3"], "criterion=witin:3", "'within'"),
    "criterion without a tolerance": (["criterion=within"], "criterion=within", "within:T"),
    "tolerance that is no number": (["criterion=within:ten"], "criterion=within:ten", "'ten' is no number"),
    "tolerance of nothing at all": (["criterion=within:0"], "criterion=within:0", "above 0, got 0"),
    "labels by position": (["criterion=labels:3"], "criterion=labels:3", "labels:any=3,5"),
    "criterion of values for classes": (["criterion=within:3"], "criterion=within:3", "digits has classes"),
    "criterion of classes for values": (["data=diabetes", "criterion=class"], "criterion=class", "has values"),
    "unknown class": (["data=breast-cancer", "attacked=malign"], "attacked=malign", "'malignant'"),
    "class without a name": (["attacked=seven"], "attacked=seven", "has numbers alone"),
    "class beyond the last": (["attacked=10"], "attacked=10", "classes 0 to 9, got 10"),
    "classes of values": (["data=diabetes", "attacked=1"], "attacked=1", "diabetes has none"),
    "goal without a source": (["goal=3"], "goal=3", "malware->benign"),
    "goal that is attacked": (["goal=3->3"], "goal=3->3", "none of those that are attacked"),
    "goals": (["goal=3->1+2"], "goal=3->1+2", "the goal is one class"),
    "goal and criterion": (["goal=3->1", "criterion=class"], "goal=3->1", "--robust-criterion out"),
    "goal and attacked": (["goal=3->1", "attacked=3"], "goal=3->1", "--robust-attacked out"),
    "no file of groups": (["groups=nope.csv:sex"], "groups=nope.csv:sex", "no such file"),
    "file of groups without a column": (["groups=people.csv"], "groups=people.csv", "people.csv:sex"),
    "floor of no groups": (["fail-under=group:40"], "fail-under=group:40", "--robust-groups=people.csv:sex"),
    "floor of a class by another name": (["fail-under=worst_class:40"], "fail-under=worst_class:40", "'worst-class'"),
    "weakest class as a share": (["fail-under=worst-class:0.4"], "fail-under=worst-class:0.4", "40?"),
    "mean of no number": (["fail-under=mean:low"], "fail-under=mean:low", "mean:5.2"),
    "unknown norm": (["threat=lin:0.1"], "threat=lin:0.1", "'linf'"),
    "unknown norm in a union": (["threat=linf:0.1+l3:1"], "threat=linf:0.1+l3:1", "'l3'"),
    "severity of a corruption": (["threat=corruption:6"], "threat=corruption:6", "1 to 5"),
    "corruption without a severity": (["threat=corruption"], "threat=corruption", "as corruption:3"),
    "corruption without its severity": (["threat=corruption:fog"], "threat=corruption:fog", "write corruption:3:fog"),
    "severity behind": (["threat=corruption:fog:5"], "threat=corruption:fog:5", "write corruption:5:fog"),
    "corruption after a comma": (["threat=corruption:3,fog"], "threat=fog", "corruption:3:fog"),
    "unknown corruption": (["threat=corruption:3:fogg"], "threat=corruption:3:fogg", "'fog'"),
    "two corruptions": (["threat=corruption:3:fog:snow"], "threat=corruption:3:fog:snow", "'snow'"),
    "seed of a corruption": (["threat=corruption:3:seed=x"], "threat=corruption:3:seed=x", "whole number"),
    "unknown family": (["threat=coruption:3"], "threat=coruption:3", "'corruption'"),
    "decimal comma": (["threat=linf:0,1"], "threat=linf:0,1", "write 0.1 with a point"),
    "no eps": (["threat=linf"], "threat=linf", "eps must be a number"),
    "no number of pixels": (["threat=l0"], "threat=l0", "a whole number above 0, as in l0:20"),
    "no pixel at all": (["threat=l0:0"], "threat=l0:0", "above 0, as in l0:20, got '0'"),
    "half a pixel": (["threat=l0:1.5"], "threat=l0:1.5", "got '1.5'"),
    "pixels as a share": (["threat=l0:8/255"], "threat=l0:8/255", "got '8/255'"),
    "pixels without end": (["threat=l0:99999999999"], "threat=l0:99999999999", "a whole number above 0"),
    "pixels by another name": (["threat=L0:20"], "threat=L0:20", "write l0:20"),
    "curve of pixels": (["curve", "threat=l0:20"], "curve", "the threat model is l0:20"),
    "certificates of pixels": (["certify=ibp", "threat=l0:20"], "certify=ibp", "linf and l2"),
    "patch of one side": (["threat=patch:5"], "threat=patch:5", "patch:HxW, as patch:5x5"),
    "patch of nothing": (["threat=patch:0x5"], "threat=patch:0x5", "at least one pixel, got 0"),
    "patch of more than all": (["threat=patch:200%x5"], "threat=patch:200%x5", "at most 100 per cent, got 200%"),
    "universal patches": (
        ["threat=patch:5x5:universal=true", "attack=universal-patch,universal-patch:steps=9"],
        "attack=universal-patch:steps=9",
        "one patch serves all",
    ),
    "patch by another name": (["threat=pach:5x5"], "threat=pach:5x5", "did you mean 'patch'"),
    "curve of a patch": (["threat=patch:5x5", "curve"], "curve", "the threat model is patch:5x5"),
    "turn without its size": (["threat=spatial"], "threat=spatial", "spatial:rotate=30:translate=3"),
    "turn by position": (["threat=spatial:30"], "threat=spatial:30", "write rotate=30"),
    "turn backwards": (["threat=spatial:rotate=-30"], "threat=spatial:rotate=-30", "degrees from 0 to 180"),
    "way in pixels": (["threat=spatial:translate=3px"], "threat=spatial:translate=3px", "per cent with a %"),
    "way as a share": (["threat=spatial:translate=0.1"], "threat=spatial:translate=0.1", "write 10%"),
    "turn after a comma": (
        ["threat=spatial:rotate=30,translate=3"],
        "threat=translate=3",
        "as in spatial:rotate=30:translate=3",
    ),
    "smaller as a factor": (["threat=spatial:scale=0.8"], "threat=spatial:scale=0.8", "write scale=1.25"),
    "unknown padding": (["threat=spatial:rotate=9:padding=black"], "threat=spatial:rotate=9:padding=black", "zeros"),
    "curve of turns": (["curve", "threat=spatial:rotate=9"], "curve", "leave one of the two out"),
    "certificates of turns": (["certify=ibp", "threat=spatial:rotate=9"], "certify=ibp", "linf and l2"),
    "unknown attack": (["attack=pgdd"], "attack=pgdd", "'pgd'"),
    "queries of a gradient's attack": (["attack=pgd", "queries=500"], "queries=500", "pgd counts no queries"),
    "queries said twice": (["attack=square:steps=9", "queries=500"], "queries=500", "says its own number"),
    "queries of a suite": (["suite=quick-1", "queries=500"], "queries=500", "quick-1 says the steps"),
    "too few queries": (["attack=square", "queries=3"], "queries=3", "10 or more"),
    "unknown attack after a comma": (["attack=fgsm,pgdd"], "attack=pgdd", "'pgd'"),
    "option of an attack": (["attack=pgd:stepz=3"], "attack=pgd:stepz=3", "'steps'"),
    "type of an option": (["attack=fgsm,apgd:steps=few"], "attack=apgd:steps=few", "of type int"),
    "value of an option": (["attack=pgd:start=0:steps=0"], "attack=pgd:start=0:steps=0", "at least 1, got 0"),
    "loss of an attack": (["attack=pgd:loss=cee"], "attack=pgd:loss=cee", "'ce'"),
    "option of every attack": (["attack=pgd:restarts=0"], "attack=pgd:restarts=0", "at least 1, got 0"),
    "no surrogate": (["attack=pgd:surrogate=none.py:make"], "attack=pgd:surrogate=none.py", "no such file"),
    "none and another suite": (["suite=none,quick-1"], "suite=none", "unknown suite"),
    "unknown suite": (["suite=standart-1"], "suite=standart-1", "'standard-1'"),
    "no file of a suite": (["suite=nope.toml"], "suite=nope.toml", "no such file"),
    "wrong file of a suite": (["suite=wrong.toml"], "suite=wrong.toml", "'steps'"),
    "wrong option in a suite": (["suite=option.toml"], "suite=option.toml", "stage 1: pgd:stepz=3: pgd has no option"),
    "norm without a stage": (["suite=mine.toml", "threat=l2:1+linf:0.1"], "suite=mine-", "for linf"),
    "no time": (["time=5"], "time=5", "30s, 5m or 1h"),
    "zero time": (["time=0s"], "time=0s", "30s, 5m or 1h"),
    "unknown way": (["suite=quick-1", "search=bf17"], "search=bf17", "'bf16'"),
    "way without a suite": (["search=bf16"], "search", "--robust-suite"),
    "unknown method": (["certify=crwon"], "certify=crwon", "'crown'"),
    "certificates of a norm": (["certify=ibp", "threat=l2:1+l1:9"], "certify=ibp", "linf and l2"),
    "certificates of a black box": (["model=blackbox:net.py:make", "certify=ibp"], "certify=ibp", "needs its layers"),
    "floor of no certificate": (["fail-under=certified:60"], "fail-under=certified:60", "--robust-certify=crown"),
    "curve of a count": (["curve=l0:20"], "curve=l0:20", "linf, l2, l1, got l0"),
    "curve of a union": (["curve", "threat=linf:0.1+l2:1"], "curve", "is a union"),
    "curve of another norm": (["curve=l2:1"], "curve=l2:1", "no threat model of the run is of l2"),
    "curve of two norms": (["curve=0.5", "threat=linf:0.1,l2:1"], "curve=0.5", "say which, as linf:0.5"),
    "curve that ends too soon": (["curve=0.1"], "curve=0.1", "before the planned linf:0.15"),
    "curve wider than the range": (["curve=2"], "curve=2", "wider than the inputs' range"),
    "curve of a file": (["curve=net.py"], "curve=net.py", "write it before"),
    "curve of a black box": (["model=blackbox:net.py:make", "curve"], "curve", "needs its gradient"),
    "eps without a curve": (["eps=0.1"], "eps", "add --robust-curve"),
    "eps beyond the curve": (["curve=0.3", "eps=0.4"], "eps=0.4", "beyond the curve's end, linf:0.3"),
    "floor beyond the curve": (
        ["curve=0.3", "fail-under=robust@linf:0.4:50"],
        "fail-under=robust@linf:0.4:50",
        "give --robust-curve=0.4",
    ),
    "floor on no curve": (
        ["curve", "fail-under=robust@l2:1:50"],
        "fail-under=robust@l2:1:50",
        "neither planned nor on a curve",
    ),
    "proof beyond the curve": (
        ["curve=0.3", "certify=ibp", "fail-under=certified@linf:0.4:50"],
        "fail-under=certified@linf:0.4:50",
        "give --robust-curve=0.4",
    ),
    "proof on a curve of no certificate": (
        ["curve", "fail-under=certified@linf:0.3:50"],
        "fail-under=certified-linf-0.3:50",
        "nothing is certified",
    ),
    "curve of maps": (
        ["curve", "data=digit-maps", "criterion=pixels:0.9", "threat=linf:0.1"],
        "curve",
        "maps have no curve, and the criterion is pixels:0.9",
    ),
    "distance without a curve": (
        ["compare=latest", "compare-fail=distance:5%"],
        "compare-fail=distance:5%",
        "add --robust-curve",
    ),
    "points of a distance": (
        ["curve", "compare=latest", "compare-fail=distance:5pp"],
        "compare-fail=distance:5pp",
        "per cent",
    ),
    "unknown recipe": (["train=pgdat"], "train=pgdat", "'pgd-at'"),
    "unknown wrapper": (["train=pgd-at+apw"], "train=pgd-at+apw", "'awp'"),
    "wrapper without a recipe": (["train=awp"], "train=awp", "pgd-at+awp"),
    "one fold": (["folds=1", "train=standard"], "folds=1", "2 or more"),
    "too many folds": (["folds=101", "train=standard"], "folds=101", "at most 100"),
    "folds without a recipe": (["folds=5"], "folds=5", "--robust-train=trades"),
    "folds of what is trained already": (["folds=5", "train=standard,as-is"], "folds=5", "without as-is"),
    "folds of a fold": (["folds=5", "train=standard", "data=digits:fold=1of2"], "folds=5", "a fold already"),
    "folds and groups": (["folds=5", "train=standard", "groups=sex"], "folds=5", "--robust-groups out"),
    "folds and a baseline": (["folds=5", "train=standard", "compare=latest"], "folds=5", "--robust-compare out"),
    "a fold beyond the last": (["data=digits:fold=6of5"], "data=digits:fold=6of5", "write fold=2of5"),
    "draws that become nothing": (["draws=5"], "draws=5", "majority:5 or mean:5"),
    "unknown rule of draws": (["draws=man:5"], "draws=man:5", "'mean'"),
    "draws without a number": (["draws=majority"], "draws=majority", "from 2 to 10000"),
    "one draw of a majority": (["draws=majority:1"], "draws=majority:1", "from 2 to 10000"),
    "majority of values": (["draws=majority:5", "data=diabetes", "criterion=within:5"], "draws=majority:5", "mean:5"),
    "draws and a curve": (["draws=mean:5", "curve"], "draws=mean:5", "--robust-curve needs"),
    "draws and a bound": (["draws=1", "certify=ibp"], "draws=1", "--robust-certify needs"),
    "draws and a cheaper copy": (["draws=1", "suite=quick-1", "search=fold"], "draws=1", "--robust-search needs"),
    "no samples": (["samples=0"], "samples=0", "or all"),
    "seed": (["seed=x"], "seed=x", "0 or more"),
    "draw": (["draw=x"], "draw=x", "0 or more"),
    "negative seed": (["seed=-1"], "seed=-1", "0 or more"),
    "seed of 19 digits": (["seed=1000000000000000000"], "seed=1000000000000000000", "18 digits"),
    "batch of none": (["batch-size=0"], "batch-size=0", "1 or more"),
    "unknown device": (["device=gpu"], "device=gpu", "cuda:1"),
    "percent as a share": (["fail-under=0.4"], "fail-under=0.4", "40?"),
    "percent": (["fail-under=140"], "fail-under=140", "from 0 to 100"),
    "percent of a scope": (["fail-under=clean:0.8"], "fail-under=clean:0.8", "80?"),
    "no percent": (["fail-under=clean"], "fail-under=clean", "got clean"),
    "unknown scope": (["fail-under=pdg:40"], "fail-under=pdg:40", "'pgd'"),
    "scope of another eps": (["fail-under=linf-0.16:40"], "fail-under=linf-0.16:40", "'linf-0.15'"),
    "scope of other steps": (["attack=pgd:steps=5", "fail-under=pgd-steps4:9"], "fail-under=pgd-steps4:9", "steps5"),
    "scope of another suite": (["suite=quick-1", "fail-under=fast:40"], "fail-under=fast:40", "quick"),
    "unknown rule": (["fail-on=cl"], "fail-on=cl", "figure or ci"),
    "unknown verdict": (["verdict=good"], "verdict=good", "trusted, suspect or none"),
    "accepted what is no finding": (["accept=nondet"], "accept=nondet", "nondeterministic"),
    "tolerance of nothing": (["compare-fail=robust_acc:2pp"], "compare-fail", "--robust-compare=latest"),
    "unknown accuracy": (["compare=latest", "compare-fail=acc:2pp"], "compare-fail=acc:2pp", "'acc'"),
    "no points": (["compare=latest", "compare-fail=clean_acc:2"], "compare-fail=clean_acc:2", "percentage points"),
    "two tolerances": (["compare=latest", "compare-fail=clean_acc:2pp,clean_acc:1pp"], "compare-fail", "given twice"),
    "a file as the name to save under": (["save=net.py"], "save=net.py", "no file has"),
    "a path as the name to save under": (["save=a/b"], "save=a/b", "letters, digits"),
    "no evidence": (["evidence=0"], "evidence=0", "1 or more"),
    "gallery": (["gallery=few"], "gallery=few", "0 or more"),
    "fresh": (["fresh=-1"], "fresh=-1", "0 or more"),
    "someone's README": (["leaderboard=."], "leaderboard=.", "README.md"),
    "leaderboard is a file": (["leaderboard=net.py"], "leaderboard=net.py", "is a file"),
}
LINES = Path(__file__).with_name("messages.txt").read_text().splitlines()


def refusal(folder, name):
    """Return the message of pytest for what is typed."""
    typed, *_ = WRONG[name]
    models = [] if any(text.startswith("model=") for text in typed) else [NET]
    with pytest.raises(pytest.UsageError) as caught, raise_usage_errors():
        read(folder, *models, *typed)
    return str(caught.value)


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_names_its_option(name, folder):
    _, option, word = WRONG[name]
    line = refusal(folder, name)

    assert line.startswith(f"--robust-{option}")
    assert word in line
    assert "\n" not in line


def test_the_messages_are_those_of_the_file(folder):
    """Compare without the lists of names: a new attack is no new message."""
    lines = [f"{name} | {refusal(folder, name).replace(str(folder), 'HERE')}" for name in WRONG]

    assert [re.sub(r"Known: [^;]*", "Known: ...", line) for line in lines] == LINES


def test_what_is_known_is_what_users_write(folder):
    known = refusal(folder, "patch by another name").partition("Known: ")[2].split(", ")

    assert known == sorted(TYPED)
    assert not {"product", "universal-patch"} & {*known}


def test_the_same_mistake_in_an_ini_file_is_told_the_same(folder):
    for name in ("unknown norm", "seed", "percent as a share"):
        with pytest.raises(SettingsError) as caught:
            read(folder, NET, ini=WRONG[name][0])
        assert caught.value.line("--robust-") == refusal(folder, name)


def test_a_command_calls_its_options_by_other_names(folder):
    with pytest.raises(SettingsError) as caught:
        read(folder, NET, "device=gpu")

    assert caught.value.line("--") == "--device=gpu: expected auto, cpu, cuda, cuda:1 or mps"


def test_a_hostile_text_reaches_no_terminal(folder):
    with pytest.raises(pytest.UsageError) as caught, raise_usage_errors():
        read(folder, NET, "threat=\x1b[2Jlinf:0.1" + "0" * 5000)

    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1100
