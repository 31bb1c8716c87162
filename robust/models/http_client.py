"""Asking an endpoint for its answers, within its limits.

A request is POST {"inputs": [...]}, n inputs as nested lists of numbers. The answer is an object of JSON with n
"probabilities" or "scores", each a list with a number for each class, or n "labels".
"""

import json
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.attacks.text import brief, printable
from robust.models.blackbox import KINDS, Answer
from robust.models.endpoint import Endpoint

BUSY = (429, 502, 503, 504)  # statuses after which it is asked again
MOST_BYTES = 64 * 2**20  # of an answer


class Client:
    """Answers of an endpoint. ValueError, in one line, where it does not give them."""

    def __init__(self, endpoint: Endpoint) -> None:
        """LookupError where urllib3 is not installed."""
        try:
            import urllib3
        except ModuleNotFoundError:
            raise LookupError("urllib3 is not installed; pip install 'pytest-robust[http]'") from None
        retry = urllib3.Retry(
            endpoint.retries, status_forcelist=BUSY, allowed_methods=None, backoff_factor=0.2, redirect=False
        )
        self.endpoint = endpoint
        self.asked = 0  # samples
        self._next = 0.0  # when the next request may start
        self._pool = urllib3.PoolManager(retries=retry, timeout=endpoint.timeout)

    def __call__(self, x: NDArray[np.float32]) -> Answer:
        """The answers to x, (n, *shape)."""
        if self.asked + len(x) > (budget := self.endpoint.budget):
            told = f"{self.asked} samples of its budget of {budget} are spent, and {len(x)} more were to be sent"
            raise ValueError(f"{told}; attack fewer samples, take fewer steps, or raise #budget=")
        self.asked += len(x)
        size = self.endpoint.batch
        parts = [self._ask(x[start : start + size]) for start in range(0, len(x), size)]
        if len(kinds := {kind for kind, _ in parts}) > 1:
            raise ValueError(f"it answered once with {' and once with '.join(sorted(kinds))}")
        return parts[0][0], np.concatenate([values for _, values in parts])

    def _ask(self, x: NDArray[np.float32]) -> Answer:
        content = self._json(json.dumps({"inputs": x.tolist()}).encode())
        kind = next((kind for kind in KINDS if kind in content), None) if isinstance(content, dict) else None
        if kind is None:
            raise ValueError(f"it did not answer with an object of JSON that has {', '.join(KINDS)}")
        try:
            return kind, np.array(content[kind], np.float64)
        except (ValueError, TypeError):
            raise ValueError(f"the {kind} that it answered with are no table of numbers") from None

    def _json(self, body: bytes) -> Any:
        """What it answers, read as JSON, when the next request may be sent."""
        from urllib3.exceptions import HTTPError

        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + (1 / self.endpoint.rate if self.endpoint.rate else 0.0)
        headers = {"content-type": "application/json", "accept": "application/json"}
        try:
            answer = self._pool.request(
                "POST", self.endpoint.url, body=body, headers=headers, redirect=False, preload_content=False
            )
            content = answer.read(MOST_BYTES + 1, decode_content=True)
            answer.release_conn()
        except HTTPError as error:
            raise ValueError(f"no answer: {_reason(error)}") from None
        if answer.status != 200:
            raise ValueError(
                f"answered with status {answer.status}: {printable(content[:200].decode(errors='replace'))}"
            )
        if len(content) > MOST_BYTES:
            raise ValueError(f"answered with more than {MOST_BYTES // 2**20} MiB")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise ValueError("answered with what is no JSON") from None


def _reason(error: Exception) -> str:
    """The innermost cause, without urllib3's own objects."""
    reason = getattr(error, "reason", None) or error
    return brief(str(reason).rpartition("object at ")[2].partition(": ")[2] or str(reason))
