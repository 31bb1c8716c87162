"""action.yml says what the code reads and writes, and the workflows, examples and pages agree with it."""

import re

import pytest
import yaml

from docs import made
from robust.action.inputs import ARGS, NAMES, REPORT_DIR, variable
from robust.action.outcome import Outcome
from robust.action.step import _figures
from robust.options import OPTIONS
from tests.action.composite import ROOT
from tests.action.test_outputs import line

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
WORKFLOWS = sorted([*(ROOT / ".github" / "workflows").glob("*.yml"), *(ROOT / "examples").glob("*.yml")])
PAGES = [ROOT / "README.md", ROOT / "docs" / "action.md", ROOT / "docs" / "ci.md", *WORKFLOWS]
USES = re.compile(r"uses: ([\w.-]+/[\w./-]+)@(\S+?)[,\s].*?# (.+)$", re.MULTILINE)


# Options of the plugin that are no inputs, and why; whoever needs one gives it in `args`.
NO_INPUTS = {
    "search": "saves time; the figure is the model's own",
    "train": "a gate tests a model that is trained already",
    "folds": "are of trainings",
    "batch-size": "is found, and halved if memory runs out",
    "save": "a baseline would be lost with the runner",
    "leaderboard": "is report-dir",
    "evidence": "only chooses what the report keeps",
    "gallery": "only chooses what the report keeps",
    "fresh": "saves seconds; the default checks",
    "only": "is always given",
}


def steps(workflow):
    return [step for job in yaml.safe_load(workflow)["jobs"].values() for step in job["steps"]]


def block(page):
    """The first workflow that a page shows."""
    return re.search(r"^```yaml\n(?:# .*\n)?(name: robustness\n.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)[1]


def test_every_input_reaches_the_code_in_the_environment_alone():
    assert [*ACTION["inputs"]] == [*NAMES, ARGS, REPORT_DIR]
    given = {variable(name): f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]}
    assert ACTION["runs"]["steps"][1]["env"] == given
    for path in (ROOT / "action.yml", ROOT / "comment" / "action.yml"):
        assert not [step for step in yaml.safe_load(path.read_text())["runs"]["steps"] if "${{" in step["run"]]


def test_every_option_is_an_input_or_is_left_out_for_a_reason():
    assert sorted([*NAMES, *NO_INPUTS]) == sorted(option.name for option in OPTIONS)


def test_every_output_is_written():
    written = {*_figures(Outcome(0, [line()])), "report-dir"}

    assert {*ACTION["outputs"]} == written
    assert [of["value"] for of in ACTION["outputs"].values()] == [
        f"${{{{ steps.gate.outputs.{name} }}}}" for name in ACTION["outputs"]
    ]


def test_every_input_and_output_is_in_the_table():
    told = re.findall(r"^\| `([\w-]+)` \|", made.action(), re.MULTILINE)

    assert told == [*ACTION["inputs"], *ACTION["outputs"]]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_actions_are_pinned_to_a_commit_with_its_version_beside_it(path):
    found = USES.findall(path.read_text())

    assert len(found) == len(re.findall(r"uses: (?!\./)", path.read_text()))
    for action, commit, told in found:
        assert re.fullmatch(r"[0-9a-f]{40}", commit), action
        assert re.match(r"v\d+\.\d+\.\d+$", told) or action.startswith("OWNER/"), action


def test_an_action_is_at_one_commit_everywhere():
    commits = {}
    for path in PAGES:
        for action, commit, _ in USES.findall(path.read_text()):
            commits.setdefault(action, set()).add(commit)

    assert all(len(each) == 1 for each in commits.values())


def test_the_pages_show_one_workflow_whose_inputs_there_are():
    readme, page = (block(path) for path in PAGES[:2])

    assert readme == page
    *_, ours = steps(page)
    assert {*ours["with"]} <= {*ACTION["inputs"]}
    for path in (ROOT / "examples" / "gate.yml", ROOT / ".github" / "workflows" / "gate.yml"):
        (ours,) = (step for step in steps(path.read_text()) if step.get("uses", "").startswith(("./", "OWNER")))
        assert {*ours["with"]} <= {*ACTION["inputs"]}


def test_the_gate_of_a_pull_request_can_write_nothing():
    for path in (ROOT / "examples" / "gate.yml", ROOT / ".github" / "workflows" / "gate.yml"):
        told = yaml.safe_load(path.read_text())
        assert told["permissions"] == {}
        assert [job["permissions"] for job in told["jobs"].values()] == [{"contents": "read"}]
        assert steps(path.read_text())[0]["with"] == {"persist-credentials": False}
        assert "secrets." not in path.read_text()


def test_the_comment_checks_out_no_code_of_a_pull_request():
    example, own = ROOT / "examples" / "comment.yml", ROOT / ".github" / "workflows" / "comment.yml"

    assert "checkout@" not in example.read_text()
    assert steps(own.read_text())[0]["with"]["ref"] == "${{ github.event.repository.default_branch }}"
    assert not any("run" in step for path in (example, own) for step in steps(path.read_text()))
