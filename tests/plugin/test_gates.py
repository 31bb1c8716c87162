import shlex
import sys

import pytest

from robust.cli import main
from tests.plugin.conftest import UNCHECKED

MODEL = "--robust-model=net.py:make"


def test_a_floor_that_holds_passes(run):
    result = run(MODEL, "--robust-fail-under=10")

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.OK
    told = "robust: --robust-fail-under=10: with 60 samples a figure from 10 to 16.7 % is inconclusive; to tell *"
    result.stdout.fnmatch_lines(["collected *", told, "*net.py ...*"])
    result.stdout.no_fnmatch_line("WARNING*")


def test_too_few_samples_for_any_figure_to_hold_are_told_before_and_after(run):
    result = run(MODEL, "--robust-fail-under=clean:98", "-k", "clean")

    told = "--robust-fail-under=clean:98: with 60 samples no figure is high enough: even 60/60 is inconclusive; take *"
    result.stdout.fnmatch_lines(["collected *", f"robust: {told}", "*net.py *", f"WARNING {told}"])


def test_a_floor_that_does_not_hold_fails_with_the_figure_and_the_command(run):
    result = run(MODEL, "--robust-fail-under=90")

    result.assert_outcomes(passed=1, failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "robust accuracy * % (95 % interval * to *, */60) for fgsm under linf:0.15 is below the required 90 %",
            "repeat: pytest --robust-model=net.py:make*-under=90 * 'net.py::test_attack[[]fgsm-linf-0.15]'",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_command_that_is_told_repeats_the_failure(run, pytester):
    result = run(MODEL, "--robust-fail-under=90")
    (command, *_) = [line for line in result.outlines if line.startswith("repeat: ")]

    again = pytester.run("bash", "-c", f"{sys.executable} -m {command.removeprefix('repeat: ')}")

    again.assert_outcomes(failed=1)


def test_a_failed_gate_files_the_record_and_says_what_to_try_next(run, folder, monkeypatch):
    result = run(MODEL, "--robust-fail-under=90")

    assert (folder / "leaderboard" / "results.csv").exists()
    (told, _) = [line for line in result.outlines if line.startswith("next: ")]
    command, training = told.removeprefix("next: ").split("; ")
    assert training == "--robust-train=pgd-at trains the architecture anew, with :pretrained=FILE from weights"
    monkeypatch.chdir(folder)
    robust, *arguments = shlex.split(command.removesuffix(" writes the adversarial inputs"))
    assert (robust, main(arguments)) == ("robust", 0)
    assert (folder / "DIR" / "inputs.npz").exists()


def test_the_worst_case_over_the_attacks_is_gated_too(run):
    """44 % is less than either attack alone leaves, and more than both together."""
    result = run(MODEL, "--robust-fail-under=43")

    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "FAILED net (as-is), linf:0.15: robust accuracy * over fgsm+pgd-steps5 is below*43 %*; next: robust show "
            "digits/linf-0.15/fgsm+pgd-steps5/net-as-is-* --out=DIR writes the adversarial inputs; --robust-train=*"
        ]
    )


@pytest.mark.parametrize("nothing", [["-k", "clean"], ["-k", "no_such_test", "--robust-only"]])
def test_a_gate_with_nothing_measured_fails(run, nothing):
    result = run(MODEL, "--robust-fail-under=1", *nothing)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED --robust-fail-under=1: no attack was run, so nothing shows that it holds"])


def test_parallel_workers_gate_as_well(run, pytester, folder):
    result = pytester.runpytest_subprocess("-n", "2", MODEL, UNCHECKED, "--robust-samples=60", "--robust-fail-under=90")

    result.assert_outcomes(passed=1, failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("answer", ["nan", "inf"])
def test_answers_that_are_not_finite_fail_the_tests(pytester, answer):
    pytester.makepyfile(
        net=f"""
        import torch

        class Net(torch.nn.Module):
            def forward(self, x):
                logits = 0 * x.flatten(1)[:, :10]
                logits[:, 0] = torch.where(x.flatten(1).sum(1) > 26, float("{answer}"), 1.0)
                return logits
        """
    )
    result = pytester.runpytest_inprocess("--robust-model=net.py:Net", "--robust-attack=pgd:steps=2", UNCHECKED)

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "the model answered * of 599 clean samples with NaN or infinity",
            "the model answered * of 599 samples with NaN or infinity (pgd:steps=2 under linf:0.15)",
        ]
    )
    assert not (pytester.path / "leaderboard").exists()


# Wrong for the first WRONG samples once, when the driver looks at what the attack found.
ONCE = """
import torch

class Net(torch.nn.Module):
    calls = 0
    def forward(self, x):
        self.calls += 1
        logits = 0 * x.flatten(1)[:, :10]
        wrong = (torch.arange(len(x)) < WRONG) & (self.calls == 10)
        return logits + torch.nn.functional.one_hot(wrong.long(), 10)
"""


def test_a_model_whose_answers_do_not_repeat_gets_no_figure(pytester):
    pytester.makepyfile(net=ONCE.replace("WRONG", "99"))
    words = ("--robust-model=net.py:Net", "--robust-attack=fgsm", "--robust-samples=100")
    result = pytester.runpytest_inprocess(*words, UNCHECKED)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "fgsm under linf:0.15: 11 of 100 samples were not adversarial when their inputs were shown again "
            "(11 answered right): the model*"
        ]
    )
    assert not (pytester.path / "leaderboard").exists()


def test_few_samples_that_fall_only_once_count_as_robust_and_are_told(pytester):
    pytester.makepyfile(net=ONCE.replace("WRONG", "1"))
    words = ("--robust-model=net.py:Net", "--robust-attack=fgsm", "--robust-samples=250")
    result = pytester.runpytest_inprocess(*words, UNCHECKED)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["WARNING net-net (as-is): fgsm under linf:0.15: 1 samples were not adversarial *; they count as robust"]
    )
