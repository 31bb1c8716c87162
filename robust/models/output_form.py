"""The form of a model's answers: which tensor holds them and what its numbers are. Torch is not imported here."""

from dataclasses import dataclass

LOGIT, PROBABILITY, LOG_PROBABILITY = "logit", "probability", "log-probability"
KINDS = (LOGIT, PROBABILITY, LOG_PROBABILITY)
SEPARATOR = "|"  # between the forms of an ensemble's members


@dataclass(frozen=True, slots=True)
class OutputForm:
    """The part of an answer that is read, and how: "logits", "probability", "head:probability"."""

    name: str = ""  # of the tensor, where an answer holds several: "logits", "0", "heads.1"; "": the only one that fits
    kind: str = ""  # one of KINDS; "": as the answers themselves show

    @classmethod
    def parse(cls, text: str) -> "OutputForm":
        """Read "[NAME:]logit", "[NAME:]probability" or "NAME"; ValueError for an empty name or another kind."""
        name, colon, kind = text.rpartition(":")
        if not colon:
            return cls(kind=text) if text in KINDS else cls(name=text)
        if not name or kind not in KINDS:
            raise ValueError(f"expected {', '.join(KINDS)}, behind the name of a tensor if need be: logits:probability")
        return cls(name, kind)

    def __str__(self) -> str:
        return ":".join(filter(None, (self.name, self.kind)))


def read_output(text: str) -> str:
    """Return --robust-output in its canonical spelling; ValueError for what is no form of answers."""
    return str(OutputForm.parse(text.strip()))
