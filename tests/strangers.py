"""Content of strangers, and where it goes: texts, values of JSON, and the check of both."""

import copy
import re

TEXTS = {
    "a command of GitHub": "::error file=a.py::owned",
    "a command of old": "x ##[error]owned",
    "a command of another CI": "##vso[task.complete]owned",
    "a command on the next line": "a\n::add-mask::x\r\n::stop-commands::x",
    "escapes": "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://example.org\x07x",
    "escapes of 8 bits": "\x9b2J\x90",
    "zeros": "a\x00b",
    "from right to left": "\u202egnp.exe\u2066\u200f",
    "invisible": "\u200b\ufeff\u00ad",
    "lines of Unicode": "a\u2028b\u2029c\x85d",
    "half a pair": "\ud800",
    "a formula": "=cmd|' /C calc'!A0",
    "a formula after a semicolon": "a;=1+1",
    "a wide formula": "\uff1dcmd",
    "markup": "</script><script>alert(1)</script><!--",
    "Markdown": "[x](javascript:alert(1)) `x` | y |\n# z",
    "rich": "[link=http://example.org]x[/link]",
    "long": "x" * 10**5,
}  # fmt: skip
VALUES = [
    None, True, False, 0, -1, 1, 2**31, 2**70, -(2**70), 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x",
    "1", "../../x", "/etc/passwd", [], [1], [[]], ["x"] * 3, {}, {"x": 1}, {"n": 0}, *TEXTS.values(),
]  # fmt: skip
COMMAND = re.compile(r"(^|\s)::(error|add-mask|stop-commands)\b.*::|##(\w*)\[")


def paths(content, here=()):
    """Return the path of each value in what JSON holds, the outermost first."""
    found = [here]
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        found += paths(value, (*here, key))
    return found


def replaced(content, path, value):
    """Return what JSON holds with another value at a path."""
    if not path:
        return value
    content = copy.deepcopy(content)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return content


def assert_harmless(text):
    """Check that a terminal, a log of CI and an editor show this text, line by line, and obey nothing in it."""
    for line in text.split("\n"):
        assert line.isprintable(), line[:300]
        assert not COMMAND.search(line), line[:300]
