"""The door as a user meets it: each form in which people have models and data, its figure or line, verdict and exit."""

from fnmatch import fnmatch

import pandas as pd
import pytest

from tests.plugin import forms_of_deployment
from tests.plugin.forms_of_answers import TEN, TWO
from tests.plugin.forms_of_data import PIXELS, REFUSED, TAKEN
from tests.plugin.forms_of_modules import COMPILED, HALVES_AND_DOUBLES, LOW_PRECISION, QUANTISED, import_compiler
from tests.plugin.forms_of_state import DOUBTED, NOTES, SAME

BASE = """
from pathlib import Path
import torch
from safetensors.torch import load_file
from torch import nn
from tests.plugin import forms_of_deployment, forms_of_state
from tests.plugin.forms_of_answers import REFUSED, TEN, TWO, Formed, NeedsMask
from tests.plugin.forms_of_modules import make

class Columns(nn.Module):
    def __init__(self, network, columns):
        super().__init__()
        self.network, self.columns = network, columns
    def forward(self, x):
        return self.network(x)[:, self.columns]

def shipped(form):
    return {**forms_of_deployment.DEPLOYED, **forms_of_deployment.JUDGED}[form](ten())

def ten(form=None):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    net.load_state_dict(load_file(Path(__file__).with_name("weights.safetensors")))
    return Formed(net, {**TEN, **REFUSED}[form]) if form else net

def two(form=None):
    net = Columns(ten(), [3, 5])
    return Formed(net, {**TWO, **REFUSED}[form]) if form else net

def state(form):
    torch.manual_seed(0)
    return {**forms_of_state.SAME, **{form: kind[0] for form, kind in forms_of_state.DOUBTED.items()}}[form](ten())

def other(name):
    return getattr(forms_of_state, name)(ten())


def deployed(form):
    return make(ten(), form)

def conv():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10))

def needs_mask():
    return NeedsMask(ten())
"""
DATA = "from tests.plugin.forms_of_data import *\n\ndef load():\n    return {call}()\n"
TEN_CLASSES, TWO_CLASSES = "--robust-data=digits", "--robust-data=digits:only=3+5"
FAST = ("--robust-only", "--robust-gallery=0")


@pytest.fixture
def base(folder):
    (folder / "base.py").write_text(BASE)
    return folder


@pytest.fixture
def rows(run, base):
    """Return a function that runs models of base.py; it returns the exit status and the rows by model."""

    def rows(models, *args):
        result = run(*(f"--robust-model=base.py:{model}" for model in models), *FAST, *args, fast=False, checked=True)
        table = pd.read_csv(base / "leaderboard" / "results.csv").query("attack == 'all'").set_index("model")
        return result, table[["clean_percent", "robust_percent", "verdict"]]

    return rows


@pytest.mark.slow  # a row takes a second of checks; the forms alone are tested in models/test_output.py
@pytest.mark.parametrize(("plain", "forms", "data"), [("ten", TEN, TEN_CLASSES), ("two", TWO, TWO_CLASSES)])
def test_every_form_of_answers_has_the_figures_and_the_verdict_of_the_plain_network(rows, plain, forms, data):
    models = [plain, *(f"{plain}({form!r})" for form in forms)]
    result, table = rows(models, data, "--robust-samples=60", "--robust-suite=quick-1")

    assert (result.ret, len(table)) == (0, len(models))
    assert len({*map(tuple, table.to_numpy().tolist())}) == 1
    assert table.verdict.iloc[0] == "trusted"


LINES = {
    "ten('two-tensors')": "with 0 [16, 10], 1 [16, 10]; say which tensor ... --robust-output=0 or --robust-output=1",
    "ten('none-fits')": "with features [16, 3], none of which is for 10 classes",
    "ten('classes')": "with logits of shape [2, 10], got shape [2]",
    "needs_mask": "give mask in a model of three lines ... super().forward(x, mask=...)",
    "two('one-share')": "from 0 to 1; say what it is: --robust-output=probability or --robust-output=logit",
}


