"""The README's tables are those of the code, and what it links to is there. tests/docs runs what it shows."""

import re

from docs.source import ROOT
from docs.tables import filled

README = (ROOT / "README.md").read_text()


def test_its_tables_are_those_of_the_code():
    assert README.count("<!-- made: ") == 2
    assert "| `pgd` |" in README
    assert filled(README) == README, "run python -m docs.tables"


def test_every_file_that_is_linked_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert all((ROOT / link).exists() for link in links)
