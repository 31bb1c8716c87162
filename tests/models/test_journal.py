"""The journal of answers: an earlier run's are taken once each, and a run's own never."""

import numpy as np
import pytest

from robust.models import journal as journals
from robust.models.journal import Journal

X = np.linspace(0, 1, 30, dtype=np.float32).reshape(10, 3)


class Asked:
    """A model that answers with labels, or with scores, and counts what it is asked."""

    def __init__(self, scores=False, shift=0):
        self.scores, self.shift, self.sizes = scores, shift, []

    def __call__(self, x):
        self.sizes.append(len(x))
        total = (x.sum(1) * 10 + self.shift).astype(int)
        return ("scores", np.stack([x.sum(1), -x.sum(1)], 1)) if self.scores else ("labels", total)


def ask(journal, model, x, size=None):
    return journal.wrap(model, size)(x)


@pytest.mark.parametrize("scores", [False, True])
def test_what_a_stopped_run_has_asked_is_not_asked_again(tmp_path, scores):
    model = Asked(scores)
    kind, before = ask(Journal.open(tmp_path, "net"), model, X)

    again, second = Asked(scores), Journal.open(tmp_path, "net")
    assert (len(second), second.taken) == (10, 0)
    found, answers = ask(second, again, X[::-1].copy())
    assert (again.sizes, second.taken, found) == ([], 10, kind)
    np.testing.assert_array_equal(answers, before[::-1])


def test_only_what_is_missing_is_asked(tmp_path):
    ask(Journal.open(tmp_path, "net"), Asked(), X[:6])
    model = Asked()
    _, answers = ask(Journal.open(tmp_path, "net"), model, X)

    assert model.sizes == [4]
    np.testing.assert_array_equal(answers, Asked()(X)[1])


def test_a_run_takes_none_of_its_own_answers_and_each_earlier_one_once(tmp_path):
    first, model = Journal.open(tmp_path, "net"), Asked()
    ask(first, model, X)
    ask(first, model, X)
    assert model.sizes == [10, 10]  # a model that draws at random would show it

    second, again = Journal.open(tmp_path, "net"), Asked()
    for _ in range(3):
        ask(second, again, X)
    assert again.sizes == [10]
    assert ask(second, again, X[:0])[1].shape == (0,)


def test_it_goes_on_over_several_stops_and_asks_in_batches(tmp_path):
    ask(Journal.open(tmp_path, "net"), Asked(), X[:3])
    model = Asked()
    ask(Journal.open(tmp_path, "net"), model, X[:9], size=4)
    assert model.sizes == [4, 2]

    last = Asked()
    ask(Journal.open(tmp_path, "net"), last, X)
    assert last.sizes == [1]


def test_an_answer_is_kept_before_the_next_batch_is_asked(tmp_path):
    class KilledError(Exception):
        pass

    def dies(x):
        if len(model.sizes) == 2:
            raise KilledError
        return model(x)

    model = Asked()
    with pytest.raises(KilledError):
        ask(Journal.open(tmp_path, "net"), dies, X, size=3)

    last = Asked()
    ask(Journal.open(tmp_path, "net"), last, X)
    assert last.sizes == [4]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_file_that_ends_within_a_part_keeps_those_before_it(tmp_path, cut):
    journal = Journal.open(tmp_path, "net")
    for part in (X[:4], X[4:]):
        ask(journal, Asked(), part)
    (file,) = (tmp_path / "answers" / "net").iterdir()
    file.write_bytes(file.read_bytes()[:-cut])

    assert len(Journal.open(tmp_path, "net")) == 4


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 40, (3).to_bytes(8, "little") + b"abc"])
def test_what_is_no_journal_holds_nothing(tmp_path, content):
    folder = tmp_path / "answers" / "net"
    folder.mkdir(parents=True)
    (folder / "a.answers").write_bytes(content)

    assert len(Journal.open(tmp_path, "net")) == 0


def test_a_model_that_answers_otherwise_does_not_agree(tmp_path):
    ask(Journal.open(tmp_path, "net"), Asked(), X)
    journal = Journal.open(tmp_path, "net")

    assert journal.agrees(Asked(), X)
    assert journal.agrees(Asked(shift=1), X + 1)  # of which it knows nothing
    assert not journal.agrees(Asked(shift=1), X)
    assert not journal.agrees(Asked(scores=True), X)
    assert journal.taken == 0


def test_forgetting_it_lets_the_next_run_ask_anew(tmp_path):
    journal, model = Journal.open(tmp_path, "net"), Asked()
    ask(journal, model, X)
    journal.forget()

    assert not (tmp_path / "answers" / "net").exists()
    ask(Journal.open(tmp_path, "net"), model, X)
    assert model.sizes == [10, 10]


def test_answers_of_two_kinds_are_refused_as_the_client_does(tmp_path):
    ask(Journal.open(tmp_path, "net"), Asked(), X[:5])

    with pytest.raises(ValueError, match=r"^it answered once with labels and once with scores$"):
        ask(Journal.open(tmp_path, "net"), Asked(scores=True), X)


def test_a_folder_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "answers").symlink_to(tmp_path)

    with pytest.raises(ValueError, match="is a link"):
        Journal.open(tmp_path, "net")


def test_it_stops_writing_at_its_largest_size_and_goes_on_asking(tmp_path, monkeypatch):
    monkeypatch.setattr(journals, "MOST", 150)
    journal, model = Journal.open(tmp_path, "net"), Asked()
    for _ in range(3):
        ask(journal, model, X[:5])

    assert sum(model.sizes) == 15
    assert len(Journal.open(tmp_path, "net")) == 5
