"""Run the steps of a composite action on this machine, as GitHub's runner does: real files, bash, no container."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass
class Ran:
    """The outcome of a run of the action."""

    status: int = 0  # of the last step that was run
    log: str = ""  # what the steps wrote
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def commands(self):
        """The commands that the runner obeys: (name, properties, what follows), in order."""
        found, stopped = [], None
        for line in self.log.split("\n"):
            command = re.match(r"\s*::([\w-]+)(?: ([^:]*))?::(.*)", line)
            if stopped:
                stopped = None if line.strip() == f"::{stopped}::" else stopped
            elif command and command[1] == "stop-commands":
                stopped = command[3]
            elif command:
                found.append((command[1], command[2] or "", command[3]))
        return found


def run(action, inputs, *, cwd, folder, skip=(), environment=None):
    """Run the action in the folder `action` on the working directory `cwd`, until a step fails; `folder` is scratch."""
    told = yaml.safe_load((action / "action.yml").read_text())
    assert {*inputs} <= {*told["inputs"]}, "GitHub only warns of an input that there is not"
    known = {f"inputs.{name}": str(inputs.get(name, of.get("default", ""))) for name, of in told["inputs"].items()}
    ran = Ran()
    for k, step in enumerate(told["runs"]["steps"]):
        if k in skip:
            continue
        out, summary = folder / f"output-{k}", folder / f"summary-{k}"
        out.touch()
        summary.touch()
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=cwd,
            env={
                **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST")},
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": str(action),
                "GITHUB_OUTPUT": str(out),
                "GITHUB_STEP_SUMMARY": str(summary),
                "GITHUB_WORKSPACE": str(cwd),
                **{name: filled(value, known) for name, value in step.get("env", {}).items()},
                **(environment or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        ran.status, ran.log, ran.summary = done.returncode, ran.log + done.stdout, ran.summary + summary.read_text()
        pairs = dict(line.split("=", 1) for line in out.read_text().splitlines())
        known |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in pairs.items()}
        if done.returncode:
            break
    ran.outputs = {name: filled(of["value"], known) for name, of in told.get("outputs", {}).items()}
    return ran


def filled(text, known):
    """A text with its expressions replaced; an output that no step has set is empty."""
    return EXPRESSION.sub(lambda found: known.get(found[1], ""), text)
