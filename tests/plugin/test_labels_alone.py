"""Models that answer with labels alone: the default attack, queries that are counted, and runs that go on."""

import signal
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.models.serving import serving
from tests.plugin.test_foreign import BLACK, only_record
from tests.plugin.test_main_job import records

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
LABELS = "--robust-model=blackbox:black.py:labels"
FEW = ("--robust-samples=30", "--robust-verdict=none")
QUERIES = "--robust-queries=150"


@pytest.fixture
def black(folder):
    (folder / "black.py").write_text(BLACK)
    return folder


@pytest.mark.parametrize("threat", ["linf:0.15", "l2:0.5"])
def test_by_default_it_is_attacked_by_labels_and_told_beforehand(run, black, threat):
    result = run(LABELS, f"--robust-threat={threat}", QUERIES, *FEW, fast=False)

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "robust: the attacks ask black-labels for at most 252 answers a sample, 7,560 for 30 samples, and fewer *",
            "black-labels (as-is), square:steps=148, robust by queries of a sample:*",
            "*the model answers with labels alone, so it is run as decision:steps=148",
        ]
    )
    record = only_record(black)
    attack = {attack.name: attack for attack in record.attacks}["square:steps=148"]
    assert attack.options == {"steps": 148}
    assert attack.asked <= 150
    assert 0 < attack.adversarial.sum() < 30
    queries = attack.columns["queries"]
    np.testing.assert_array_equal((queries > 0) & np.isfinite(queries), attack.adversarial)
    np.testing.assert_array_equal(queries == 0, ~record.correct)
    assert queries[np.isfinite(queries)].max() <= 150
    page = (black / "leaderboard" / "index.html").read_text()
    assert "Accuracy against queries: black-labels" in page
    assert "asked,queries_median" in (black / "leaderboard" / "results.csv").read_text()


def test_an_attack_that_is_named_is_run_as_it_is(run, black):
    run(LABELS, "--robust-attack=square:steps=20", *FEW, fast=False).assert_outcomes(passed=2)

    (attack,) = only_record(black).attacks
    assert attack.options["area"] == 0.8
    assert attack.asked == 22


def test_what_answers_with_scores_is_attacked_by_these_as_often(run, black):
    run("--robust-model=blackbox:black.py:make", QUERIES, *FEW, fast=False).assert_outcomes(passed=3)

    attack = {attack.name: attack for attack in only_record(black).attacks}["square:steps=148"]
    assert attack.options["loss"] == "margin"
    assert attack.asked <= 150


def test_the_queries_reach_the_junit_file(run, black):
    run(LABELS, QUERIES, *FEW, "--junit-xml=junit.xml", fast=False)

    assert '<property name="robust.queries_of_a_sample" value="150"' in (black / "junit.xml").read_text()


KILL = """
import os, signal
from robust.models.http_client import Client

post, sent = Client._post, []

def post_and_die(self, body):
    content = post(self, body)
    sent.append(body)
    if len(sent) == {requests}:
        os.kill(os.getpid(), signal.SIGKILL)
    return content

Client._post = post_and_die
"""


class Labels:
    """The labels of a linear model; `shift` is added to them."""

    def __init__(self, folder):
        self.weights, self.shift = load_file(folder / "weights.safetensors"), 0

    def __call__(self, x):
        scores = x.reshape(len(x), -1) @ self.weights["1.weight"].T + self.weights["1.bias"]
        return {"labels": ((scores.argmax(1) + self.shift) % 10).tolist()}


@UNIX
def test_killed_it_goes_on_and_asks_nothing_twice(pytester, fork_run, folder):
    run = ("--robust-threat=linf:0.1", QUERIES, *FEW, "--robust-leaderboard=whole")
    with serving(Labels(folder)) as server:
        model = f"--robust-model={server.url}#batch=16"
        fork_run(model, *run).assert_outcomes(passed=3)
        whole = sum(server.sizes)
        assert not [*(folder / ".robust" / "answers").iterdir()]

        server.sizes.clear()
        for requests in (20, 60):
            pytester.makeconftest(KILL.format(requests=requests))
            assert fork_run(model, *run[:-1]).ret == -signal.SIGKILL
        killed = sum(server.sizes)
        result = fork_run(model, *run[:-1], "--noconftest")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["loaded http://*: * answers of a run that was stopped are taken before it is asked"])
    # Twice it is asked anew for eight fixed inputs and at most 32 samples, to know it by, and a request was lost.
    again = 2 * (8 + 32 + 16)
    assert killed > 200
    assert whole <= sum(server.sizes) <= whole + again
    (first,), (second,) = records(folder / "whole").values(), records(folder / "leaderboard").values()
    assert first.same_outcomes(second)
    assert not [*(folder / ".robust" / "answers").iterdir()]


@UNIX
def test_another_model_at_the_address_is_asked_anew(pytester, fork_run, folder):
    run = ("--robust-threat=linf:0.1", QUERIES, *FEW)
    labels = Labels(folder)
    with serving(labels) as server:
        pytester.makeconftest(KILL.format(requests=30))
        fork_run(f"--robust-model={server.url}", *run)
        labels.weights["1.weight"][:] *= np.linspace(0.5, 2, 64, dtype=np.float32)
        result = fork_run(f"--robust-model={server.url}", *run, "--noconftest")

    result.stdout.no_fnmatch_line("*are taken before it is asked*")


def test_a_budget_that_is_spent_keeps_the_answers_and_says_so(run, folder):
    with serving(Labels(folder)) as server:
        words = ("--robust-threat=linf:0.1", QUERIES, *FEW)
        spent = run(f"--robust-model={server.url}#budget=900", *words, fast=False)
        asked = sum(server.sizes)
        rest = run(f"--robust-model={server.url}#budget=90000", *words, fast=False)

    spent.stdout.fnmatch_lines(["*; its budget is 900 a process, and a run that has spent it goes on with a larger *"])
    spent.stdout.fnmatch_lines(["*of its budget of 900 are spent*"])
    rest.assert_outcomes(passed=3)
    rest.stdout.fnmatch_lines(["loaded http://*: * answers of a run that was stopped are taken before it is asked"])
    assert asked > 700
