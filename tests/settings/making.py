"""Settings from plain values: what a user typed in a folder, and what an ini file elsewhere says."""

from robust.options import OPTIONS
from robust.settings.parsing import call_no_hook
from robust.settings.read import read_settings
from robust.settings.sources import OptionValue


def options(here, *typed, ini=(), project=None):
    """Return the options of texts such as "threat=linf:0.1", typed in `here` or written in an ini file of `project`."""
    values = {option.name: OptionValue(option.name, folder=here) for option in OPTIONS}
    for texts, folder, is_typed in ((ini, project or here, False), (typed, here, True)):  # what is typed wins
        pairs = [text.partition("=")[::2] for text in texts]
        for name, _ in pairs:
            given = tuple(value for other, value in pairs if other == name)
            values[name] = OptionValue(name, given, folder, is_typed)
    return values


def read(here, *typed, hooks=call_no_hook, **ini):
    """Return the settings of such texts; results are written below `here`."""
    return read_settings(options(here, *typed, **ini), here, hooks)
