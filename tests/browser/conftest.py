"""Debian's Chromium. Where it is missing these tests fail: they are run on purpose, by `make test-browser`."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

AXE = Path(__file__).parent.parent.parent / ".venv/axe/node_modules/axe-core/axe.min.js"
HINT = "run `make test-browser`, which installs it"


@pytest.fixture(scope="session")
def browser():
    path = shutil.which("chromium")
    assert path, f"there is no chromium on this machine; {HINT}"
    with sync_playwright() as playwright:
        # The sandbox asks for more than a container gives to root; the pages are our own.
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@dataclass
class Seen:
    """A page, and what it did that it should not."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Return the findings of axe-core as "rule: element"."""
        assert AXE.is_file(), f"axe-core is missing; {HINT}"
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("() => axe.run()")["violations"]
        return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


@pytest.fixture
def visit(browser, tmp_path):
    """Open HTML from the disk; options are those of a browser's context, and `hash` what follows the address."""
    contexts = []

    def visit(html, hash="", **options):
        path = tmp_path / "index.html"
        path.write_text(html, "utf-8")
        context = browser.new_context(**options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        seen = Seen(context.new_page())
        address = path.as_uri()
        seen.page.on("console", lambda message: seen.wrong.append(f"console: {message.text}"))
        seen.page.on("pageerror", lambda error: seen.wrong.append(f"error: {error}"))
        seen.page.on("request", lambda request: _note(seen, request.url, address))
        seen.page.goto(f"{address}{hash}")
        return seen

    yield visit
    for context in contexts:
        context.close()


def _note(seen, url, own):
    if url.partition("#")[0] != own and not url.startswith(("data:", "blob:")):
        seen.wrong.append(f"request: {url}")
