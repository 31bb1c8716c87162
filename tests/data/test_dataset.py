import importlib
import subprocess
import sys

import numpy as np
import pytest

from robust.attacks.registry import Registry
from robust.data import lazy_inputs
from robust.data.dataset import DATA, Dataset, Samples, dataset


def samples(n=100):
    """Return samples whose inputs and labels are their numbers."""
    index = np.arange(n, dtype=np.int64)
    return Samples(np.repeat(index, 6).reshape(n, 2, 3).astype(np.float32), index % 10, index)


@pytest.fixture
def registry(monkeypatch):
    """Return an empty registry, in which the test declares its data sets."""
    empty = Registry("data set", (), "robust.data")
    monkeypatch.setattr("robust.data.dataset.DATA", empty)
    yield empty
    sys.modules.pop("third_data", None)


@pytest.mark.parametrize("n", [0, 1, 40, 100])
def test_a_draw_divides_the_samples(n):
    drawn, others = samples().draw(n, seed=3)

    assert (len(drawn), len(others)) == (n, 100 - n)
    assert sorted([*drawn.index, *others.index]) == list(range(100))


def test_a_draw_of_more_than_there_are_is_all_of_them():
    drawn, others = samples(5).draw(9, seed=0)

    assert (drawn.index.tolist(), len(others)) == ([0, 1, 2, 3, 4], 0)


def test_both_parts_of_a_draw_ascend():
    for part in samples().draw(40, seed=3):
        assert (np.diff(part.index) > 0).all()


def test_inputs_and_labels_go_with_their_numbers():
    for part in samples().draw(40, seed=3):
        assert (part.x == part.index[:, None, None]).all()
        assert (part.y == part.index % 10).all()


def test_a_draw_of_a_draw_keeps_the_numbers_of_the_split():
    first, _ = samples().draw(40, seed=3)
    second, rest = first.draw(10, seed=3)

    assert sorted([*second.index, *rest.index]) == first.index.tolist()
    assert (second.x[:, 0, 0] == second.index).all()


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**40, -1])
def test_the_same_seed_draws_the_same(seed):
    assert samples().draw(40, seed)[0].digest == samples().draw(40, seed)[0].digest


def test_another_seed_draws_others():
    assert len({samples().draw(40, seed)[0].digest for seed in range(10)}) == 10


def test_a_seed_draws_the_same_in_every_version():
    assert samples(10).draw(4, seed=0)[0].index.tolist() == [2, 4, 8, 9]


def test_drawing_leaves_the_global_random_numbers_alone():
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    samples().draw(40, seed=3)

    assert np.random.rand() == expected


@pytest.mark.parametrize("part", ["x", "y", "index"])
def test_the_digest_sees_every_part(part):
    changed = samples()
    getattr(changed, part)[-1] += 1

    assert changed.digest != samples().digest


def test_the_digest_sees_the_smallest_change_of_an_input():
    changed = samples()
    changed.x[50, 1, 2] = np.nextafter(changed.x[50, 1, 2], np.float32(0))

    assert changed.digest != samples().digest


def test_the_digest_sees_the_order():
    assert samples().take(np.arange(100)[::-1]).digest != samples().digest


def test_the_digest_does_not_see_the_layout_in_memory():
    plain = samples()
    other = Samples(np.asfortranarray(plain.x), plain.y.astype(">i8"), plain.index.astype(np.int32))

    assert other.digest == plain.digest


def test_samples_that_are_read_where_they_are_indexed_are_the_same(monkeypatch):
    whole = DATA.get("digits").load("test")
    monkeypatch.setattr(lazy_inputs, "IN_MEMORY", 0)
    monkeypatch.setattr(lazy_inputs, "PART", 1000)
    read = DATA.get("digits").load("test")

    assert isinstance(read.x, lazy_inputs.LazyInputs)
    assert read.digest == whole.digest
    for part, other in zip(read.draw(40, seed=3), whole.draw(40, seed=3), strict=True):
        assert isinstance(part.x, lazy_inputs.LazyInputs)
        assert part.digest == other.digest


def test_every_part_of_them_is_checked(monkeypatch):
    monkeypatch.setattr(lazy_inputs, "IN_MEMORY", 0)
    monkeypatch.setattr(lazy_inputs, "PART", 16)
    x = np.zeros((9, 2), np.float32)
    x[7] = 2

    with pytest.raises(ValueError, match=r"shape \[2\] from 0 to 2, expected \[2\] from 0 to 1"):
        Dataset("mine", None, 0.0, 1.0, 2, (2,), lambda split: (x, np.arange(9) % 2)).load("test")


def test_the_digest_is_the_same_in_every_version():
    assert samples(3).digest == "f9cde2b305aff455fe250029a4b78031bdb7b7e0e3b2bc822a548bcde721b25f"


def test_a_declared_data_set_is_found_by_its_name_and_read(registry):
    @dataset("twos", threat="l2:0.5", bounds=(-1.0, 2.0), classes=2, shape=(4,))
    def read(split):
        return np.full((3, 4), 2, np.float32), np.arange(3) % 2

    found = registry.get("twos")
    assert found == Dataset("twos", "l2:0.5", -1.0, 2.0, 2, (4,), read)
    assert found.load("test").index.tolist() == [0, 1, 2]
    assert found.load("test").y.tolist() == [0, 1, 0]


def test_the_split_asked_for_is_the_split_read(registry):
    @dataset("sizes", threat="linf:0.1", classes=1, shape=(1,))
    def read(split):
        n = {"train": 5, "test": 2}[split]
        return np.zeros((n, 1), np.float32), np.zeros(n, np.int64)

    assert [len(registry.get("sizes").load(split)) for split in ("train", "test")] == [5, 2]


def test_the_name_of_another_data_set_is_refused():
    DATA.get("digits")

    with pytest.raises(ValueError, match=r"the data set name 'digits' is taken by .*digits"):
        dataset("digits", threat="linf:0.1", classes=10, shape=(1,))(lambda split: None)


def test_a_reloaded_file_declares_its_data_set_again(registry, tmp_path, monkeypatch):
    (tmp_path / "third_data.py").write_text(
        "from robust.data.dataset import dataset\n"
        "@dataset('third', threat='linf:0.1', classes=2, shape=(1,))\n"
        "def read(split): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("third_data")
    first = module.read

    importlib.reload(module)

    assert registry.get("third").read is module.read is not first


def test_an_unknown_data_set_is_reported_with_the_nearest():
    with pytest.raises(LookupError, match="unknown data set 'digit', did you mean 'digits'"):
        DATA.get("digit")


def test_declarations_import_neither_torch_nor_numpy():
    code = """if True:
        import sys, robust.data.dataset, robust.data.sets.digits, robust.data.sets.fashion_mnist
        assert not {"torch", "numpy"} & set(sys.modules)
    """

    subprocess.run([sys.executable, "-c", code], check=True)
