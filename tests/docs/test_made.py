"""Check that the pages have what the registries have."""

import dataclasses
import json
import re

import pytest

import robust.attacks
from docs import made, source
from docs.source import ROOT, exported, registered
from docs.tables import PAGES, PLACE, filled
from robust.attacks.registry import ATTACKS
from robust.options import OPTIONS
from robust.records import schema
from robust.records.record import Record
from robust.train.plan import Plan
from robust.train.recipe import RECIPES, WRAPPERS


@pytest.mark.parametrize(
    ("folders", "registry"),
    [
        (("attacks/zoo", "attacks/external"), ATTACKS),
        (("robust/train/recipes",), RECIPES),
        (("robust/train/wrappers",), WRAPPERS),
    ],
    ids=["attacks", "recipes", "wrappers"],
)
def test_what_is_registered_is_read_with_its_options_and_their_defaults(folders, registry):
    told = {thing.name: thing for folder in folders for thing in registered(folder)}

    assert sorted(told) == registry.names()
    for name, thing in told.items():
        found = {field.name: repr(field.default) for field in dataclasses.fields(registry.get(name))}
        assert {o.name: o.default or repr(dataclasses.MISSING) for o in thing.options} == found
        assert thing.heading
        assert thing.doc


def test_every_name_of_the_package_is_told_as_what_it_is():
    told = {thing.name: thing for _, thing in exported("robust.attacks")}

    assert sorted(told) == sorted(robust.attacks.__all__)
    for name, thing in told.items():
        assert (getattr(robust.attacks, name).__doc__ or "").startswith(thing.doc[:20]), name


def test_every_option_of_training_is_in_the_table():
    told = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", made.plan(), re.MULTILINE)

    assert [name for name, _ in told] == [field.name for field in dataclasses.fields(Plan)]


def test_every_option_of_the_plugin_is_told_with_its_key():
    told = re.findall(r"^\| `(--[\w-]+)` .*\| (?:`(\w+)`|none)(; may be repeated)? \|$", made.options(), re.MULTILINE)

    assert [(name, key, bool(many)) for name, key, many in told] == [
        (f"--robust-{option.name}", option.dest if option.ini else "", option.many) for option in OPTIONS
    ]


def test_every_command_and_every_suite_has_its_section():
    commands = re.search(r"\{([\w,]+)\}", made.commands())[1].split(",")

    assert re.findall(r"^## robust ?(.*)", made.commands(), re.MULTILINE) == ["", *commands]
    assert re.findall(r"^## (.*)", made.suites(), re.MULTILINE) == ["quick-1", "standard-1", "full-1"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_holds_of_the_code_is_current(page):
    text = page.read_text()

    assert text.count("<!-- made: ") == text.count("<!-- end -->") == len(PLACE.findall(text))
    assert filled(text) == text, "run python -m docs.tables"


def test_a_section_has_the_signature_the_options_and_the_methods():
    page = made.api("robust.attacks")

    assert re.findall(r"^### (\w+)", page, re.MULTILINE) == [thing.name for _, thing in exported("robust.attacks")]
    assert "`DDN(steps: int = 100, gamma: float = 0.05, loss: str | Loss = 'ce')`\n\n" in page
    assert "| `gamma` | `0.05` | the share by which" in page
    assert "- `init(task: Task) -> S`\n\n  " in page
    assert "(attack: str | AnyAttack='pgd', threat: str | Threat | None=None) -> Result`" in made.fixtures()
    assert "```python\n@pytest.hookimpl(optionalhook=True)\n" in made.hooks()


def test_what_is_made_anew_is_what_stands_between_the_comments():
    before, after = "a\n<!-- made: files robust/models/zoo -->\n", "<!-- end -->\nb\n"
    page = f"{before}old\n{after}{before}{after}"

    assert filled(page) == f"{before}{made.files('robust/models/zoo')}{after}" * 2
    assert "| `wideresnet` |" in filled(page)
    with pytest.raises(KeyError, match="nothing"):
        filled("<!-- made: nothing -->\n<!-- end -->")


def test_the_keys_of_a_record_are_in_the_table():
    page = (ROOT / "docs/records.md").read_text()
    told = set(re.findall(r"`(\w+)`", page))

    for path in (ROOT / "leaderboard/results").rglob("*.json"):
        content = json.loads(path.read_text())
        assert Record.from_json(path.read_text())
        assert {*content, *content["data"], *content["model"], *content["attacks"][0]} <= told
    parts = (schema.Content, schema.Data, schema.Model, schema.Attack, schema.Trust, schema.Doubt, schema.Rounded)
    assert {name for part in parts for name in part.__struct_fields__} <= told


def test_a_comment_behind_a_field_and_a_paper_are_read(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        '"""mine: as others do. Doe 2020 (2001.00001)."""\n\n\n@THINGS.register("mine")\n@dataclass\nclass Mine:\n'
        '    """What it is."""\n\n    steps: int = 3  # how often\n    kind: ClassVar[str] = "a"\n'
        '\n    def told(self, k: int) -> "str":\n        """Told."""\n'
    )

    (thing,) = source.things(path)

    assert thing.heading == "mine: as others do. Doe 2020 (2001.00001)."
    assert thing.options == (source.Option("steps", "int", "3", "how often"),)
    assert thing.signature == "(steps: int = 3)"
    assert [(m.name, m.signature, m.returns) for m in thing.members] == [("told", "(k: int)", " -> str")]
    assert source.papers(thing.heading).endswith("([2001.00001](https://arxiv.org/abs/2001.00001)).")


def test_the_operators_that_are_told_are_those_that_have_bounds():
    from robust.certification import simpler
    from robust.certification.operators import affine, functions, products, windows

    lines = re.findall(r"^\| ([a-z].*?) \| (`.*) \|$", made.operators(), re.MULTILINE)
    told = {kind: set(re.findall(r"`(\w+)`", names)) for kind, names in lines}

    assert len(told) == len(made.OPERATORS)
    assert told["affine, with exact lines"] == affine.AFFINE
    assert told["functions of each number"] == {*functions.CURVES}
    assert told["maxima"] == {*windows.POOLS, *windows.OF_TWO, *windows.ALONG}
    assert told["products of two values of the network"] == {*products.BILINEAR}
    assert told["functions of those above"] == {
        operator._schema.name.removeprefix("aten::") for operator in simpler.SIMPLER
    }