@pytest.mark.parametrize("model", LINES)
def test_answers_that_may_mean_two_things_are_asked_for_in_one_line(run, base, model):
    data = TWO_CLASSES if model.startswith("two") else TEN_CLASSES
    result = run(f"--robust-model=base.py:{model}", data, *FAST)

    assert result.ret == 4
    assert len([*filter(None, result.errlines)]) == 1
    assert result.errlines[0].startswith(f"ERROR: --robust-model=base.py:{model}: ")
    assert all(part in result.errlines[0] for part in LINES[model].split(" ... "))


@pytest.mark.parametrize(
    ("model", "output"),
    [("ten('two-tensors')", "1"), ("ten('two-tensors')", "0:logit"), ("two('one-share')", "probability")],
)
def test_the_user_says_what_the_answers_are(rows, model, output):
    data = TWO_CLASSES if model.startswith("two") else TEN_CLASSES
    plain = model.partition("(")[0]
    attack = ("--robust-samples=30", "--robust-attack=fgsm:loss=margin", "--robust-verdict=none")
    _, before = rows([plain], data, *attack)
    _, after = rows([model], data, *attack, f"--robust-output={output}")

    assert before.iloc[0, :2].tolist() == after.iloc[-1, :2].tolist()


@pytest.fixture
def form(base, run, monkeypatch):
    """Return a function that runs the plain model on a form of data."""
    monkeypatch.setattr("sys.dont_write_bytecode", True)  # two files of one size within a second are one to Python

    def form(table, name, *args, options="", checked=False):
        take = "[0]" if table != "PIXELS" else ""
        (base / "data.py").write_text(DATA.format(call=f"{table}[{name!r}]{take}"))
        words = (f"--robust-data=data.py:load{options}", "--robust-threat=linf:0.15", "--robust-attack=fgsm")
        return run("--robust-model=base.py:ten", *words, *FAST, *args, fast=False, checked=checked)

    return form


@pytest.mark.parametrize("name", REFUSED)
def test_data_that_cannot_be_used_are_refused_in_one_line(form, name):
    result = form("REFUSED", name)

    assert result.ret == 4
    (line,) = filter(None, result.errlines)
    blamed = ("data=data.py:load", "model=base.py:ten", "criterion", "threat=linf:0.15")
    assert line.startswith(tuple(f"ERROR: --robust-{option}: " for option in blamed))
    assert REFUSED[name][1] in line


@pytest.mark.slow  # that each form holds the same samples is tested in data/test_forms.py
def test_every_form_of_data_has_the_figures_and_the_verdict_of_the_arrays(form, base):
    figures = set()
    for table, name in [*(("TAKEN", name) for name in TAKEN), *(("PIXELS", name) for name in PIXELS)]:
        result = form(table, name, checked=True)
        row = pd.read_csv(base / "leaderboard" / "results.csv").iloc[-1]
        assert result.ret == 0, name
        figures.add((row.clean_percent, row.robust_percent, row.verdict))
        note = TAKEN[name][1] if table == "TAKEN" else "divided by 255"
        if note:
            result.stdout.fnmatch_lines([f"read data.py:load: *{note.replace('[', '[[]')}*"])

    assert len(figures) == 1


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("X[Y < 8], Y[Y < 8]", "10 classes, as base-ten answers; the labels need 8"),
        ("X[Y < 8], Y[Y < 8] + 1", "labels count from 1"),
    ],
)
def test_the_model_says_how_many_classes_there_are(base, run, body, note):
    (base / "data.py").write_text(f"from tests.plugin.forms_of_data import *\n\ndef load():\n    return {body}\n")
    first = ":first=1" if "+ 1" in body else ""
    words = (f"--robust-data=data.py:load{first}", "--robust-threat=linf:0.15", "--robust-attack=fgsm", *FAST)
    result = run("--robust-model=base.py:ten", *words, fast=False)

    assert result.ret == 0
    result.stdout.fnmatch_lines([f"read data.py:load*: *{note}*"])


