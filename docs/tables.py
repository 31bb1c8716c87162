"""The README's tables that are made from the code: `python -m docs.tables` makes them anew."""

import re

from docs import made
from docs.source import ROOT

README = ROOT / "README.md"
PLACE = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The same page, where each `made: NAME` comment is followed by the table of that name, up to `end`."""
    return PLACE.sub(lambda found: f"{found[1]}{made.MAKERS[found[2]]()}{found[3]}", text)


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
