"""A sample that comes back to an iterate is done, and nothing is lost by that."""

import pytest
import torch

import robust.attacks.zoo.pgd as zoo
from robust.attacks import PGD, LpThreat, assail
from robust.attacks.zoo.pgd import fingerprint
from tests.attacks.models import inputs, network

LINF = LpThreat.parse("linf:1/20")


@pytest.mark.parametrize("stride", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_leaving_cycles_changes_no_outcome_and_saves_gradients(monkeypatch, stride, dtype):
    model, x = network(dtype=dtype), inputs(dtype=dtype)
    y = model(x).argmax(1)
    attack = PGD(steps=200, stride=stride, start=0.9)
    leaving = assail(model, attack, x, y, LINF)
    monkeypatch.setattr(zoo, "FIRST_CYCLE", 10_000)
    staying = assail(model, attack, x, y, LINF)

    assert torch.equal(leaving.adversarial, staying.adversarial)
    assert torch.equal(leaving.x_adv, staying.x_adv)
    assert leaving.cost.backwards.sum() < 0.7 * staying.cost.backwards.sum()


def test_a_restart_begins_anew_for_samples_that_were_done():
    model, x = network(), inputs()
    y = model(x).argmax(1)
    once, thrice = (assail(model, zoo_word(r), x, y, LINF) for r in (1, 3))

    standing = ~thrice.adversarial
    assert (thrice.cost.backwards[standing] > 2 * once.cost.backwards[standing]).all()


def zoo_word(restarts):
    from robust.attacks import make

    return make(f"pgd:steps=100:restarts={restarts}")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_fingerprint_tells_the_smallest_change_of_any_coordinate(dtype):
    x = inputs(1).to(dtype).repeat(65, 1, 1, 1)
    flat = x.flatten(1)
    for i in range(64):
        flat[i, i] = torch.nextafter(flat[i, i].float(), torch.tensor(2.0)).to(dtype) + torch.finfo(dtype).eps
    marks = fingerprint(x)

    assert len(set(marks.tolist())) == 65
    assert torch.equal(fingerprint(x.clone()), marks)
    assert torch.equal(fingerprint(x[3:9]), marks[3:9])
