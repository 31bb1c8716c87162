"""The client of an endpoint: it keeps the limits, and reports failures in one line."""

import re
import time

import numpy as np
import pytest

from robust.models.endpoint import Endpoint
from robust.models.http_client import Client
from tests.models.serving import serving

X = np.linspace(0, 1, 30, dtype=np.float32).reshape(10, 3)


def sums(x):
    """Return scores of two classes by the sum of the inputs."""
    total = x.sum(1)
    return {"scores": np.stack([total, -total], 1).tolist()}


@pytest.fixture
def server():
    with serving(sums) as server:
        yield server


def client(server, options=""):
    return Client(Endpoint.parse(f"{server.url}#{options}"))


def test_inputs_arrive_as_they_are(server):
    kind, values = client(server)(X)

    assert kind == "scores"
    np.testing.assert_array_equal(values, sums(X)["scores"])


def test_requests_are_no_larger_than_a_batch(server):
    client(server, "batch=4")(X)

    assert server.sizes == [4, 4, 2]


def test_the_rate_is_kept(server):
    ask = client(server, "batch=5&rate=20")
    ask(X)
    ask(X)

    assert len(server.times) == 4
    assert server.times[-1] - server.times[0] > 0.12  # three times a twentieth of a second, less what a request took


def test_what_fails_for_a_time_is_asked_again(server):
    server.instead = [503, 429]
    _, values = client(server)(X)

    assert (len(values), len(server.times)) == (10, 3)


@pytest.mark.parametrize("retries", [0, 1])
def test_what_keeps_failing_is_one_line(server, retries):
    server.instead = [503] * 9
    with pytest.raises(ValueError, match=r"^no answer: too many 503 error responses$"):
        client(server, f"retries={retries}")(X)

    assert len(server.times) == 1 + retries


def test_a_server_that_hangs_is_left_in_time(server):
    server.instead = [1.0] * 9
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"^no answer: .*timed out"):
        client(server, "timeout=0.1&retries=1")(X)

    assert time.monotonic() - began < 0.9


def test_no_server_at_all_is_one_line():
    with serving(sums) as server:
        pass
    with pytest.raises(ValueError, match=r"^no answer: .*refused"):
        client(server, "retries=0")(X)


def test_the_budget_is_of_samples_and_not_overdrawn(server):
    ask = client(server, "budget=25")
    ask(X)
    ask(X)
    with pytest.raises(ValueError, match="20 samples of its budget of 25 are spent, and 10 more were to be sent"):
        ask(X)

    assert sum(server.sizes) == 20


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"<html>", "answered with what is no JSON"),
        (b"[" * 100_000, "answered with what is no JSON"),
        (b"[1, 2]", "did not answer with an object of JSON that has probabilities, scores, labels, values"),
        (b'{"classes": []}', "did not answer with an object of JSON that has"),
        (b'{"scores": [[1, 2], [3]]}', "the scores that it answered with are no table of numbers"),
        (b'{"scores": {"a": 1}}', "the scores that it answered with are no table of numbers"),
        (b'{"labels": "cat"}', "the labels that it answered with are no table of numbers"),
        (b" " * (64 * 2**20 + 1), "answered with more than 64 MiB"),
        (404, "answered with status 404"),
        (301, "answered with status 301"),
    ],
    ids=["html", "deep", "list", "other keys", "ragged", "object", "text", "large", "404", "301"],
)
def test_an_answer_that_is_none_is_one_line(server, answer, message):
    server.instead = [answer]
    with pytest.raises(ValueError, match=re.escape(message)):
        client(server)(X)

    assert len(server.times) == 1


def test_answers_of_two_kinds_are_refused(server):
    server.instead = [b'{"labels": [0, 0, 0, 0, 0]}']
    with pytest.raises(ValueError, match="once with labels and once with scores"):
        client(server, "batch=5")(X)


def test_what_is_not_said_is_by_default():
    assert Endpoint.parse("https://a.example/v1?key=2") == Endpoint("https://a.example/v1?key=2")
    assert Endpoint.parse("http://a.example:80/v1#rate=5&timeout=2").timeout == 2.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://", "expected a URL with a host"),
        ("http:///predict", "expected a URL with a host"),
        ("http://me:secret@a.example/", "and without a password"),
        ("http://[/", "Invalid IPv6 URL"),
        ("http://a.example/#rat=5", "has no option 'rat', did you mean 'rate'?"),
        ("http://a.example/#rate=fast", "rate must be of type float, got 'fast'"),
        ("http://a.example/#rate=1&rate=2", "an option is given twice"),
        ("http://a.example/#budget=0", "budget must be at least 1, got 0"),
        ("http://a.example/#timeout=0", "timeout, in seconds, must be above 0, got 0"),
        ("http://a.example/#retries=-1", "rate and retries must be 0 or more"),
        ("http://a.example/#url=b", "has no option 'url'"),
    ],
)
def test_a_wrong_spec_is_one_line(text, message):
    with pytest.raises((ValueError, LookupError), match=re.escape(message)):
        Endpoint.parse(text)


@pytest.mark.parametrize("after", ["86400", "99999999999", "9" * 400, "soon"])
def test_a_server_does_not_say_how_long_to_wait(server, after):
    server.instead = [(503, {"retry-after": after})]
    began = time.monotonic()
    client(server)(X)

    assert time.monotonic() - began < 3


def test_packed_answers_are_refused(server):
    server.instead = [(200, {"content-encoding": "gzip"})]

    with pytest.raises(ValueError, match="in the encoding gzip; expected none"):
        client(server)(X)


def test_a_number_that_is_no_float_is_one_line(server):
    server.instead = [b'{"scores": [[1' + b"0" * 400 + b", 0]]}"]

    with pytest.raises(ValueError, match="no table of numbers"):
        client(server)(X[:1])


def test_an_answer_that_trickles_in_is_given_up(server, monkeypatch):
    monkeypatch.setattr("robust.models.http_client.SLACK", 0.0)
    server.instead = [[0.1] * 30]
    began = time.monotonic()

    with pytest.raises(ValueError, match="no whole answer within"):
        client(server, "timeout=0.5&retries=0")(X)
    assert time.monotonic() - began < 2
