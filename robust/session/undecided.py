"""Values have no criterion by default: the refusal shows the errors of the model, and proposes how far is too far."""

from typing import NoReturn

import numpy as np
import torch
from torch import nn

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.engine import eval_mode
from robust.data.dataset import Samples
from robust.device import device_of
from robust.settings.parsing import OptionError

SHARES = {"half": 0.5, "three quarters": 0.75, "nine in ten": 0.9}
PROPOSED = "three quarters"
ASKED = 256  # samples
UNDECIDED = "the labels are values, expected (n,) of whole numbers or that you say how far an answer may be off"


def refuse_undecided(module: nn.Module | None, samples: Samples) -> NoReturn:
    """Raise the OptionError for values of which nobody says how far an answer may be off.

    Without a module, since it is yet to be trained, the errors are those of one constant answer.
    """
    few = samples.take(np.arange(min(ASKED, len(samples))))
    y = torch.from_numpy(few.y)
    if module is None:
        answers, who = torch.from_numpy(np.nanmedian(few.y, axis=0)).expand_as(y), "answers that are all the median"
    else:
        with eval_mode(module), torch.no_grad():
            answers, who = module(torch.from_numpy(few.x[:]).to(device_of(module))).cpu(), "clean answers"
    errors = read_criterion(samples.criterion).score(answers, y).numpy()
    off = {name: f"{float(f'{np.quantile(errors, share):.2g}'):g}" for name, share in SHARES.items()}
    seen = ", ".join(f"{name} by at most {error}" for name, error in off.items())
    fault = f"{UNDECIDED}; of {len(few)} {who} are off: {seen}"
    raise OptionError("criterion", None, f"{fault}; say it, as --robust-criterion=within:{off[PROPOSED]}")


def refuse_unfit(error: ValueError) -> NoReturn:
    """Raise the OptionError for values and a model that does not answer with as many: `error` says with what."""
    raise OptionError("criterion", None, f"{UNDECIDED}, as --robust-criterion=within:T; {error}") from error
