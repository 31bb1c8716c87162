"""A client that asks an endpoint for its answers, within the limits that the user sets.

A request is POST {"inputs": [...]}, n inputs as nested lists of numbers. The answer is an object of JSON with n
"probabilities" or "scores", each a list with a number for each class or label, or n "labels"; or, of a regressor, n
"values".
"""

import json
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from robust.attacks.text import brief, printable
from robust.models.blackbox import KINDS, Answer
from robust.models.endpoint import Endpoint

BUSY = (429, 502, 503, 504)  # statuses after which a request is repeated
MAX_BYTES = 64 * 2**20  # of an answer
SLACK = 5.0  # seconds for the pauses between attempts
T = TypeVar("T")


class Client:
    """Asks an endpoint for its answers. ValueError, in one line, if it does not give them."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Open a pool of connections; LookupError if urllib3 is not installed."""
        try:
            import urllib3
        except ModuleNotFoundError:
            raise LookupError("urllib3 is not installed; pip install 'pytest-robust[http]'") from None
        # A server's Retry-After is not followed: it may ask for a day.
        retry = urllib3.Retry(
            endpoint.retries,
            status_forcelist=BUSY,
            allowed_methods=None,
            backoff_factor=0.2,
            redirect=False,
            respect_retry_after_header=False,
        )
        self.endpoint = endpoint
        self.samples_sent = 0
        self._next = 0.0  # the time at which the next request may start
        self._pool = urllib3.PoolManager(retries=retry, timeout=endpoint.timeout)

    def __call__(self, x: NDArray[np.float32]) -> Answer:
        """Return the answers to x, (n, *shape); ValueError if the budget does not suffice."""
        sent, budget = self.samples_sent, self.endpoint.budget
        if sent + len(x) > budget:
            fault = f"{sent} samples of its budget of {budget} are spent, and {len(x)} more were to be sent"
            raise ValueError(f"{fault}; attack fewer samples, take fewer steps, or raise #budget=")
        self.samples_sent += len(x)
        size = self.endpoint.batch
        parts = [self._ask(x[start : start + size]) for start in range(0, len(x), size)]
        if len(kinds := {kind for kind, _ in parts}) > 1:
            raise ValueError(f"it answered once with {' and once with '.join(sorted(kinds))}")
        return parts[0][0], np.concatenate([values for _, values in parts])

    def _ask(self, x: NDArray[np.float32]) -> Answer:
        content = self._post(json.dumps({"inputs": x.tolist()}).encode())
        kind = next((kind for kind in KINDS if kind in content), None) if isinstance(content, dict) else None
        if kind is None:
            raise ValueError(f"it did not answer with an object of JSON that has {', '.join(KINDS)}")
        try:
            return kind, np.array(content[kind], np.float64)
        except (ValueError, TypeError, OverflowError):
            raise ValueError(f"the {kind} that it answered with are no table of numbers") from None

    def _post(self, body: bytes) -> Any:
        """Wait until the next request may be sent, send it, and return its answer, read as JSON."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + (1 / self.endpoint.rate if self.endpoint.rate else 0.0)
        status, content = self._call_in_time(lambda: self._request(body))
        if status != 200:
            raise ValueError(f"answered with status {status}: {printable(content[:200].decode(errors='replace'))}")
        if len(content) > MAX_BYTES:
            raise ValueError(f"answered with more than {MAX_BYTES // 2**20} MiB")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise ValueError("answered with what is no JSON") from None

    def _request(self, body: bytes) -> tuple[int, bytes]:
        """Send a request, and return the status and the first bytes of the answer; ValueError if there is none."""
        from urllib3.exceptions import HTTPError

        headers = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "identity"}
        try:
            answer = self._pool.request(
                "POST", self.endpoint.url, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                content = _read(answer)
            except BaseException:
                answer.close()
                raise
            answer.release_conn()
        except HTTPError as error:
            raise ValueError(f"no answer: {_reason(error)}") from None
        return int(answer.status), content

    def _call_in_time(self, call: Callable[[], T]) -> T:
        """Return what `call` returns; ValueError if it takes longer than all of its attempts may.

        A server that sends a byte now and then never lets a socket's own timeout pass. The thread is left to its end.
        """
        seconds = self.endpoint.timeout * (self.endpoint.retries + 1)
        outcomes: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue()

        def run() -> None:
            try:
                outcomes.put((call(), None))
            except BaseException as error:
                outcomes.put((None, error))

        threading.Thread(target=run, daemon=True).start()
        try:
            value, error = outcomes.get(timeout=seconds + SLACK)
        except queue.Empty:
            raise ValueError(f"no whole answer within {seconds:g} s") from None
        if error is not None:
            raise error
        return cast("T", value)


def _read(answer: Any) -> bytes:
    """Return the first bytes of an answer; ValueError if they are packed: a few may fill the memory."""
    encoding = answer.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise ValueError(f"answered in the encoding {printable(encoding)[:20]}; expected none")
    content: bytes = answer.read(MAX_BYTES + 1, decode_content=False)
    return content


def _reason(error: Exception) -> str:
    """Return the innermost cause in one line, without the addresses of urllib3's objects."""
    reason = getattr(error, "reason", None) or error
    return brief(str(reason).rpartition("object at ")[2].partition(": ")[2] or str(reason))
