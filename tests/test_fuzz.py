"""Files and answers of strangers, with anything in them: each is read, or refused in one line. `make fuzz`: longer."""

import io
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust.attacks.suite import SHIPPED, read_suite
from robust.data.factory import open_data
from robust.models.blackbox import BlackBox
from robust.models.endpoint import Endpoint
from robust.models.http_client import Client
from robust.records.evidence import Evidence
from robust.records.record import Record
from robust.report.badge import shields, svg
from robust.report.board import boards
from robust.report.csv import long_csv, wide_csv
from robust.report.markdown import markdown
from robust.report.page.page import page
from robust.report.terminal import describe_findings, terminal
from robust.train.card import describe_card, hash_content, read_card, summarise_card
from tests.data.test_image_tables import encoded, image, table, write_state
from tests.making import evidence, record
from tests.models.test_fuzz import edits, fuzz
from tests.records.mutations import make_text
from tests.strangers import TEXTS, VALUES, assert_harmless, paths, replaced

SOUND = record(adversarial={"pgd": "11000000"})
CARD = {
    "recipe": "trades:beta=3", "options": {"beta": 3.0}, "data": {"name": "digits", "n": 9}, "threat": "linf:0.15",
    "seed": 0, "learnt_from": {"n": 7, "digest": "ab"}, "selected_by": {"n": 2, "digest": "cd", "index": [0, 5]},
    "best": {"clean": 0.9, "robust": 0.5}, "last": {"clean": 0.9, "robust": 0.5}, "notes": ["a note"], "minutes": 0.2,
    "key": "ef", "suite": {"name": "quick-1", "robust": 0.4, "n": 2}, "normalize": None,
}  # fmt: skip
ANSWER = {"probabilities": [[0.5, 0.5], [0.25, 0.75]]}
JSON = st.recursive(
    st.sampled_from(VALUES), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


def changes(content):
    """Draw what JSON holds with some of its values replaced."""
    change = st.tuples(st.integers(0, 10**6), st.sampled_from(VALUES) | JSON)
    return st.lists(change, min_size=1, max_size=3).map(lambda found: changed(content, found))


def changed(content, found):
    for at, value in found:
        places = paths(content)
        content = replaced(content, places[at % len(places)], value)
    return content


def refused(error):
    """Check the error of what is refused: its message, as a door shows it, is one line."""
    ours = type(error).__module__.startswith("robust.")  # some errors of ours have a name
    assert ours or type(error) in (ValueError, LookupError), repr(error)
    assert_harmless(str(error.args[0]))
    assert "\n" not in str(error.args[0])
    assert len(str(error.args[0])) < 3000


def assert_shown_harmlessly(record):
    """Write all that a board is written to."""
    made = boards([record])
    row = made[0].rows[0]
    lines = [terminal(made[0], 80), *describe_findings(record)]
    for text in (*lines, markdown(made), long_csv(made), wide_csv(made), page(made, {}), svg(row), shields(row)):
        assert_harmless(text)


@fuzz
@given(changes(json.loads(make_text())))
def test_records(content):
    try:
        found = Record.from_json(json.dumps(content))
    except ValueError as error:
        refused(error)
        return
    assert_shown_harmlessly(found)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_in_the_fields_of_a_record_that_may_hold_any(text):
    named = replace(SOUND, data=replace(SOUND.data, name=text), model=replace(SOUND.model, name=text))
    training = {"recipe": text, "notes": [text], "options": {text: text}, "data": {"name": text}}
    model = {"text": text, "arch": text}
    told = {"training": training, "model": model, "date": text, "command": text, "notes": [text], "device": text}
    assert_shown_harmlessly(replace(named, provenance=told))


@fuzz
@given(edits(evidence(SOUND).to_bytes()))
def test_evidence(content):
    try:
        Evidence.from_bytes(content)
    except MemoryError:
        raise
    except Exception:  # its readers hold it to a digest first, and take any
        return


@pytest.fixture
def weights(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    return tmp_path / "w.safetensors"


@fuzz
@given(changes(CARD))
def test_cards(weights, content):
    if isinstance(content, dict):
        content = {**content, "file": hash_content(b"weights")}
    weights.with_suffix(".json").write_text(json.dumps(content))
    if (card := read_card(weights)) is None:
        return
    assert_harmless(describe_card(card))
    assert len(describe_card(card)) < 5000
    assert_shown_harmlessly(replace(SOUND, provenance={"training": summarise_card(card)}))


def test_a_suite_that_is_refused_is_quoted_without_control_characters(weights):
    path = weights.with_suffix(".toml")
    path.write_text('[[stages]]\nattack = "pgd:\tloss=ce"\n')
    with pytest.raises(ValueError, match="bare word") as caught:
        read_suite("w.toml", path.parent)
    refused(caught.value)


@fuzz
@given(st.sampled_from(sorted(SHIPPED.glob("*.toml"))).flatmap(lambda path: edits(path.read_bytes())))
def test_suites(weights, content):
    path = weights.with_suffix(".toml")
    path.write_bytes(content)
    try:
        read_suite("w.toml", path.parent)
    except (ValueError, LookupError) as error:
        refused(error)


class Served:
    """A pool of connections that has one answer."""

    def __init__(self, status, headers, content):
        self.status, self.headers, self.data = status, headers, content

    def request(self, *_, **__):
        return self

    def read(self, size, **_):
        return self.data[:size]

    def release_conn(self):
        pass

    close = release_conn


@fuzz
@given(
    st.sampled_from([200, 200, 200, 204, 429, 500]),
    st.dictionaries(
        st.sampled_from(["content-encoding", "retry-after", "location"]), st.sampled_from([*TEXTS.values()])
    ),
    changes(ANSWER).map(lambda content: json.dumps(content).encode()) | edits(json.dumps(ANSWER).encode()),
)
def test_answers_of_endpoints(status, headers, content):
    client = Client(Endpoint("http://127.0.0.1:1/", batch=2, retries=0))
    client._pool = Served(status, headers, content)
    try:
        BlackBox(client, (3,), 2)
    except ValueError as error:
        refused(error)


def arrays():
    file = io.BytesIO()
    np.savez(file, x=np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4), y=np.array([0, 1, 2, 0, 1, 2]))
    return file.getvalue()


def array():
    file = io.BytesIO()
    np.save(file, np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4))
    return file.getvalue()


def tables(write):
    file = io.BytesIO()
    write(table([encoded(image(i)) for i in range(4)], [0, 1, 0, 1]), file)
    return file.getvalue()


def write_stream(rows, file):
    with pa.ipc.new_stream(file, rows.schema) as writer:
        writer.write_table(rows)


FILES = {
    "npz:d.npz": ("d.npz", arrays()),
    "npy:d": ("d/x.npy", array()),
    "parquet:d.parquet": ("d.parquet", tables(pq.write_table)),
    "hf:h": ("h/data.arrow", tables(write_stream)),
    "imagefolder:i": ("i/a/0.png", encoded(image(0))),
}


@fuzz
@given(st.data())
@pytest.mark.parametrize("spec", FILES)
def test_data(tmp_path, spec, data):
    name, content = FILES[spec]
    path = tmp_path / name
    for folder in (path.parent, tmp_path / "h", tmp_path / "i" / "b"):
        folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / "i" / "b" / "0.png").write_bytes(encoded(image(1)))
    np.save(path.parent / "y.npy", np.arange(6) % 3)
    write_state(tmp_path / "h", "data.arrow")
    path.write_bytes(data.draw(edits(content)))
    try:
        open_data(spec, tmp_path).complete().load("test")
    except (ValueError, LookupError) as error:
        refused(error)