@pytest.mark.parametrize(
    ("body", "option", "line"),
    [
        ("(X - 0.5) / 0.25, Y", "--robust-normalize=0.5/0.25", "take the normalisation out of the data"),
        ("X, (Y == 3).astype(float)", "", "say so with --robust-output=logit or --robust-output=probability"),
        ("X[:, 0], Y", "", "An image has a channel axis"),
    ],
)
def test_a_line_tells_the_way_on(base, run, body, option, line):
    (base / "data.py").write_text(f"from tests.plugin.forms_of_data import *\n\ndef load():\n    return {body}\n")
    model = "two('one-logit')" if "Y ==" in body else "conv" if ":, 0" in body else "ten"
    words = ("--robust-data=data.py:load", "--robust-threat=linf:0.15", *filter(None, [option]))
    result = run(f"--robust-model=base.py:{model}", *words)

    assert result.ret == 4
    assert line in result.errlines[0]


DEPLOYED = {  # form: (what is said as it is loaded, the verdict, the exit status)
    **dict.fromkeys(HALVES_AND_DOUBLES, ("its parameters, *, become float32", "trusted", 0)),
    **dict.fromkeys(LOW_PRECISION, ("", "trusted", 0)),
    "cast-double": ("", "trusted", 0),
    "dynamic": ("attacked by queries, *; its answers depend on the batch *", "trusted", 0),
    "static": ("its parameters are quantised: it is attacked by queries, *", "trusted", 0),
    "subclass": ("its parameters are quantised: it is attacked through its gradient", "trusted", 0),
    **dict.fromkeys(COMPILED, ("torch.compile: it is attacked in its eager form, *", "trusted", 0)),
}
ATTACKED_BY_QUERIES = ("dynamic", "static")


@pytest.fixture(scope="module")
def compiler():
    """Import the compiler before pytester notes what is imported, and forgets the rest."""
    import_compiler()


@pytest.mark.usefixtures("compiler")
@pytest.mark.slow  # torch.compile takes up to a minute, and queries of int8 ten seconds
@pytest.mark.parametrize("form", [*HALVES_AND_DOUBLES, *LOW_PRECISION, *QUANTISED, *COMPILED])
def test_a_deployed_network_has_the_figures_of_the_plain_one(rows, form):
    note, verdict, status = DEPLOYED[form]
    model = f"deployed({form!r})"
    words = (TEN_CLASSES, "--robust-samples=60", "--robust-suite=quick-1", "--robust-threat=linf:0.1")
    result, table = rows(["ten", model], *words)
    plain, row = table.loc["base-ten"], table.drop("base-ten").iloc[0]

    assert (result.ret, row.verdict) == (status, verdict)
    assert abs(row.clean_percent - plain.clean_percent) < 4  # rounding may change two samples of sixty
    low = plain.robust_percent - 4
    assert low < row.robust_percent < (row.clean_percent if form in ATTACKED_BY_QUERIES else low + 8)
    if note:
        result.stdout.fnmatch_lines([f"loaded base.py:{model.replace('[', '[[]')}: *{note}*"])


# Models that are not worth an attack: what becomes of the inputs x and the answers of the plain network; the reason.
NOT_ATTACKED = {
    "turned": ("net(x.flip(-1, -2))", "picture-order: *with the inputs turned by 180 degrees"),
    "mirrored": ("net(x.flip(-1))", "picture-order: *with the inputs mirrored left to right"),
    "upside_down": ("net(x.flip(-2))", "picture-order: *with the inputs mirrored top to bottom"),
    "quarter": ("net(x.rot90(1, (-2, -1)))", "picture-order: *with the inputs turned by 90 degrees to the right"),
    "negative": ("net(1 - x)", "picture-order: *with the inputs inverted"),
    "bytes": ("net(x / 255)", "normalisation: *with the inputs times 255"),
    "from_one": ("net(x).roll(1, 1)", "labels-permuted: *"),
    "untrained": ("net(0 * x)", "guessing: *"),
    "nan": ("net(x) / 0 * 0", "not-finite: *"),
}
FORMS = """
from base import nn, ten

class Form(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.net, self.change = ten(), change
    def forward(self, x):
        return self.change(self.net, x)

"""


