"""The spec of a model behind HTTP: "http://127.0.0.1:8000/predict#rate=5&budget=10000". Torch is not imported.

The options are in the fragment of the URL, which is never sent.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from robust.attacks.spec import Spec, configure, parse_value
from robust.attacks.text import slug


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and the limits of its use. Each process of a run keeps to these limits by itself."""

    url: str
    batch: int = 64  # samples in a request
    rate: float = 0.0  # maximum number of requests a second; 0: no limit
    timeout: float = 30.0  # seconds, for each request
    retries: int = 3  # of a request that fails, or is answered with a busy status
    budget: int = 1_000_000  # maximum number of samples in all

    def __post_init__(self) -> None:
        for name in ("batch", "budget"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.timeout <= 0:
            raise ValueError(f"timeout, in seconds, must be above 0, got {self.timeout:g}")
        if min(self.rate, self.retries) < 0:
            raise ValueError("rate and retries must be 0 or more")

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Read a URL with options; ValueError if it is no URL, or if an option is unknown or wrong."""
        parts = urlsplit(text)
        if not parts.hostname or parts.username or parts.password:
            raise ValueError("expected a URL with a host and without a password, as http://127.0.0.1:8000/predict")
        pairs = parse_qsl(parts.fragment, keep_blank_values=True)
        spec = Spec("endpoint", options=tuple((key, parse_value(value)) for key, value in pairs))
        if len(dict(pairs)) < len(pairs):
            raise ValueError("an option is given twice")
        return configure(cls, spec, url=parts._replace(fragment="").geturl())

    @property
    def name(self) -> str:
        """Return the host and the path in one word: "127.0.0.1_8000_predict"."""
        parts = urlsplit(self.url)
        return slug(parts.netloc + parts.path)
