"""Pages to look at: many rows with all that a record may tell, and names that would like to be more than text."""

from dataclasses import replace

import numpy as np

from robust.records.gallery import Gallery
from robust.records.trust import Finding, TrustReport
from robust.report.board import boards
from robust.report.page.page import page
from tests.making import certificate, record

RECIPES = ("standard", "fgsm-rs", "pgd-at:epochs=10", "trades+awp:beta=6", "mart", "free:replays=4")
DOUBT = Finding(
    "looks-flat", "suspect", 0.4, "4 of 10 gradients are zero, expected 0", "take a search without gradients"
)
PROVENANCE = {
    "date": "2026-01-02",
    "versions": {"pytest-robust": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
    "device": "cpu",
    "batch": 250,
    "command": "pytest --robust-model=net.py:make --robust-threat=linf:0.1",
    "classes": {"n": [20] * 10, "correct": [18] * 10, "robust": [*range(10)]},
}
HOSTILE = (
    "<script>window.caught=1</script>",
    '"><img src=x onerror=window.caught=1>',
    "</script><script>window.caught=1</script>",
    "<!--<script>",
    "javascript:window.caught=1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "-2",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "[a](http://evil.example) **b** `c` | d",
    "' onmouseover='window.caught=1",
    "&lt;b&gt;",
)


def crowd(models, threats):
    """Records of so many models under each of the threats, on 200 samples that all see."""
    random = np.random.RandomState(0)
    for k in range(models):
        correct = random.rand(200) < 0.7 + 0.25 * random.rand()
        level = random.rand(200) + 0.5 * k / models
        for j, threat in enumerate(threats):
            broken = {name: correct & (level < (j + 1) * share) for name, share in (("fgsm", 0.15), ("pgd", 0.2))}
            yield _measured(k, threat, correct, broken)


def _measured(k, threat, correct, broken):
    texts = {name: "".join(map(str, flags.astype(int))) for name, flags in broken.items()}
    made = record(
        "".join(map(str, correct.astype(int))),
        texts,
        name=f"resnet-{k}",
        training=RECIPES[k % len(RECIPES)],
        weights=f"{k:04x}" * 16,
        threat=threat,
    )
    doubts = (DOUBT,) * (k % 7 == 3)
    trust = TrustReport(doubts, (), ("looks-flat", "no-gradient"), (), 1.0)
    return replace(made, provenance=PROVENANCE, trust=trust, evidence="ab" * 32, certificate=_certify(made, k))


def _certify(made, k):
    """Return a certificate of two in three of the robust samples for every second model."""
    certified = made.robust & (np.arange(len(made.correct)) % 3 > 0)
    return certificate("".join(map(str, certified.astype(int)))) if k % 2 else None


def gallery(record, size=8):
    random = np.random.RandomState(1)
    pictures = [random.randint(0, 256, (3, size, size, 1)).astype(np.uint8) for _ in range(4)]
    whole = {
        "row": np.arange(3),
        "label": np.arange(3),
        "answer": np.arange(3) + 1,
        "sure": np.full(3, 0.5, np.float32),
    }
    return {record.stem: Gallery(**whole, **dict(zip(KINDS, pictures, strict=True)), integrated=None)}


KINDS = ("original", "change", "adversarial", "saliency")


def hostile():
    """A page whose every name is one of HOSTILE."""
    made = [
        replace(record(name=name, data=name, weights=f"{k:04x}" * 16), provenance={"command": name, "notes": [name]})
        for k, name in enumerate(HOSTILE)
    ]
    return page(boards(made), {})
