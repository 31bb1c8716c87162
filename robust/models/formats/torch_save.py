"""Files of torch.save, read by torch's restricted unpickler: state dicts, alone or with what else a training keeps.

A pickle is a program where it is read in full, so that is done only to files that the user allows to run code.
"""

import pickle
import re
import warnings

import torch

from robust.attacks.spec import printable
from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.unwrap import unwrapped


def _told(source: Source) -> bool:
    """The archive of torch.save and no program, or a bare pickle."""
    program = any(name.endswith(("/constants.pkl", "/archive_format")) for name in source.members)
    packed = any(name.endswith("/data.pkl") for name in source.members)
    return source.head[:1] == b"\x80" or (packed and not program)


@model_format("torch-save", "a file of torch.save", _told)
def read(source: Source, terms: Terms) -> Loaded:
    """The state dict in it."""
    del terms
    try:
        # An open file, since for a path torch goes by the suffix. The warnings are of the loader's own housekeeping.
        with source.path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL (\S+)", str(error))
        needs = f"needs {printable(name[1])}, which is" if name else "holds what is"
        raise ValueError(
            f"{needs} not safe to unpickle, so it was not loaded; "
            'save only the weights: torch.save(model.state_dict(), "weights.pt")'
        ) from None
    except Exception as error:  # a damaged file raises anything
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"is not a sound file of torch.save: {printable(told)}") from None
    return unwrapped(found)
