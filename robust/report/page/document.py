"""A page as a whole: its head, its style, and a policy that lets nothing in."""

import base64
import hashlib
from importlib.resources import files

from robust.records.store import GENERATED
from robust.report.page.markup import Html, tag, void


def document(title: str, *body: object, script: str = "", note: str = "", style: str = "") -> str:
    """Return a page that runs this script and no other; `note` is a comment at its beginning.

    `style` comes after that of all pages.
    """
    style = read_asset("page.css") + style
    head = [
        void("meta", charset="utf-8"),
        void("meta", name="viewport", content="width=device-width, initial-scale=1"),
        void("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        void("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        void("link", rel="icon", href="data:,"),
        tag("style", Html(style)),
    ]
    running = tag("script", Html(script)) if script else None
    html = tag("html", tag("head", *head), tag("body", *body, running), lang="en")
    return f"{begin(note)}\n{html}\n"


def begin(note: str = "") -> str:
    """Return the first line of a page with this note."""
    return f"{GENERATED['index.html']}{f'<!-- {note} -->' * bool(note)}"


def read_asset(name: str) -> str:
    """Return the text of a file of this package."""
    return files("robust.report.page").joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Return the content security policy: nothing is loaded, and only this style and this script run."""
    digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script)]
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
