"""Read --robust-folds: on how many folds of the training split each recipe is tested. No torch."""

from robust.data.folds import Fold
from robust.settings.curve import NONE
from robust.settings.parsing import OptionError, read_whole
from robust.settings.sources import Options
from robust.train.recipe import AS_IS

MAX_FOLDS = 100


def read_folds(options: Options, trainings: tuple[str, ...]) -> list[Fold]:
    """Return the folds of a run; none if there are not to be any. OptionError for what has no folds."""
    option = options["folds"]
    if (of := read_whole(option, 2)) is None:
        return []
    if of > MAX_FOLDS:
        raise OptionError(option.name, option.text, f"each fold is a training; at most {MAX_FOLDS}")
    if AS_IS in trainings:
        what = "folds are of a recipe, which is trained on the others; name it, as --robust-train=trades"
        raise OptionError(option.name, option.text, f"{what}, without {AS_IS}")
    if ":fold=" in (options["data"].text or ""):
        raise OptionError(option.name, option.text, "the data are a fold already; leave one of the two out")
    if options["groups"].text not in (None, NONE):
        raise OptionError(option.name, option.text, "groups are of the samples of one split; leave --robust-groups out")
    for other in ("compare", "save"):
        if options[other].text not in (None, NONE):
            raise OptionError(option.name, option.text, f"a baseline is of no folds; leave --robust-{other} out")
    return [Fold(number, of) for number in range(1, of + 1)]
