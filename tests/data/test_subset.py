"""only=: some classes of any data set."""

import numpy as np
import pytest
from PIL import Image

from robust.data.factory import open_data


def opened(spec, folder="."):
    return open_data(spec, folder).complete()


@pytest.mark.parametrize("split", ["test", "train"])
def test_classes_are_numbered_in_the_order_that_is_given(split):
    whole, some = opened("digits"), opened("digits:only=7+0+3")
    x, y = whole.read(split)
    mine = np.isin(y, [7, 0, 3])

    assert (some.name, some.classes, some.threat) == ("digits:only=7+0+3", 3, whole.threat)
    assert np.array_equal(some.load(split).x, x[mine])
    assert [[7, 0, 3][label] for label in some.load(split).y] == y[mine].tolist()


def test_a_model_of_all_classes_sees_the_labels_as_they_were():
    some = opened("digits:only=7+3:renumber=false")

    assert (some.name, some.classes) == ("digits:only=7+3:renumber=false", 10)
    assert {*some.load("test").y.tolist()} == {3, 7}


def test_every_data_word_takes_it(tmp_path):
    x, y = np.linspace(0, 1, 12, dtype=np.float32).reshape(6, 2), np.array([0, 1, 2, 0, 1, 5])
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    (tmp_path / "data.py").write_text("import numpy as np\ndef load(): return [*np.load('mine.npz').values()]")
    for name in "abc":
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (6, 4)).save(tmp_path / "pets" / name / "0.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for spec in ("npz:mine.npz", "data.py:load"):
            assert opened(f"{spec}:only=5+1", tmp_path).load("test").y.tolist() == [1, 1, 0]
            kept = opened(f"{spec}:lo=-1:only=1+2:renumber=false", tmp_path)
            assert (kept.lo, kept.classes, kept.load("test").y.tolist()) == (-1.0, 6, [1, 2, 1])
    assert opened("imagefolder:pets:only=2+0:size=5", tmp_path).load("test").y.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("only=a", "different classes by number, as only=0"),
        ("only=1+1", "different classes by number"),
        ("only=1+", "different classes by number"),
        ("only=-1+2", "different classes by number"),
        ("only=3", "nothing to tell apart; add renumber=false"),
        ("only=3+4:renumber=no", "renumber must be of type bool"),
        ("only=3+12", "digits has no test samples of class 12"),
        ("only=3+4:size=2", "digits takes no options"),
        ("renumber=false", "digits takes no options"),
    ],
)
def test_what_is_wrong_is_reported(options, message):
    with pytest.raises(ValueError, match=message):
        opened(f"digits:{options}").load("test")