def test_a_model_that_is_not_worth_an_attack_is_not_attacked(run, base):
    makers = [f"def {name}():\n    return Form(lambda net, x: {body})" for name, (body, _) in NOT_ATTACKED.items()]
    (base / "forms.py").write_text(FORMS + "\n".join(makers))
    models = (f"--robust-model=forms.py:{name}" for name in NOT_ATTACKED)
    result = run(*models, *FAST, "--robust-samples=200", "--robust-suite=standard-1", fast=False, checked=True)

    n = len(NOT_ATTACKED)
    result.assert_outcomes(passed=n - 1, failed=3 * n + 1)  # test_clean passes but for NaN
    lines = [line for line in result.outlines if line.startswith("not attacked, ")]
    assert len(lines) == 2 * n
    for (_, reason), line in zip(NOT_ATTACKED.values(), lines[::2], strict=True):
        assert fnmatch(line, f"not attacked, since no figure could mean anything: {reason}*--robust-accept=*"), line
    assert not (base / "leaderboard").exists()


JUDGED_BY = [
    ("no-gradient", "no gradient leads from the model's answers to its inputs"),
    ("nondeterministic", "logits of the same inputs differ by up to"),
]
QUICK = ("--robust-samples=60", "--robust-suite=quick-1")


@pytest.mark.slow  # a row takes a second of checks; the forms alone are tested in models/test_forward.py
def test_every_form_of_state_has_the_figures_and_the_verdict_of_the_plain_network(rows):
    models = ["ten", *(f"state({form!r})" for form in SAME)]
    result, table = rows(models, TEN_CLASSES, *QUICK)

    assert (result.ret, len(table)) == (0, len(models))
    assert len({*map(tuple, table.to_numpy().tolist())}) == 1
    result.stdout.fnmatch_lines_random([f"loaded *state('{form}'): *{note}*" for form, note in NOTES.items()])


@pytest.mark.slow  # findings and figures are tested in trust/test_preflight.py and models/test_forward.py
def test_answers_that_depend_on_a_state_are_never_trusted(rows):
    result, table = rows([f"state({form!r})" for form in DOUBTED], TEN_CLASSES, *QUICK)

    assert result.ret == 1
    assert {*table.verdict} == {"suspect", "broken"}
    lines = [f"{finding}: *{said}*" for _, finding, said in DOUBTED.values()]
    result.stdout.fnmatch_lines_random(lines)


@pytest.mark.slow  # a row takes a second of checks; the forms alone are tested in models/test_deployment.py
def test_every_form_of_deployment_has_the_figures_and_the_verdict_of_the_plain_network(rows):
    models = ["ten", *(f"shipped({form!r})" for form in forms_of_deployment.DEPLOYED)]
    result, table = rows(models, TEN_CLASSES, *QUICK)

    assert (result.ret, len(table)) == (0, len(models))
    assert len({*map(tuple, table.to_numpy().tolist())}) == 1
    result.stdout.fnmatch_lines_random(
        [
            "loaded *shipped('exported-fixed'): it takes batches of 1 only, *",
            "loaded *shipped('lazy'): its lazy layers got their shapes from a few samples",
        ]
    )


@pytest.mark.slow
def test_deployed_models_without_a_gradient_or_with_draws_fail_in_one_line(run, base):
    models = (f"--robust-model=base.py:shipped({form!r})" for form in forms_of_deployment.JUDGED)
    result = run(*models, TEN_CLASSES, *QUICK, fast=False, checked=True)

    assert result.ret == 1
    result.stdout.fnmatch_lines_random([f"{name}: {said}*" for name, said in JUDGED_BY])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_batch_that_is_too_large_is_told_with_one_that_fits(run, base):
    result = run("--robust-model=base.py:other('Rows')", TEN_CLASSES, *FAST, "--robust-samples=60", "-k", "clean")

    assert result.ret == 1
    result.stdout.fnmatch_lines(["the model does not take 60 samples at once: *; it takes 30: --robust-batch-size=30"])


def test_a_run_whose_rows_were_not_made_does_not_pass(run, base):
    words = ("--robust-samples=30", "--robust-attack=fgsm", "-k", "attack or trust")
    result = run("--robust-model=base.py:other('Remade')", TEN_CLASSES, *FAST, *words, fast=False, checked=True)

    result.assert_outcomes(passed=2)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED *test_trust was not, so there is no row; something changed its weights*"])
