"""fold=: a part of the training split as the test split, the others as the training split."""

import numpy as np
import pytest

from robust.data.dataset import dataset
from robust.data.factory import open_data
from robust.data.folds import Fold, assign_folds, select_fold


def opened(spec, folder="."):
    return open_data(spec, folder).complete()


@pytest.mark.parametrize("of", [2, 3, 7])
def test_the_folds_are_disjoint_and_hold_all_of_the_training_split(of):
    whole = opened("digits").load("train")
    folds = [opened(f"digits:fold={number}of{of}") for number in range(1, of + 1)]
    tested, learnt = ([each.load(split) for each in folds] for split in ("test", "train"))

    sizes = [len(samples) for samples in tested]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == len(whole)
    assert [len(samples) for samples in learnt] == [len(whole) - size for size in sizes]
    both = np.concatenate([tested[0].x, learnt[0].x])
    assert np.array_equal(np.unique(both, axis=0), np.unique(whole.x, axis=0))
    assert not {x.tobytes() for x in tested[0].x} & {x.tobytes() for x in learnt[0].x}
    counts = np.array([np.bincount(samples.y, minlength=10) for samples in tested])
    assert np.ptp(counts, axis=0).max() <= 1


def test_labels_that_are_no_classes_are_shuffled_and_a_seed_changes_nothing():
    folds = assign_folds(np.linspace(0, 1, 10)[:, None], 3)

    assert np.bincount(folds).tolist() == [4, 3, 3]
    assert folds.tolist() != sorted(folds)
    assert np.array_equal(folds, assign_folds(np.linspace(0, 1, 10)[:, None], 3))


def test_the_test_split_is_never_read(tmp_path):
    (tmp_path / "data.py").write_text(
        "import numpy as np\n"
        "def load(split):\n"
        "    assert split == 'train', 'the test split was read'\n"
        "    return np.linspace(0, 1, 40, dtype='float32').reshape(20, 2), np.arange(20) % 4\n"
    )
    data = opened("data.py:load:fold=2of5", tmp_path)

    assert (data.name, data.classes, data.shape) == ("data:fold=2of5", 4, (2,))
    assert (len(data.load("test")), len(data.load("train"))) == (4, 16)


def test_it_joins_the_other_words():
    named = opened("digits:name=mine:fold=1of2")
    some = opened("digits:only=7+3:fold=1of2")
    attacked = opened("digits:attacked=3:fold=1of2")

    assert (named.name, some.name, attacked.name) == (
        "mine:fold=1of2", "digits:only=7+3:fold=1of2", "digits:fold=1of2:attacked=3",
    )  # fmt: skip
    assert {*some.load("test").y.tolist()} == {0, 1}
    assert {*attacked.load("test").y.tolist()} == {3}
    assert {*attacked.load("train").y.tolist()} == {*range(10)}


def test_labels_are_read_again_as_another_kind():
    data = opened("diabetes:fold=1of3").judged_by("within:50")

    assert (data.name, data.criterion) == ("diabetes:fold=1of3", "within:50")
    assert data.load("test").y.dtype.kind == "f"


@pytest.mark.parametrize("text", ["0of5", "6of5", "1of1", "2", "aof5", "1of2of3", "-1of5", "2/5"])
def test_what_is_no_fold_is_refused(text):
    with pytest.raises(ValueError, match="write fold=2of5"):
        open_data(f"digits:fold={text}", ".")


def test_more_folds_than_samples_are_refused():
    @dataset("four", threat="linf:0.1", classes=2, shape=(2,))
    def four(split):
        return np.zeros((4, 2), np.float32), np.arange(4) % 2

    from robust.data.dataset import DATA

    with pytest.raises(ValueError, match="4 training samples cannot be cut into 5 folds"):
        select_fold(DATA.get("four"), Fold(1, 5)).read("test")


def test_a_fold_without_a_class_has_the_classes_of_the_whole_split(tmp_path):
    (tmp_path / "data.py").write_text(
        "import numpy as np\n"
        "def load(split):\n"
        "    y = np.arange(30) % 2\n"
        "    y[0] = 2\n"
        "    return np.linspace(0, 1, 60, dtype='float32').reshape(30, 2), y\n"
    )
    folds = [opened(f"data.py:load:fold={number}of3", tmp_path) for number in (1, 2, 3)]

    assert [fold.classes for fold in folds] == [3, 3, 3]
    assert all(fold.open for fold in folds)
    assert all(len(fold.load("train")) == 20 for fold in folds)
    assert opened("data.py:load:attacked=0:fold=1of3", tmp_path).classes == 3
