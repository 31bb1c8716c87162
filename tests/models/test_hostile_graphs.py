"""ONNX graphs of strangers: nothing in one is written to a terminal as it stands, and none takes what it likes."""

import sys
import warnings

import pytest
import torch

from robust.models.format import Terms, read_model
from robust.models.formats import onnx as onnx_format
from robust.models.limits import limit_memory
from tests.models.hostile_graphs import ENDLESS, GREEDY, SHAPE, TALKATIVE, repeated
from tests.strangers import assert_harmless

TERMS = Terms(SHAPE, 4)


needs_limit = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the limit")


def read(folder, model):
    """Read a graph; return what it is refused with, or ""."""
    (folder / "w.onnx").write_bytes(model.SerializeToString())
    try:
        read_model(folder / "w.onnx", TERMS)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", TALKATIVE)
def test_names_reach_neither_the_log_nor_the_error_as_they_stand(tmp_path, capfd, name):
    message = read(tmp_path, TALKATIVE[name])

    assert_harmless(message)
    assert capfd.readouterr() == ("", "")  # of the process, where onnxruntime writes


@needs_limit
@pytest.mark.parametrize("name", GREEDY)
def test_memory_is_refused_that_no_file_of_this_size_needs(tmp_path, name):
    message = read(tmp_path, GREEDY[name])

    assert "does not take inputs" in message or "for batches of 2147483647" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ENDLESS)
def test_what_does_not_end_is_stopped(tmp_path, monkeypatch, name):
    monkeypatch.setattr(onnx_format, "SECONDS", 0.2)

    assert "did not answer within 0.2 seconds" in read(tmp_path, ENDLESS[name])


def test_the_converted_graph_is_stopped_too(monkeypatch):
    """It may take a thousand times as long as onnxruntime, step by step in Python."""
    monkeypatch.setattr(onnx_format, "SECONDS", 0.1)
    x = torch.zeros(1)

    def count():
        with onnx_format.Deadline():
            while x < 1:
                x.mul_(1)

    with pytest.raises(ValueError, match=r"did not answer within 0\.1 seconds"):
        count()


def test_a_loop_that_ends_is_taken(tmp_path):
    (tmp_path / "w.onnx").write_bytes(repeated(3).SerializeToString())

    assert read_model(tmp_path / "w.onnx", TERMS).content(torch.ones(2, 4)).tolist() == [[8.0] * 4] * 2


@needs_limit
def test_the_limit_of_memory_is_for_the_block_alone():
    def take(size):
        return bytearray(size)[-1]

    with pytest.raises(ValueError, match="needs more memory than 10 bytes should"), limit_memory(10):
        take(2**36)

    with limit_memory(2**10):
        assert take(2**20) == 0


def test_a_warning_of_a_library_is_shown_without_what_a_terminal_obeys(tmp_path, monkeypatch):
    convert = onnx_format._convert

    def warn(source):
        warnings.warn("a tensor \x1b[2J\n::error::owned", RuntimeWarning, stacklevel=1)
        return convert(source)

    (tmp_path / "w.onnx").write_bytes(repeated(1).SerializeToString())
    monkeypatch.setattr(onnx_format, "_convert", warn)
    with pytest.warns(RuntimeWarning, match=r"^a tensor \?\[2J\?:\?error::owned$"):
        read_model(tmp_path / "w.onnx", TERMS)
