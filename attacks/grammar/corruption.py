"""The common corruptions of pictures at a severity: "corruption:3", "corruption:3:held-out", "corruption:5:fog"."""

from pathlib import Path
from typing import NamedTuple

from robust.attacks.corruptions.kinds import GROUPS, KINDS, SEVERITIES
from robust.attacks.grammar.family import Family
from robust.attacks.registry import suggest

CORRUPTION = "corruption"
USUAL = "usual"
AFTER = "after"
EXAMPLE = "as corruption:3, or corruption:3:held-out"
MAX_SEED = 2**63
WORD_OF = {"seed": f"{CORRUPTION}:3:seed=1", **{name: f"{CORRUPTION}:3:{name}" for name in (*GROUPS, *KINDS)}}


class Corruptions(NamedTuple):
    """The corruptions that one word names."""

    severity: int  # 1 to 5
    which: str  # a group, or one kind
    seed: int
    after: bool = False  # whether inputs are corrupted after a Dataset's own resize, where one is seen

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the names of the corruptions, in the order in which they are tried."""
        return GROUPS.get(self.which, (self.which,))

    def __str__(self) -> str:
        which = f":{self.which}" * (self.which != USUAL)
        return f"{CORRUPTION}:{self.severity}{which}{f':{AFTER}' * self.after}{f':seed={self.seed}' * bool(self.seed)}"


def read_corruptions(text: str) -> Corruptions:
    """Read "corruption:3:held-out:after:seed=1"; raise ValueError, in one line, for anything else."""
    word, *given = (part.strip() for part in text.split(":"))
    if word == CORRUPTION and given and (kind := given[0].replace("_", "-")) in (*GROUPS, *KINDS):
        severity = next((part for part in given[1:] if part in map(str, SEVERITIES)), "3")
        raise ValueError(f"{text!r}: the severity, 1 to 5, comes before the kind; write {CORRUPTION}:{severity}:{kind}")
    if word != CORRUPTION or not given or given[0] not in map(str, SEVERITIES):
        got = f", got {given[0]!r}" if given and given[0] else ""
        raise ValueError(f"{text!r}: the severity must be 1 to 5, {EXAMPLE}{got}")
    which, seed, after = USUAL, 0, False
    for k, option in enumerate(given[1:]):
        name, equals, value = option.partition("=")
        if equals and name.strip() == "seed":
            seed = _read_seed(text, value.strip())
        elif option == AFTER:
            after = True
        elif k == 0 and not equals:
            which = option.replace("_", "-")
        else:
            raise ValueError(f"{text!r}: {option!r} is not known here; write it {EXAMPLE}:seed=1")
    if which not in (*GROUPS, *KINDS):
        raise ValueError(f"{text!r}: unknown corruption {suggest(which, (*GROUPS, *KINDS))}")
    return Corruptions(int(given[0]), which, seed, after)


def _read_seed(text: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 20 and int(value) < MAX_SEED):
        raise ValueError(f"{text!r}: seed must be a whole number of 0 or more, got {value!r}")
    return int(value)


def list_corruptions(threat: str) -> dict[str, Corruptions]:
    """Return the corruptions in a threat model, or a union, each as a word for one kind, by its title.

    The title is the kind, "fog"; with its severity where the union has several, "fog 3".
    """
    words = [read_corruptions(part) for part in threat.split("+") if part.startswith(f"{CORRUPTION}:")]
    several = len(words) > 1
    return {
        f"{kind} {word.severity}" if several else kind: word._replace(which=kind)
        for word in words
        for kind in word.kinds
    }


def _canonical(text: str, folder: Path) -> str:
    """Return the canonical spelling; no file is read."""
    return str(read_corruptions(text))


def _explain(text: str) -> str:
    """Say in plain words what the corruptions of a word are."""
    word = read_corruptions(text)
    if len(word.kinds) == 1:
        return f"The image is corrupted by {word.which}, at severity {word.severity} of 5; nobody means harm."
    groups = {USUAL: "the fifteen common ways", "held-out": "four ways that are no part of the usual fifteen"}
    ways = groups.get(word.which, f"{len(word.kinds)} ways")
    end = "a sample is robust if its answer stays right under each of them."
    return f"The image is corrupted in {ways}, as by noise, blur or weather, at severity {word.severity} of 5; {end}"


WHICH = f"{', '.join(GROUPS)}, or one kind, as fog; without it the usual fifteen: docs/corruptions.md"
PICTURES = Family(
    CORRUPTION,
    "corruption:SEVERITY[:WHICH]",
    "a picture is corrupted in each of the usual ways (1903.12261), the worst of them counts: corruption:3",
    (
        ("SEVERITY", "1 to 5"),
        ("WHICH", WHICH),
        (AFTER, "as the model gets images, also where a Dataset of yours resizes them; without it before that"),
        ("seed=K", "other random numbers; without it 0"),
    ),
    _canonical,
    has_steps=False,
    explain=_explain,
)
