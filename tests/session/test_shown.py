"""The output of the run and of the commands holds nothing that a terminal or a log of CI obeys, whoever wrote it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from robust.cli import main
from robust.session.case import Case, fail
from robust.session.summary import summarise
from tests.making import record
from tests.strangers import TEXTS, assert_harmless

TEXT = "".join(text for name, text in TEXTS.items() if name != "long")


class Reporter:
    """A part of pytest's terminal reporter: what the summary uses."""

    def __init__(self):
        self.lines = []
        self._tw = SimpleNamespace(fullwidth=80)

    def write_line(self, line, **_):
        self.lines.append(line)

    def ensure_newline(self):
        pass

    section = write_line


class Results:
    """Make the result of a run, with a stranger's text wherever there is any."""

    warnings = compared = (TEXT,)
    saved, files, payloads = TEXT, (), ()

    def list_records(self):
        row = record(name=TEXT, data=TEXT)
        told = {"training": {"recipe": TEXT}, "verified": {"reason": TEXT}}
        return [replace(row, provenance=told, model=replace(row.model, name=TEXT))]

    def list_trained(self):
        best = {"clean": 0.5, "robust": None}
        card = {"recipe": TEXT, "minutes": 1.0, "best": best, "selected_by": {"n": 2}, "notes": [TEXT]}
        return [SimpleNamespace(card=card, path=f"/x/{TEXT.translate({0: None})}")]

    def describe_unfinished(self):
        return [TEXT]

    describe_clean = describe_unfinished


def test_the_summary_of_a_run(tmp_path):
    reporter = Reporter()

    summarise(reporter, Results(), [TEXT], tmp_path, {TEXT: TEXT})

    assert len(reporter.lines) > 12
    for line in reporter.lines:
        assert_harmless(line)


def test_the_message_and_the_properties_of_a_test():
    item = SimpleNamespace(user_properties=[], stash={})
    case = Case(item, SimpleNamespace(spec=SimpleNamespace(name=TEXT), training=TEXT), None, None, 0)

    case.warn(TEXT)
    with pytest.raises(pytest.fail.Exception) as failure:
        fail(f"two lines\n{TEXT}")

    (_, shown) = item.user_properties[0]
    assert_harmless(shown)
    assert_harmless(str(failure.value))
    assert str(failure.value).startswith("two lines\n")


@pytest.mark.parametrize("command", ["board", "verify", "show", "compare"])
def test_the_line_on_a_command_that_is_refused(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    name = "::error::x\x1b[2J\u202e"
    more = {"show": ["--out=out"], "compare": [name]}.get(command, [])

    assert main([command, name, *more]) == 4

    (line,) = capsys.readouterr().err.splitlines()
    assert_harmless(line)
    assert ":?error::x" in line
