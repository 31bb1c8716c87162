"""The site: `make docs` builds it into build/docs. No torch: what is made from the code is read from its source."""

import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import robust  # noqa: E402
from docs import made  # noqa: E402

project = "pytest-robust"
release = robust.__version__
copyright = "the contributors of pytest-robust; MIT licence"

extensions = ["myst_parser", "sphinx_copybutton"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes = False  # two dashes are an option's
copybutton_exclude = ".linenos, .gp, .go"  # commands are copied without the prompt and without what they print

html_theme = "furo"
html_title = "pytest-robust"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#a4262c", "color-brand-content": "#1f5f99"},
    "dark_css_variables": {"color-brand-primary": "#ff8f87", "color-brand-content": "#79b8ff"},
}


class Made(SphinxDirective):
    """What made.py makes and no page holds; its content is for who reads the page where nothing makes it."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        kind, *words = self.arguments[0].split()
        text = made.MAKERS[kind](*words)
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> None:
    app.add_directive("made", Made)
