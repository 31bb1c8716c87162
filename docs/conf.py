"""Configure the site that `make docs` builds into build/docs; its sources are the files that people read on GitHub."""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent  # where Sphinx starts from: links between the pages hold as they are
sys.path.insert(0, str(ROOT))

import robust  # noqa: E402

project = "pytest-robust"
release = robust.__version__
copyright = "the contributors of pytest-robust; MIT licence"

root_doc = "docs/index"
include_patterns = ["docs/*.md", "examples/README.md", "benchmarks/*.md", "leaderboard/README.md"]
include_patterns += ["SECURITY.md", "CHANGELOG.md"]
exclude_patterns = [".*", "build", "dist"]  # Sphinx would walk through them

extensions = ["myst_parser", "sphinx_copybutton"]
myst_heading_anchors = 3
smartquotes = False  # two dashes are an option's
copybutton_exclude = ".linenos, .gp, .go"  # commands are copied without the prompt and without what they print

html_theme = "furo"
html_title = "pytest-robust"
html_static_path = ["_static"]
html_extra_path = ["_root"]  # index.html, which leads to docs/index.html
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#a4262c", "color-brand-content": "#1f5f99"},
    "dark_css_variables": {"color-brand-primary": "#ff8f87", "color-brand-content": "#79b8ff"},
}

LIST = re.compile(r"^##+ (.*)\n\n((?:- \[.*\n(?:  .*\n)*)+)", re.MULTILINE)
PAGE = re.compile(r"^- \[.*?\]\((.*?)\.md\)", re.MULTILINE)


def contents(app: Sphinx, name: str, source: list[str]) -> None:
    """Make the site's table of contents from the lists of links that the page shows, each below its heading."""
    if name in (root_doc, "benchmarks/README"):
        for caption, links in LIST.findall(source[0]):
            pages = "\n".join(PAGE.findall(links))
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", contents)
