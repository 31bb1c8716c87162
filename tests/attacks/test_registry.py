import importlib
import subprocess
import sys

import pytest

from robust.attacks.registry import Registry, suggest


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A package of things, one a file, with its registry."""
    folder = tmp_path / "some_zoo"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from robust.attacks.registry import Registry\nTHINGS = Registry('animal', ['some_zoo'], 'some.zoo')\n"
    )
    for file, name in (("red_panda", "red-panda"), ("otter", "otter"), ("_shared", "hidden")):
        (folder / f"{file}.py").write_text(
            f"from some_zoo import THINGS\n@THINGS.register('{name}')\nclass Animal: pass\n"
        )
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("some_zoo").THINGS
    for name in [name for name in sys.modules if name.split(".")[0] in ("some_zoo", "third_party")]:
        del sys.modules[name]


@pytest.fixture
def third_party(zoo, tmp_path):
    """An installed distribution that offers animals of its own."""
    (tmp_path / "third_party.py").write_text("class Heron: pass\nclass Otter: pass\n")
    dist = tmp_path / "third_party-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (dist / "entry_points.txt").write_text(
        "[some.zoo]\nheron = third_party:Heron\notter = third_party:Otter\n[other]\nnewt = third_party:Newt\n"
    )
    importlib.invalidate_caches()


def test_a_file_is_a_name_and_an_underscore_hides_it(zoo):
    assert zoo.names() == ["otter", "red-panda"]


def test_names_are_reported_without_importing_the_things(zoo):
    assert "otter" in zoo
    assert "newt" not in zoo
    assert zoo.names()
    assert "some_zoo.otter" not in sys.modules


def test_a_thing_is_imported_when_it_is_asked_for(zoo):
    thing = zoo.get("red-panda")

    assert (thing.__module__, thing.__name__) == ("some_zoo.red_panda", "Animal")
    assert zoo.get("red-panda") is thing
    assert "some_zoo.otter" not in sys.modules


def test_an_unknown_name_is_reported_with_the_nearest(zoo):
    with pytest.raises(LookupError) as error:
        zoo.get("red-pandas")

    assert error.value.args == ("unknown animal 'red-pandas', did you mean 'red-panda'? Known: otter, red-panda",)


def test_where_none_is_near_it_is_said_how_one_of_ones_own_is_known(zoo):
    with pytest.raises(LookupError) as error:
        zoo.get("whale")

    message = "one of your own is registered first: for pytest in conftest.py, or by an entry point of"
    assert error.value.args == (f"unknown animal 'whale'. Known: otter, red-panda; {message} some.zoo",)


def test_other_words_that_would_do_are_among_the_known(zoo):
    with pytest.raises(LookupError, match=r"did you mean 'none-of-them'\? Known: none-of-them, otter, red-panda"):
        zoo.refuse("none-of-the", "none-of-them")


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("pdg", ["pgd", "fgsm"], "'pdg', did you mean 'pgd'? Known: fgsm, pgd"),
        ("x", ["pgd"], "'x'. Known: pgd"),
        ("x", [], "'x'. Known: none"),
        ("", ["pgd"], "''. Known: pgd"),
    ],
)
def test_a_suggestion_is_the_nearest_name_where_one_is_near(name, known, message):
    assert suggest(name, iter(known)) == message


class Cat:
    pass


class Dog:
    pass


@pytest.fixture
def registry():
    return Registry("animal", (), "robust.no.such.group")


def test_what_is_registered_is_found_and_returned_unchanged(registry):
    assert registry.register("cat")(Cat) is Cat
    assert registry.get("cat") is Cat
    assert "cat" in registry
    assert registry.names() == ["cat"]


def test_a_thing_is_added_for_a_block(registry):
    with registry.adding("cat", Cat) as cat:
        assert registry.get("cat") is cat is Cat

    assert "cat" not in registry


def test_an_added_thing_is_removed_after_an_error(registry):
    with pytest.raises(ZeroDivisionError), registry.adding("cat", Cat):
        raise ZeroDivisionError

    assert "cat" not in registry


def test_a_taken_name_is_not_added(zoo):
    with pytest.raises(ValueError, match="the animal name 'otter' is taken"), zoo.adding("otter", Cat):
        pass

    assert zoo.get("otter").__module__ == "some_zoo.otter"


def test_a_taken_name_is_refused_and_the_first_stays(registry):
    registry.register("cat")(Cat)

    with pytest.raises(ValueError, match=rf"the animal name 'cat' is taken by {__name__}\.Cat; choose another"):
        registry.register("cat")(Dog)

    assert registry.get("cat") is Cat


def test_the_name_of_a_file_is_taken_whichever_comes_first(zoo):
    zoo.register("otter")(Cat)

    with pytest.raises(ValueError, match="'otter' is taken"):
        importlib.import_module("some_zoo.otter")


def test_a_reloaded_file_registers_itself_again(zoo):
    first = zoo.get("otter")
    importlib.reload(sys.modules["some_zoo.otter"])

    assert zoo.get("otter") is not first


def test_a_third_party_adds_things_through_an_entry_point(zoo, third_party):
    assert zoo.names() == ["heron", "otter", "red-panda"]
    assert "heron" in zoo
    assert "third_party" not in sys.modules
    assert zoo.get("heron") is sys.modules["third_party"].Heron


def test_a_third_party_does_not_replace_a_thing_of_ours(zoo, third_party):
    assert zoo.get("otter").__module__ == "some_zoo.otter"


def test_an_entry_point_of_another_group_is_not_ours(zoo, third_party):
    assert "newt" not in zoo


def test_the_project_knows_its_names_without_torch():
    code = """if True:
        import sys
        from robust.attacks.registry import ATTACKS
        from robust.data.dataset import DATA
        from robust.train.recipe import RECIPES

        assert {"fgsm", "pgd"} <= set(ATTACKS.names())
        assert {"digits", "fashion-mnist"} <= set(DATA.names())
        assert "pgd-at" in RECIPES.names()
        assert "pdg" not in ATTACKS
        assert not {"torch", "numpy", "robust.attacks.zoo.pgd"} & set(sys.modules)
    """

    subprocess.run([sys.executable, "-c", code], check=True)
