"""Words that people of the field type: each leads, in one line, to the word that is meant."""

from pathlib import Path

import pytest

from robust.attacks.factory import make
from robust.attacks.registry import suggest
from robust.attacks.suite import read_suite
from robust.attacks.synonyms import SYNONYMS, look_up_synonym, plain
from robust.attacks.words import canonical_threat
from robust.data.factory import open_data
from robust.models.spec import ModelSpec
from robust.settings.attack_plan import _read_attack
from robust.settings.values import read_training


def read_data(text):
    return open_data(text, Path()).name


def suite(text):
    return read_suite(text, Path()).name


# What is typed, and the text that must stand in the answer.
ATTACKS = {
    "PGD": "'pgd'", "PGD:steps=5": "'pgd'", "AutoAttack": "--robust-suite=standard-1", "CW": "'cw'",
    "autoattack": "--robust-suite=standard-1", "auto-attack": "--robust-suite=standard-1", "apgd-ce": "write apgd",
    "APGD-DLR": "write apgd:loss=dlr", "apgd_dlr": "write apgd:loss=dlr", "apgd-t": "apgd:loss=dlr:targets=9",
    "FAB-T": "fab:targets=9", "Square Attack": "write square", "DeepFool": "'deepfool'", "C&W": "write cw",
    "ifgsm": "write bim", "I-FGSM": "write bim", "pgd-40": "write pgd:steps=40", "PGD20": "write pgd:steps=20",
    "MI-FGSM": "'mifgsm'", "mim": "write mifgsm", "madry": "write pgd", "linf-pgd": "write pgd",
    "pgd(steps=40)": "write pgd:steps=40", "pgd steps=40": "write pgd:steps=40", "jsma": "torchattacks:NAME",
    "standard-1": "--robust-suite=standard-1", "pgd-at": "--robust-train=pgd-at", "gaussian_noise": "write noise",
}  # fmt: skip
SUITES = {
    "autoattack": "write standard-1", "AutoAttack": "write standard-1", "aa": "write standard-1",
    "Standard-1": "'standard-1'", "standard_1": "'standard-1'", "standard": "'standard-1'", "quick": "'quick-1'",
    "pgd": "--robust-attack=pgd", "pgd:steps=4": "--robust-attack=pgd:steps=4",
}  # fmt: skip
THREATS = {
    "8/255": "as linf:8/255", "Linf:8/255": "write linf:8/255", "L2:0.5": "write l2:0.5", "L1:12": "write l1:12",
    "inf:8/255": "write linf:8/255", "linf=8/255": "write linf:8/255", "l_inf:8/255": "write linf:8/255",
    "LINF 0.03": "write linf:0.03", "0.03": "as linf:0.03", "8": "as linf:8/255", "2:0.5": "as l2:0.5",
    "eps=8/255": "write linf:8/255", "linf-8_255": "write linf:8/255", "linf:8_255": "write linf:8/255",
    "linf8/255": "write linf:8/255", "linf(8/255)": "write linf:8/255", "l∞:8/255": "write linf:8/255",
    "linf:8/255+L2:0.5": "write l2:0.5", "euclidean:1": "write l2:1", "Linf": "'linf'", "l3:1": "unknown norm",
    "8/0": "unknown norm",
}  # fmt: skip
RECIPES = {
    "PGD-AT": "'pgd-at'", "pgd_at": "'pgd-at'", "pgdat": "'pgd-at'", "TRADES:beta=6": "'trades'", "Mart": "'mart'",
    "madry": "write pgd-at", "pgd": "write pgd-at", "adversarial": "write pgd-at", "free-at": "write free",
    "clean": "write standard", "none": "write as-is", "As-Is": "'as-is'", "trades_awp": "write trades+awp",
    "trades+AWP": "'awp'",
}  # fmt: skip
DATA = {
    "CIFAR10": "'cifar10'", "cifar-10": "'cifar10'", "CIFAR-100": "'cifar100'", "MNIST": "'mnist'",
    "FashionMNIST": "'fashion-mnist'", "fmnist": "write fashion-mnist", "imagenet": "write imagefolder:DIR",
    "SVHN": "write imagefolder:DIR",
}  # fmt: skip
OPTIONS = {
    "pgd:iters=4": "write steps", "pgd:num_steps=4": "write steps", "pgd:alpha=2/255": "write stride",
    "pgd:eps=8/255": "--robust-threat=linf:8/255", "pgd:epsilon=0.1": "--robust-threat=linf:8/255",
    "pgd:n_restarts=3": "write restarts", "pgd:Steps=4": "'steps'", "pgd:random_start=true": "write start",
    "square:n_queries=100": "write steps", "apgd:loss=CE": "'ce'", "apgd:loss=cross_entropy": "write ce",
}  # fmt: skip
TABLES = [
    (_read_attack, ATTACKS), (suite, SUITES), (canonical_threat, THREATS), (read_training, RECIPES), (read_data, DATA),
    (make, OPTIONS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("read", "text", "answer"),
    [pytest.param(read, *pair, id=f"{read.__name__} {pair[0]}") for read, table in TABLES for pair in table.items()],
)
def test_a_word_leads_to_the_right_one(read, text, answer):
    with pytest.raises((ValueError, LookupError)) as caught:
        read(text)

    line = str(caught.value.args[0])
    assert answer in line
    assert "\n" not in line


@pytest.mark.parametrize("kind", SYNONYMS)
def test_no_word_is_twice_in_the_table_and_each_is_plain(kind):
    words = [word for known in SYNONYMS[kind] for word in known.split()]

    assert len({*words}) == len(words)
    assert all(plain(word) == word for word in words)


def answers(kind):
    """Return what the table says to type, without what explains it."""
    found = {answer.partition(",")[0].partition(" ")[0] for answer in SYNONYMS[kind].values()}
    return sorted(answer for answer in found if "NAME" not in answer and "--" not in answer)


@pytest.mark.parametrize(
    ("kind", "read"),
    [("attack", make), ("suite", suite), ("training recipe", read_training)],
    ids=["attack", "suite", "recipe"],
)
def test_what_the_table_says_can_be_typed(kind, read):
    assert [read(answer) for answer in answers(kind)]


def test_a_name_of_ones_own_comes_before_the_table():
    assert suggest("Auto-Attack", ["autoattack"], "attack").startswith("'Auto-Attack', did you mean 'autoattack'?")
    assert look_up_synonym("attack", "no-such-word") == ""
    assert look_up_synonym("no such kind", "pgd") == ""


MODELS = {
    "net.py::make": "as net.py:make", "net.py::Net(width=2)": "as net.py:Net(width=2)", "net.py.make": "net.py:make",
    "net.py#make": "net.py:make", "net.py make": "net.py:make", "net": "as net.py:make", "net.make": "write net:make",
    "resnet18": "torchvision:resnet18", "resnet50": "torchvision:resnet50 or timm:resnet50", "cnn": "zoo:cnn",
    "CNN": "zoo:cnn", "timm/resnet18": "write timm:resnet18", "torchvision.models.resnet18": "torchvision:resnet18",
    "Torchvision:resnet18": "write torchvision:resnet18", "zoo:CNN": "'cnn'", "zoo:wrn-28-10": "wideresnet-28-10",
    "localhost:8000/predict": "write http://localhost:8000/predict", "nope.py:make": "FILE.py:FACTORY",
    "nope.pt": "no such file", "pkg.net:make": 'pythonpath = ["src"]', "pkg:make": 'pythonpath = ["src"]',
    "pkg.none:make": "PACKAGE.MODULE:FACTORY",
}  # fmt: skip


@pytest.mark.parametrize("text", MODELS)
def test_a_model_that_is_not_found_leads_to_the_right_spec(tmp_path, text):
    (tmp_path / "net.py").write_text("")
    (tmp_path / "src" / "pkg").mkdir(parents=True)
    for name in ("__init__", "net"):
        (tmp_path / "src" / "pkg" / f"{name}.py").write_text("")

    with pytest.raises((ValueError, LookupError)) as caught:
        ModelSpec.parse(text, tmp_path)
    assert MODELS[text] in str(caught.value.args[0])


def test_spaces_around_the_stroke_are_no_mistake():
    assert canonical_threat("linf: 8 / 255") == "linf:8/255"
