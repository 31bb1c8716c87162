from types import SimpleNamespace

import pytest

from robust.session import selection


def test_a_thousand_attacks_are_counted_once_and_again_after_a_deselection(monkeypatch):
    asked = []
    monkeypatch.setattr(selection, "_row", lambda item: asked.append(item) or item.row)
    monkeypatch.setattr(selection, "_params", lambda item: {"row": ""} if item.judges else {})
    session = SimpleNamespace(stash=pytest.Stash(), items=[])
    session.items += [SimpleNamespace(session=session, row=k % 2, judges=k < 2) for k in range(1002)]

    assert [selection.count_attacks(item) for item in session.items] == [500] * 1002
    assert all(selection.is_judged(item) for item in session.items)
    assert len(asked) < 4 * len(session.items)
    del session.items[:2]
    assert not selection.is_judged(session.items[0])
