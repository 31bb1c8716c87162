"""Pages of the repository that the site includes, with their links as they are from docs/."""

import os
import re
from pathlib import Path

from docs.source import ROOT, papers

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def page(name: str) -> str:
    """A page of the repository, included and not copied; its links as they are from docs/."""
    path = ROOT / name
    return LINK.sub(lambda found: _link(found, path.parent), papers(path.read_text()))


def _link(found: re.Match[str], folder: Path) -> str:
    """A link as it is from docs/: to a page that includes the file, to the file itself, or of a folder no link."""
    picture, text, target = found.groups()
    if target.startswith(("http", "#", "mailto:")):
        return found.group()
    name, _, anchor = target.partition("#")
    path = (folder / name).resolve()
    if path.is_dir():
        return text
    known = _included().get(path, path)
    return f"{picture}[{text}]({os.path.relpath(known, ROOT / 'docs')}{'#' * bool(anchor)}{anchor})"


def _included() -> dict[Path, Path]:
    """{file: the page of docs/ that includes it}."""
    return {
        ROOT / name: path
        for path in (ROOT / "docs").glob("*.md")
        for name in re.findall(r"^```\{made\} page (\S+)$", path.read_text(), re.MULTILINE)
    }
