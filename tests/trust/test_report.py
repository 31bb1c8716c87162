"""The tables of `make gauntlet`: what they say of a model, and how they count."""

from collections import Counter

import numpy as np
import torch
from torch import nn

from robust.records.trust import Finding, TrustReport
from tests.trust import faults
from tests.trust.cases import make_defence, samples
from tests.trust.report import SUMMARY, choose, count, format_summary, format_told
from tests.trust.telling import Told, counted, load_at_door


def make_told(*findings, mitigated=59.0):
    report = TrustReport(findings, (), (), (), 0.0)
    return Told(clean=93.0, plain=80.0, mitigated=mitigated, report=report, passes=1234, seconds=2.5)


STAYED = Finding("wrong-gradient", "broken", 0.5, "seen", "do this")
DISMISSED = Finding("shattered-gradient", "trusted", 0.5, "seen", "dismissed: an attack broke 0 of 60 samples")
NOTE = Finding("few-samples", "trusted", 20.0, "seen", "take more")
CASE = make_defence("case", "mlp", "wrong-gradient keeps-state", lambda module: module)


def test_a_line_has_the_figures_the_verdict_and_the_reasons():
    line = format_told("name", "a-kind", "linf:0.15", make_told(STAYED, DISMISSED, NOTE), 58.5)

    reasons = "wrong-gradient, (shattered-gradient dismissed), (few-samples)"
    assert line == f"| name | a-kind | linf:0.15 | 93.0 | 80.0 | 58.5 | 59.0 | broken* | {reasons} | 1234 | 2.5 |"


def test_a_defence_is_found_by_a_doubt_that_stays():
    assert count(CASE, make_told(STAYED), 58.0) == Counter(n=1, **dict.fromkeys(SUMMARY[1:], 1))
    assert count(CASE, make_told(DISMISSED), 58.0) == Counter({"n": 1, SUMMARY[3]: 1, SUMMARY[4]: 1})
    assert count(CASE, make_told(NOTE), 56.0) == Counter(n=1)


def test_counts_are_summed_over_the_kinds():
    lines = [*format_summary({"a": Counter({"n": 2, SUMMARY[1]: 1}), "b": Counter({"n": 1, SUMMARY[1]: 1})})]

    assert [line.split(" | ")[:2] for line in lines[2:]] == [
        ["| a", "1 of 2"],
        ["| b", "1 of 1"],
        ["| all", "2 of 3"],
    ]


def test_names_are_chosen_by_patterns():
    assert choose(["one", "two", "three"], ["t*"]) == ["two", "three"]
    assert choose(["one", "two"], []) == ["one", "two"]


def test_an_honest_model_comes_through_the_door():
    """A user's harness reads logarithms of probabilities; so does the door."""
    x = torch.from_numpy(samples().x[:8])
    module = load_at_door(faults.Nearest(last=lambda z: z.log_softmax(1)))

    with torch.no_grad():
        assert not np.allclose(module(x).exp().sum(1), 1)


def test_passes_of_copies_count_and_those_for_gradients_count_three_times():
    net = nn.Linear(4, 2)
    with counted(net) as counter:
        net(torch.zeros(5, 4))
        net(torch.zeros(5, 4, requires_grad=True))
        with torch.no_grad():
            net(torch.zeros(5, 4, requires_grad=True))
        nn.Linear(4, 2)(torch.zeros(5, 4))
    assert counter.passes == 5 + 15 + 5
