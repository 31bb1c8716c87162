import robust.attacks


def test_every_public_name_is_there_and_in_order():
    assert sorted(robust.attacks.__all__) == sorted(robust.attacks._HOME)
    for name in robust.attacks.__all__:
        assert getattr(robust.attacks, name).__module__.startswith("robust.attacks")


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(robust.attacks, "no_such_name")
