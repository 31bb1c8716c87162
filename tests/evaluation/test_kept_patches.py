"""A patch for all samples is learnt once: it is kept under a hash of everything that determines it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks.threats.threat import read_threat
from robust.attacks.zoo.universal_patch import UniversalPatch
from robust.data.dataset import Samples
from robust.distributed.ranks import ALONE
from robust.evaluation.attack_run import PatchHome, RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.kept_patches import KeptPatches
from robust.evaluation.measure import measure_attack
from robust.evaluation.universal import KEPT, describe_learning, digest_others
from tests.distributed.together import together

ATTACK = "universal-patch:steps=20:tries=9"
THREAT = read_threat("patch:2x3:universal=true")


def subject():
    """A linear model, and samples of two channels that it answers right, half of them to learn on."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 4))
    for part in model.parameters():
        part.data = nn.Parameter(part.new_tensor(rng.normal(size=part.shape)))
    x = rng.uniform(size=(80, 2, 6, 6)).astype(np.float32)
    samples = Samples(x, model(nn.Parameter(model[1].weight.new_tensor(x))).argmax(1).numpy(), np.arange(80))
    return model, samples.take(np.arange(40)), samples.take(np.arange(40, 80))


@pytest.fixture
def lessons(monkeypatch):
    """Count how often something is learnt."""
    learn, calls = UniversalPatch.learn, []
    monkeypatch.setattr(UniversalPatch, "learn", lambda *args, **named: calls.append(1) or learn(*args, **named))
    return calls


def options(home, ranks=ALONE, others=None, seed=0):
    others = subject()[2] if others is None else others
    patches = PatchHome(home, Path("net.py"))
    return RunOptions(Batcher(16), seed, ranks=ranks, others=lambda n, seed: others, patches=patches)


def measure(home, attack=ATTACK, threat=THREAT, model=None, **changes):
    net, samples, _ = subject()
    return measure_attack(model or net, samples, np.ones(40, bool), attack, threat, options(home, **changes))


def outcome(found):
    return found.adversarial.tolist(), found.x_adv.tolist(), found.forwards, found.backwards, found.note


def test_it_is_learnt_once_and_ends_with_the_same_outcome_and_cost(tmp_path, lessons):
    first = measure(tmp_path)
    told = describe_learning(ATTACK, subject()[0], THREAT, options(tmp_path))
    again = measure(tmp_path)

    assert len(lessons) == 1
    assert 0 < first.adversarial.sum() < 40
    assert outcome(again) == outcome(first) == outcome(measure(tmp_path / "other"))
    with np.load(*(tmp_path / "patches").iterdir()) as kept:
        assert first.seconds > kept["seconds"] > 0
        assert again.seconds > kept["seconds"]
    assert told == KEPT
    assert "at most 153 passes" in describe_learning(ATTACK, subject()[0], THREAT, options(tmp_path / "new"))
    assert (tmp_path / ".gitignore").exists()


def scaled(model):
    model[1].weight.data *= 1.01
    return model


CHANGES = {
    "the model": {"model": scaled(subject()[0])},
    "the threat model": {"threat": read_threat("patch:3x2:universal=true")},
    "the bounds": {"threat": read_threat("patch:2x3:universal=true", -0.5, 1.5)},
    "the options": {"attack": f"{ATTACK}:climb=3"},
    "the seed": {"seed": 1},
    "the number of samples": {"others": subject()[2].take(np.arange(39))},
    "a sample": {"others": replace(subject()[2], x=np.clip(subject()[2].x + 1e-3, 0, 1))},
    "a label": {"others": replace(subject()[2], y=np.roll(subject()[2].y, 1))},
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_determines_it_makes_it_be_learnt_again(name, tmp_path, lessons):
    measure(tmp_path)
    measure(tmp_path, **CHANGES[name])

    assert len(lessons) == 2
    assert len([*(tmp_path / "patches").iterdir()]) == 2


def test_a_file_that_is_damaged_or_of_another_patch_is_not_taken(tmp_path, lessons):
    whole = outcome(measure(tmp_path))
    (file,) = (tmp_path / "patches").iterdir()
    content = file.read_bytes()
    with np.load(file) as arrays:
        kept = dict(arrays)
    for change in ({"content0": kept["content0"][..., :2]}, {"counts0": kept["counts0"] + 100}, {"counts0": [1]}):
        np.savez(file, **kept | change)
        assert outcome(measure(tmp_path)) == whole
    file.write_bytes(content[:200])

    assert outcome(measure(tmp_path)) == whole
    assert len(lessons) == 5
    assert len(file.read_bytes()) == len(content)


def test_each_part_of_a_union_has_its_own(tmp_path, lessons):
    union = read_threat("patch:1x2:universal=true+patch:2x1:universal=true")
    first, again = measure(tmp_path, threat=union), measure(tmp_path, threat=union)

    assert outcome(first) == outcome(again)
    assert first.note.count("it fools") == 2
    assert len(lessons) == 1


def test_a_folder_that_is_a_link_or_full_is_one_line(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "patches").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="patches is a link, and what is written there would be elsewhere"):
        measure(tmp_path)
    (tmp_path / "patches").unlink()
    (tmp_path / "patches").write_text("a file where the folder would be")
    with pytest.raises(ValueError, match="the patch that was learnt could not be written"):
        measure(tmp_path)


def test_a_suite_depends_on_the_samples_that_its_patch_is_learnt_on(tmp_path):
    others = subject()[2]
    assert digest_others(["pgd:model=nowhere", ATTACK], options(tmp_path)) == [others.digest]
    assert digest_others(["pgd"], RunOptions(Batcher(9))) == []


def shared(ranks, homes):
    return outcome(measure(homes[ranks.rank], ranks=ranks))


def test_ranks_have_one_patch_which_the_first_keeps_for_any_number_of_them(tmp_path):
    homes = [tmp_path / "first", tmp_path / "second"]
    alone = outcome(measure(tmp_path / "alone"))
    for _ in range(2):
        first, second = together(2, shared, homes)
        assert first == alone
        assert second[2:] == alone[2:]

    assert [home.exists() for home in homes] == [True, False]
    assert outcome(measure(homes[0])) == alone


def test_whatever_byte_is_damaged_no_error_ends_the_run(tmp_path):
    measure(tmp_path)
    (file,) = (tmp_path / "patches").iterdir()
    content = file.read_bytes()
    kept = KeptPatches(tmp_path, file, (THREAT,), torch.as_tensor(subject()[2].x[:1]))
    assert kept.read() is not None
    begins = content.index(b"PK\x01\x02")  # the archive's directory, which says how it is read
    read = []
    for at in range(begins, len(content)):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        read.append(kept.read())

    assert None in read
