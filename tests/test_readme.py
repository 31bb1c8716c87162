"""The README has its tables, and what it links to is there. tests/docs holds them current, and runs what it shows."""

import re

from docs.source import ROOT

README = (ROOT / "README.md").read_text()


def test_its_tables_are_there():
    assert README.count("<!-- made: ") == 2
    assert "| `pgd` |" in README


def test_every_file_that_is_linked_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert all((ROOT / link).exists() for link in links)
