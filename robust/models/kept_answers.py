"""The answers of a black box that are kept while a run lasts: it goes on from them if it is stopped."""

import hashlib
import json
from functools import partial

from robust.models.blackbox import Ask, BlackBox
from robust.models.endpoint import Endpoint
from robust.models.format import Terms
from robust.models.journal import Journal
from robust.models.spec import ModelSpec


def keep_answers(box: BlackBox, ask: Ask, spec: ModelSpec, terms: Terms) -> tuple[str, ...]:
    """Let a model take the answers that a run which was stopped has left, and keep its own; return notes on it.

    It is known by its answers to the fixed inputs, and to some of the data, for which it is asked anew.
    """
    assert terms.home is not None
    known = [spec.text.partition("#")[0], [*terms.shape], terms.classes, terms.labels, terms.output]
    source = spec.path.read_bytes() if spec.path.is_file() else b""
    key = hashlib.sha256(json.dumps(known).encode() + source + box.answers.numpy().tobytes()).hexdigest()
    journal = Journal.open(terms.home, f"{spec.name}-{key[:16]}")
    left = len(journal)
    notes: tuple[str, ...] = ()
    if left and terms.inputs is not None and not journal.agrees(ask, terms.inputs.numpy()):
        journal.forget()
        journal = Journal.open(terms.home, journal.folder.name)
        notes = (f"{left:,} answers of a run that was stopped are dropped: it answers some of these inputs otherwise",)
    elif left:
        notes = (f"{left:,} answers of a run that was stopped are taken before it is asked",)
    size = Endpoint.parse(spec.text).batch if spec.library else None
    box.ask_through(partial(journal.wrap, size=size), journal.forget)
    return notes
