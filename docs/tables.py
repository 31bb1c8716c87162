"""Write the parts of the README and of docs/ that are made from the code: `python -m docs.tables`.

Between `<!-- made: NAME ARGUMENTS -->` and `<!-- end -->` stands the text that the function NAME of made.py returns.
A test fails if it is not current.
"""

import re

from docs import made
from docs.source import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACE = re.compile(r"(<!-- made: ([\w./ ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return the page with its made parts replaced; KeyError for a name that made.py does not have."""
    return PLACE.sub(lambda part: f"{part[1]}{_made(*part[2].split())}{part[3]}", text)


def _made(name: str, *arguments: str) -> str:
    return made.MAKERS[name](*arguments)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text()))
