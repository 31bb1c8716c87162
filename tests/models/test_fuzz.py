"""Reading a file of any content ends in a model or in one clear line. `make fuzz` tries it for longer."""

import json
import os
import pickle
import pickletools
import zipfile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save as to_safetensors

from robust.models.checkpoint import WRAPPERS, strip_prefixes, unwrap
from robust.models.format import Terms, read_model
from tests.models.hostile import HOSTILE, members, to_archive, to_legacy, to_zip
from tests.models.hostile_graphs import GREEDY, TALKATIVE, bend, repeated

NO_DATA = Terms()
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "half": torch.ones(2, dtype=torch.bfloat16)}
ARCHIVE = to_zip({"state_dict": STATE, "epoch": 3})
SEEDS = [
    to_safetensors(STATE),
    to_zip(STATE),
    to_legacy(STATE),
    to_zip(torch.nn.Linear(2, 2)),
    pickle.dumps([1, {"a": (2.5, "b")}]),
    to_archive({"m/constants.pkl": b"", "m/code/a.py": b""}),
    to_archive({"m/archive_format": b"pt2", "m/models/model.json": b"{}"}, zipfile.ZIP_DEFLATED),
]
OPCODES = [opcode.code.encode("latin1") for opcode in pickletools.opcodes]
# Of what a pickle may name, the harmless and the others; the last would leave a folder.
GLOBALS = [
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n",
    b"ccollections\nOrderedDict\n",
    b"cposix\nmkdir\n",
    b"c__builtin__\nbytearray\n",
    b"U\x06marker\x85R",
]


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Read a file of this content: a model comes out, or a ValueError of one line, and nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "file"

    def check(content, terms=NO_DATA):
        path.write_bytes(content)
        try:
            read_model(path, terms)
        except ValueError as error:
            assert type(error) is ValueError, repr(error)  # noqa: PT017 - some of the files are sound
            assert str(error).isprintable()  # noqa: PT017
            assert len(str(error)) < 2000  # noqa: PT017
        assert [*tmp_path.iterdir()] == [path]

    return check


def edits(content):
    """Draw the content with a few bytes overwritten, removed or inserted."""
    at = st.integers(0, len(content))
    return st.lists(st.tuples(at, st.integers(0, 4), st.binary(max_size=8)), max_size=5).map(
        lambda changes: edited(content, changes)
    )


def edited(content, changes):
    for at, length, new in changes:
        content = content[:at] + new + content[at + length :]
    return content


@fuzz
@given(
    st.sampled_from([b"", b"\x80\x02", b"\x80\x04\x95", b"PK\x03\x04", b"\x10" + bytes(7) + b"{"]),
    st.binary(max_size=300),
)
def test_bytes(check, head, rest):
    check(head + rest)


@fuzz
@given(st.sampled_from(SEEDS).flatmap(edits))
def test_files_with_a_few_bytes_changed(check, content):
    check(content)


@fuzz
@given(st.lists(st.sampled_from(OPCODES + GLOBALS) | st.binary(max_size=4), max_size=40), st.booleans())
def test_streams_of_opcodes(check, parts, packed):
    pickled = b"\x80\x02" + b"".join(parts) + b"."
    check(to_archive(members(ARCHIVE) | {"archive/data.pkl": pickled}) if packed else pickled)


@fuzz
@given(edits(members(ARCHIVE)["archive/data.pkl"]))
def test_pickles_in_a_sound_archive(check, pickled):
    check(to_archive(members(ARCHIVE) | {"archive/data.pkl": pickled}))


PARTS = st.sampled_from(["a", "..", "data.pkl", "constants.pkl", "archive_format", "data", "0", "\x1b[2J", "C:", ""])
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@fuzz
@given(st.dictionaries(NAMES.filter(bool), st.binary(max_size=50), max_size=5), st.sampled_from([0, 8]))
def test_archives_of_any_names(check, inside, compression):
    check(to_archive(inside, compression))


NUMBERS = st.integers(-(2**70), 2**70) | st.sampled_from([0, 1, 4, 8, 2**40])
TENSORS = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F64", "I8", "F4", "BOOL", "x"]),
        "shape": st.lists(NUMBERS, max_size=4),
        "data_offsets": st.lists(NUMBERS, min_size=1, max_size=3),
    }
)


@fuzz
@given(st.dictionaries(st.text(max_size=5), TENSORS | st.text(max_size=5), max_size=3), st.binary(max_size=16))
def test_headers_of_safetensors(check, header, rest):
    head = json.dumps(header).encode()
    check(len(head).to_bytes(8, "little") + head + rest)


LEAVES = st.sampled_from([torch.ones(2), torch.ones(2, device="meta"), torch.ones(2).to_sparse(), 3, None, "x"])
KEYS = st.sampled_from([*WRAPPERS, "module.a", "model.b", "_orig_mod.c", "a", 0, "\x1b[2J"])


@fuzz
@given(st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=4) | st.lists(inner, max_size=2)))
def test_wrappers_of_any_kind(found):
    try:
        loaded = unwrap(found)
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 - some hold a state dict
        return
    weights, notes = strip_prefixes(loaded.content, ["a", "b", "c"])
    assert {id(tensor) for tensor in weights.values()} <= {id(tensor) for tensor in loaded.content.values()}
    assert all(note.isprintable() for note in (*loaded.notes, *notes))


@fuzz
@given(st.sampled_from([name for name in HOSTILE if name.startswith(("pickle", "torch.save"))]).flatmap(
    lambda name: edits(HOSTILE[name]("marker"))
))  # fmt: skip
def test_hostile_files_with_a_few_bytes_changed(check, content):
    check(content)


@fuzz
@given(st.sampled_from([*TALKATIVE.values(), *GREEDY.values(), repeated(3)]), st.data())
def test_graphs_with_a_few_things_changed(check, model, data):
    for _ in range(data.draw(st.integers(1, 3))):
        model = bend(model, lambda values: data.draw(st.sampled_from(values)))
    check(model.SerializeToString(), Terms((4,), 4))
