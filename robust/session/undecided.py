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


def refuse_undecided(module: nn.Module, samples: Samples) -> NoReturn:
    """Raise the OptionError for values of which nobody says how far an answer may be off."""
    few = samples.take(np.arange(min(ASKED, len(samples))))
    y = torch.from_numpy(few.y)
    with eval_mode(module), torch.no_grad():
        answers = module(torch.from_numpy(few.x[:]).to(device_of(module))).cpu()
    errors = read_criterion(samples.criterion).score(answers, y).numpy()
    quantiles = {name: f"{np.quantile(errors, share):.2g}" for name, share in SHARES.items()}
    plain = {name: f"{float(text):g}" for name, text in quantiles.items()}
    seen = ", ".join(f"{name} by at most {text}" for name, text in plain.items())
    asked = f"of {len(few)} clean answers are off: {seen}"
    fault = "the labels are values, and nothing says how far an answer may be off"
    raise OptionError("criterion", None, f"{fault}; {asked}; say it, as --robust-criterion=within:{plain[PROPOSED]}")
