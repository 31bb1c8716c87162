"""What the README and the pages of docs/ hold of the code: `python -m docs.tables` makes it anew.

`<!-- made: NAME ARGUMENTS -->` is followed by what the function of that name in made.py returns, up to `<!-- end -->`.
It stands in the page, and not only on the site, so that it is read on GitHub too.
"""

import re

from docs import made
from docs.source import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACE = re.compile(r"(<!-- made: ([\w./ ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The same page with its tables made anew; KeyError for a name that made.py does not know."""
    return PLACE.sub(lambda found: f"{found[1]}{_made(*found[2].split())}{found[3]}", text)


def _made(name: str, *arguments: str) -> str:
    return made.MAKERS[name](*arguments)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text()))
