"""The checks of the samples that were measured, on arrays: what they find, with the figure on what is left."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import Dataset, Samples
from robust.data.user_inputs import UserInputs
from robust.evaluation.batching import Batcher
from robust.records.trust import NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS
from robust.trust.indicators import training_samples

CLASSES, FEATURES = 4, 6
THREAT = LpThreat.parse("linf:0.1")


class Axes(nn.Module):
    """The logit of a class is one of the features."""

    def forward(self, x):
        return x[:, :CLASSES]


def draw(n, seed=0, lead=0.2):
    """Draw samples that `Axes` answers right, by a lead from 0 to `lead`."""
    random = np.random.default_rng(seed)
    x, y = random.uniform(0, 0.5, (n, FEATURES)).astype(np.float32), np.arange(n) % CLASSES
    x[np.arange(n), y] = 0.5 + random.uniform(0.001, lead, n)
    return x, y


def make_dataset(**splits):
    def read(split):
        return splits[split]

    return Dataset("arrays", None, 0.0, 1.0, CLASSES, (FEATURES,), read)


def make_probe(x, y, robust=None, **changes):
    n = len(y)
    robust = np.ones(n, bool) if robust is None else np.asarray(robust, bool)
    samples, batcher = Samples(x, y, np.arange(n)), Batcher(100)
    probe = AttackProbe(Axes(), samples, np.ones(n, bool), ~robust, THREAT, ("pgd",), CLASSES, 0, batcher)
    return replace(probe, **changes)


def run(name, probe):
    return INDICATORS.get(name)(probe)


# duplicates


def repeat(n, distinct):
    x, y = draw(distinct)
    rows = np.arange(n) % distinct
    return x[rows], y[rows]


def test_copies_are_counted_and_left_out():
    robust = np.arange(40) % 20 < 5
    finding = run("duplicates", make_probe(*repeat(40, 20), robust))

    assert (finding.name, finding.grade, finding.value) == ("duplicates", "suspect", 0.5)
    assert finding.message == "20 of 40 samples are copies of others; expected at most 10 %"
    assert finding.hint == "leave the copies out: on the 20 distinct ones robust accuracy is 25.0 %"


def test_copies_but_for_three_levels_of_8_bits_are_copies_too():
    x, y = repeat(40, 20)
    x[20:] += np.float32(2 / 255)
    assert run("duplicates", make_probe(x, y)).value == 0.5
    x[20:] += np.float32(2 / 255)
    assert run("duplicates", make_probe(x, y)) is None


@pytest.mark.parametrize(("n", "distinct"), [(40, 40), (40, 36)])
def test_a_few_copies_are_no_finding(n, distinct):
    assert run("duplicates", make_probe(*repeat(n, distinct))) is None


# one-class


@pytest.mark.parametrize(("present", "found"), [(1, True), (2, True), (3, False), (4, False)])
def test_more_than_half_of_the_classes_are_expected(present, found):
    x, y = draw(40)
    few = y < present
    finding = run("one-class", make_probe(x[few], y[few]))

    assert (finding is not None) == found
    if finding:
        assert finding.message == (
            f"the labels of {few.sum()} samples are of {present} of 4 classes; expected nearly all"
        )
        assert finding.value == present / 4


def test_of_two_classes_both_are_expected():
    x, y = draw(40)
    assert run("one-class", make_probe(x[y == 0], y[y == 0], classes=2)).grade == "suspect"
    assert run("one-class", make_probe(x[y < 2], y[y < 2], classes=2)) is None


def test_few_samples_need_not_be_of_all_classes():
    x, y = draw(40)
    assert run("one-class", make_probe(x[y == 0], y[y == 0], classes=6)) is None


# training-samples


def test_samples_of_the_training_split_are_counted():
    x, y = draw(40)
    probe = make_probe(x, y, np.arange(40) < 30, dataset=make_dataset(train=(x[:10], y[:10]), test=(x, y)))
    finding = run("training-samples", probe)

    assert (finding.grade, finding.value) == ("suspect", 0.25)
    assert finding.message == "10 of 40 samples are in the training split, too; expected at most 5 %"
    assert finding.hint.endswith("on the 30 others robust accuracy is 66.7 %")


def test_if_all_are_there_are_no_others():
    (x, y), train = draw(40), draw(60)
    train[0][:40] = x
    probe = make_probe(x, y, dataset=make_dataset(train=train, test=(x, y)))

    assert run("training-samples", probe).hint.endswith("there are no others")


def test_a_function_that_returns_the_same_for_both_splits_has_no_training_split():
    x, y = draw(40)
    with pytest.raises(NotApplicableError, match="same samples in both splits"):
        run("training-samples", make_probe(x, y, dataset=make_dataset(train=(x, y), test=(x, y))))


@pytest.mark.parametrize("name", ["training-samples", "easy-samples"])
def test_remarks_on_other_samples_do_not_stay(name):
    x, y = draw(40)
    dataset = make_dataset(train=draw(60, seed=1), test=(x, y))
    read = dataset.read
    noting = replace(dataset, read=lambda split: dataset.remarks.note(split) or read(split))
    run(name, make_probe(x, y, dataset=noting))

    assert "train" not in dataset.remarks.notes


def test_other_samples_and_a_few_shared_ones_are_no_finding():
    (x, y), (other, labels) = draw(40), draw(60, seed=1)
    other[:2] = x[:2]

    assert run("training-samples", make_probe(x, y, dataset=make_dataset(train=(other, labels)))) is None


@pytest.mark.parametrize("dataset", [None, make_dataset(test=draw(4))], ids=["none", "no training split"])
def test_without_a_training_split_it_does_not_apply(dataset):
    with pytest.raises(NotApplicableError, match="no training split"):
        run("training-samples", make_probe(*draw(40), dataset=dataset))


def count_reads(**splits):
    """Return (a data set of arrays, the splits that were read of it so far)."""
    reads, dataset = [], make_dataset(**splits)
    return replace(dataset, read=lambda split: reads.append(split) or dataset.read(split)), reads


def test_the_training_split_is_read_once():
    x, y = draw(40)
    dataset, reads = count_reads(train=(x[:10], y[:10]), test=(x, y))
    run("training-samples", make_probe(x, y, dataset=dataset))

    assert reads == ["train"]


def test_a_split_is_read_once_when_it_is_loaded():
    dataset, reads = count_reads(test=draw(40))
    dataset.load("test", 5)

    assert reads == ["test"]


class ByItem:
    """Inputs that are read item by item, as files are."""

    def __init__(self, x):
        self.x, self.rows = x, []

    def __len__(self):
        return len(self.x)

    def __getitem__(self, rows):
        self.rows.extend(rows.tolist())
        return self.x[rows]


def mix(x, y, n):
    """Return n samples of a training split, among them these, in another order."""
    others, labels = draw(n - len(y), seed=1)
    order = np.random.default_rng(2).permutation(n)
    return np.concatenate([x, others])[order], np.concatenate([y, labels])[order]


def test_users_arrays_are_searched_too():
    x, y = draw(40)
    train = mix(x[:10], y[:10], 60)
    dataset = replace(make_dataset(test=(x, y)), read=lambda split: (UserInputs(train[0]), train[1]))

    assert run("training-samples", make_probe(x, y, dataset=dataset)).value == 0.25


def test_items_are_searched_up_to_a_number():
    x, y = draw(200)
    items, labels = mix(x, y, 300)
    items = ByItem(items)
    finding = run("training-samples", make_probe(x, y, dataset=make_dataset(train=(items, labels), test=(x, y))))

    assert finding.value == 1
    assert {*items.rows} == {*range(300)}


def test_a_part_of_many_items_tells_of_all():
    x, y = draw(200)
    items, labels = mix(x, y, 20_000)
    items = ByItem(items)
    finding = run("training-samples", make_probe(x, y, dataset=make_dataset(train=(items, labels), test=(x, y))))

    assert len(items.rows) <= 2000 + 16
    assert finding.grade == "suspect"
    assert re.fullmatch(
        r"(1\d|2\d) of 200 samples are among the 2000 training samples, of 20000, that were searched; "
        "expected at most 0.5 %",
        finding.message,
    )
    assert re.search(r"no training has seen: about \d+ % of these are training samples$", finding.hint)


@pytest.mark.parametrize("shared", [0, 8])
def test_a_few_shared_items_are_no_finding(shared):
    x, y = draw(200)
    items, labels = mix(x[:shared], y[:shared], 20_000)

    assert run("training-samples", make_probe(x, y, dataset=make_dataset(train=(ByItem(items), labels)))) is None


def test_of_an_array_that_is_too_large_a_part_is_searched(monkeypatch):
    monkeypatch.setattr(training_samples, "MAX_VALUES", 100 * FEATURES)
    x, y = draw(200)
    finding = run("training-samples", make_probe(x, y, dataset=make_dataset(train=mix(x, y, 300), test=(x, y))))

    assert "among the 100 training samples, of 300, that were searched; expected at most 1.7 %" in finding.message


def test_items_that_are_the_same_in_both_splits_are_one_split():
    x, y = draw(200)
    dataset = make_dataset(train=(ByItem(x), y), test=(x, y))
    with pytest.raises(NotApplicableError, match="same samples in both splits"):
        run("training-samples", make_probe(x, y, dataset=dataset))


def test_a_training_split_that_begins_with_the_samples_is_a_finding():
    (x, y), (others, labels) = draw(40), draw(60, seed=1)
    train = np.concatenate([x, others]), np.concatenate([y, labels])

    assert run("training-samples", make_probe(x, y, dataset=make_dataset(train=train, test=(x, y)))).value == 1


# easy-samples


def make_easy(lead=0.2, split="test", n=60):
    """Make a probe of n samples with a larger lead than 80 others of their split, or of the training split."""
    (x, y), (others, labels) = draw(n, lead=lead), draw(80, seed=1, lead=0.2)
    if split == "train":
        return make_probe(x, y, dataset=make_dataset(test=(x, y), train=(others, labels)))
    whole = np.concatenate([x, others]), np.concatenate([y, labels])
    return make_probe(x, y, dataset=make_dataset(test=whole))


@pytest.mark.parametrize(("split", "where"), [("test", "the rest of their split"), ("train", "the training split")])
def test_a_model_that_is_surer_of_its_samples_than_of_others_is_found(split, where):
    finding = run("easy-samples", make_easy(0.45, split))

    assert (finding.name, finding.grade) == ("easy-samples", "suspect")
    assert 0.65 < finding.value < 0.9
    assert f"surer of a sample than of one of {where}, where it is right for 100.0 %" in finding.message


@pytest.mark.parametrize("split", ["test", "train"])
@pytest.mark.parametrize("lead", [0.2, 0.05])
def test_equal_or_harder_samples_are_no_finding(lead, split):
    assert run("easy-samples", make_easy(lead, split)) is None


def test_eight_samples_may_be_easier_by_chance():
    assert run("easy-samples", make_easy(0.3, n=8)) is None


def test_the_samples_that_were_measured_are_not_the_others():
    """Those that were chosen for the probe are a part of those that were measured."""
    probe = make_easy(0.45)
    assert run("easy-samples", replace(probe, indices=np.arange(60))) is not None
    with pytest.raises(NotApplicableError, match="train split cannot be read"):
        run("easy-samples", replace(probe, indices=np.arange(140)))


def test_a_data_set_that_is_not_known_has_no_others():
    with pytest.raises(NotApplicableError, match="not known"):
        run("easy-samples", make_probe(*draw(40)))


def test_a_random_model_has_no_lead():
    class Random(Axes):
        def forward(self, x):
            return super().forward(x) + torch.rand(len(x), CLASSES)

    with pytest.raises(NotApplicableError, match="random"):
        run("easy-samples", replace(make_easy(), module=Random()))


# few-samples


def test_few_samples_are_a_note_with_the_interval():
    finding = run("few-samples", make_probe(*draw(20), np.arange(20) < 10))

    assert (finding.grade, finding.value) == ("trusted", 20.0)
    assert finding.message == "20 samples: the 95 % interval of robust accuracy is 29.9 to 70.1 %"


@pytest.mark.parametrize(("n", "found"), [(1, True), (29, True), (30, False)])
def test_thirty_are_enough(n, found):
    assert (run("few-samples", make_probe(*draw(n))) is not None) == found
