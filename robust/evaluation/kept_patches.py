"""Patches for all samples that were learnt, kept on the disk: a run that was killed does not learn them again.

They stay there, as trained networks do: what determines them is in the name of the file, by its hash.
"""

import math
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from robust.attacks.grammar.universal import UNIVERSAL
from robust.attacks.suite import Suite
from robust.attacks.threats.patch import PatchThreat
from robust.attacks.threats.threat import Threat
from robust.attacks.threats.windows import count_places
from robust.attacks.words import threat_slug
from robust.attacks.zoo._universal import Shown, Sticker
from robust.attacks.zoo.universal_patch import UniversalPatch
from robust.data.dataset import Samples
from robust.data.numpy_files import read_arrays
from robust.evaluation.attack_run import PatchHome
from robust.evaluation.suite_cache import SuiteInputs
from robust.records.files import private, refuse_links, write_arrays

FOLDER = "patches"
COUNTS = 5  # the place, how many are fooled, of how many, the passes forward and backward


class KeptPatches(NamedTuple):
    """The file of the patches that one attack learns, one for each universal part of a threat model."""

    home: Path
    file: Path  # below it
    threats: tuple[PatchThreat, ...]
    x: torch.Tensor  # (1, *features): a sample, whose shape and type are those of what is patched

    def read(self) -> tuple[Shown, float] | None:
        """Return the attack that shows the patches, and the seconds that they took.

        None if they were not learnt to the end, or the file is damaged.
        """
        try:
            (seconds,) = read_arrays(self.file, ["seconds"])
            stickers = {str(threat): self._read_sticker(k, threat) for k, threat in enumerate(self.threats)}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        return Shown(stickers), float(seconds)

    def write(self, shown: Shown, seconds: float) -> None:
        """Write the patches; ValueError if that fails."""
        arrays: dict[str, object] = {"seconds": seconds}
        for k, threat in enumerate(self.threats):
            sticker = shown.stickers[str(threat)]
            arrays[f"content{k}"] = sticker.content.cpu().numpy()
            arrays[f"counts{k}"] = np.array([int(sticker.place), *sticker[2:]], np.int64)
        try:
            private(self.home)
            write_arrays(self.file, arrays)
        except OSError as error:
            raise ValueError(f"the patch that was learnt could not be written: {error}") from error

    def _read_sticker(self, k: int, threat: PatchThreat) -> Sticker:
        """Read one patch; ValueError if it is none for these inputs."""
        content, counts = read_arrays(self.file, [f"content{k}", f"counts{k}"])
        size = threat.fit(self.x)
        shape = (1, math.prod(self.x.shape[1:-2]), *size)
        if content.shape != shape or counts.shape != (COUNTS,):
            raise ValueError(f"{self.file.name} holds no patch of shape {shape}")
        if not 0 <= counts[0] < count_places(self.x, size):
            raise ValueError(f"{self.file.name} holds a patch outside of the image")
        values = torch.from_numpy(np.array(content)).to(self.x)
        return Sticker(threat.clip(values), torch.tensor(counts[:1], device=self.x.device), *map(int, counts[1:]))


def kept_patches(
    at: PatchHome, attack: UniversalPatch, module: nn.Module, others: Samples, threat: Threat, seed: int
) -> KeptPatches:
    """Return where the patches are kept that the attack learns on these samples; ValueError if it is a link.

    What determines them are the model's weights, code and answers, the samples, by number and digest, and their
    criterion, the threat model with its bounds, the attack's options, the seed, and the code of this package.
    """
    inputs = SuiteInputs(
        module=module,
        source=at.source,
        samples=others,
        correct=np.ones(len(others), bool),
        suite=Suite(UNIVERSAL, ()),
        search=(),
        threat=threat,
        seed=seed,
        more=asdict(attack),
    )
    file = at.home / FOLDER / f"{threat_slug(str(threat))}-{inputs.key[:16]}.npz"
    threats = tuple(part for part in threat.parts if isinstance(part, PatchThreat) and part.universal)
    return KeptPatches(at.home, refuse_links(at.home, file), threats, torch.as_tensor(others.x[:1]))
