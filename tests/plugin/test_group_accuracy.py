"""--robust-groups and the weakest class, in whole runs: told, filed, held to floors, and the same over xdist."""

import xml.etree.ElementTree as ET

import pandas as pd
import pytest

from tests.plugin.test_main_job import MODEL, records

GROUPS = "--robust-groups=people.csv:sex"


@pytest.fixture
def people(folder):
    """Every fourth sample of the split is of one group, and a handful of a third."""
    names = ["rare" if k % 97 == 1 else "fm"[k % 4 == 0] for k in range(599)]
    (folder / "people.csv").write_text("sex,id\n" + "".join(f"{name},{k}\n" for k, name in enumerate(names)))
    return folder


def test_groups_are_told_filed_and_held_to_their_floor(run, people):
    floors = ("--robust-fail-under=group:90", "--robust-fail-under=worst-class:0")
    result = run(MODEL, GROUPS, *floors, "--junitxml=junit.xml", "-rf")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "robust: --robust-fail-under=group:90 leaves out groups of fewer than 10 samples: *rare (*)*",
            "robust accuracy of group ?, * % (95 % interval* to *), for fgsm under linf:0.15 is below the required*",
            "net (as-is), weakest of * classes: *, robust * % (95 % interval *",
            "net (as-is), robust by sex: *",
            "WARNING --robust-fail-under=group:90 leaves out groups of fewer than 10 samples: *rare (*)*",
        ]
    )
    ((_, record),) = records(people / "leaderboard").items()
    assert (record.groups.column, sum(group.n for group in record.by_group)) == ("sex", record.data.n)
    assert sum(group.robust for group in record.by_group) == record.robust.sum()
    assert record.provenance["groups"]["text"] == "people.csv:sex"
    table = pd.read_csv(people / "leaderboard" / "groups.csv").query("column == 'sex'").set_index("group")
    assert table.robust_correct.to_dict() == {group.name: group.robust for group in record.by_group}
    line = pd.read_csv(people / "leaderboard" / "leaderboard.csv").iloc[0]
    assert line.worst_group_percent == pytest.approx(table.robust_percent.min(), abs=1e-3)
    assert line.worst_class_percent == pytest.approx(100 * record.provenance["classes"]["worst_robust"], abs=1e-3)
    properties = {one.get("name") for one in ET.parse(people / "junit.xml").iter("property")}
    assert {"robust.worst_class", "robust.worst_group_n", "robust.worst_group_percent"} <= properties
    assert "by sex" in (people / "leaderboard" / "index.html").read_text()


@pytest.mark.slow
def test_groups_change_no_identity_and_are_the_same_over_xdist(run, pytester, people):
    run(MODEL, "--robust-attack=fgsm")
    (plain,) = records(people / "leaderboard").values()
    result = run(MODEL, GROUPS, "--robust-attack=fgsm", "-n2", fast=True)

    result.stdout.fnmatch_lines(["leaderboard (1 replaced, the older in history/):*"])
    (record,) = records(people / "leaderboard").values()
    assert record.identity == plain.identity
    assert {group.name for group in record.by_group} == {"f", "m", "rare"}
