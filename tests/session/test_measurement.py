"""Measurements are made once in a process: a test that runs again measures again, nothing else does."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn

from robust.evaluation.measure import AttackResult, CleanResult
from robust.evaluation.time_limit import Budget
from robust.session.case import Case
from robust.session.measurement import Measurements
from robust.session.per_module import PerModule
from robust.session.result import Result
from tests.session.making import data, samples, settings

OTHER = samples()


@dataclass(eq=True)
class Equal(nn.Module):
    """A module that equals every other of its class, and so has no hash."""

    def __post_init__(self):
        super().__init__()


@dataclass
class Item:
    nodeid: str = "net.py::test_attack"
    stash: dict = field(default_factory=dict)
    user_properties: list = field(default_factory=list)


def result(n, *, fault=(), faulty=0):
    faults = np.zeros(n, np.int8)
    faults[: len(fault)] = fault
    x_adv = np.zeros((0, 2), np.float32)
    found = AttackResult("fgsm", {}, np.zeros(n, bool), x_adv, faulty, faults, 1, 1, 0.1)
    return Result("linf:0.15", np.ones(n, bool), found)


class Counted(Measurements):
    """Measurements that run nothing: each run is counted, and returns a result of its own."""

    def __init__(self, make=result, clean_faulty=0):
        clean = CleanResult(np.ones(8, bool), clean_faulty)
        answers = SimpleNamespace(get_clean=lambda module, samples: clean)
        shared = {"models": None, "answers": answers, "ranks": None, "budget": Budget()}
        parts = SimpleNamespace(settings=settings(), data=data(), **shared)
        super().__init__(parts, show_bar=None)
        self.make, self.runs = make, []

    def run(self, case, name, threat, cache=None):
        self.runs.append(name)
        return self.make(len(case.samples))


@pytest.fixture
def case():
    return Case(Item(), settings().everything[0], nn.Identity(), samples(), 0)


def test_what_was_measured_is_found_by_module_samples_seed_attack_and_threat_model(case):
    measurements = Counted()
    first = measurements.get(case, "fgsm", "linf:0.15")

    assert measurements.get(case, "fgsm", "linf:0.15") is first
    assert measurements.runs == ["fgsm"]
    others = [replace(case, module=nn.Identity()), replace(case, samples=OTHER), replace(case, seed=1)]
    assert all(measurements.find(other, "fgsm", "linf:0.15") is None for other in others)
    assert measurements.find(case, "fgsm", "l2:0.5") is None
    assert measurements.find(case, "pgd:steps=5", "linf:0.15") is None


def test_what_was_measured_ahead_is_taken_once_and_a_test_that_runs_again_measures_again(case):
    measurements = Counted()
    ahead = measurements.get(case, "fgsm", "linf:0.15")

    assert measurements.take(case, "fgsm", "linf:0.15").result is ahead
    again = measurements.take(case, "fgsm", "linf:0.15").result
    assert again is not ahead
    assert measurements.runs == ["fgsm"] * 2
    assert measurements.get(case, "fgsm", "linf:0.15") is again
    assert measurements.take(case, "fgsm", "linf:0.15").result is not again


def test_a_test_that_measured_itself_leaves_its_result_to_the_others(case):
    measurements = Counted()
    taken = measurements.take(case, "fgsm", "linf:0.15").result

    assert measurements.get(case, "fgsm", "linf:0.15") is taken
    assert measurements.find(case, "fgsm", "linf:0.15").result is taken


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"faulty": 2}, "the model answered 2 of 8 samples with NaN or infinity (fgsm under linf:0.15)"),
        (
            {"fault": [1]},
            "fgsm under linf:0.15: 1 of 8 samples were not adversarial when their inputs were shown again",
        ),
    ],
)
def test_a_model_at_fault_fails_each_test_and_is_measured_once(case, made, message):
    measurements = Counted(lambda n: result(n, **made))

    for method in (measurements.take, measurements.get, measurements.get):
        with pytest.raises(pytest.fail.Exception) as failed:
            method(case, "fgsm", "linf:0.15")
        assert str(failed.value).startswith(message)
    assert measurements.runs == ["fgsm"]


def test_a_model_that_answers_clean_samples_wrongly_fails_the_test_too(case):
    with pytest.raises(pytest.fail.Exception, match="answered 3 of 8 samples with NaN"):
        Counted(clean_faulty=3).get(case, "fgsm", "linf:0.15")


def test_a_few_inputs_that_are_not_verified_are_a_warning(case):
    """One of 250 is less than half a percent."""
    many = replace(case, samples=samples(250))
    Counted(lambda n: result(n, fault=[1])).get(many, "fgsm", "linf:0.15")

    ((name, warning),) = case.item.user_properties
    assert name == "robust.warning"
    assert "1 samples were not adversarial when their inputs were shown again" in warning
    assert warning.endswith("they count as robust")


def test_an_attack_of_the_users_that_is_no_attack_is_one_line(case):
    with pytest.raises(pytest.fail.Exception, match="3: expected an attack, a spec such as"):
        Counted().measure(case, 3, "linf:0.15")


def test_equal_modules_are_two_and_need_no_hash():
    first, second, values = Equal(), Equal(), PerModule()

    assert first == second
    assert values.get(first, lambda: "a") == "a"
    assert values.get(second, lambda: "b") == "b"
    assert values.get(first, lambda: "c") == "a"
