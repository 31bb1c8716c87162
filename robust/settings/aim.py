"""Parse what is a right answer, and which classes are attacked. No torch here."""

from typing import NamedTuple

from robust.attacks.criteria.registry import canonical_criterion
from robust.data.dataset import Dataset
from robust.data.subset import attack_only, read_classes
from robust.settings.parsing import OptionError, blame
from robust.settings.sources import OptionValue


def read_criterion_option(option: OptionValue) -> str | None:
    """Return what is a right answer in its canonical spelling, "within:50"; None if it is not given."""
    with blame(option.name, option.text):
        return canonical_criterion(option.text) if option.text else None


ARROW = "->"  # from the classes that are attacked to the answer that is the attacker's goal


class Aim(NamedTuple):
    """The data set with the classes that are attacked, and the criterion."""

    dataset: Dataset
    criterion: str | None


def read_aim(dataset: Dataset, criterion: OptionValue, attacked: OptionValue, goal: OptionValue) -> Aim:
    """Return the data set with the classes that are attacked, and what is a right answer, as the options say.

    OptionError for a class that there is not, and for options that contradict each other.
    """
    judged = read_criterion_option(criterion)
    if goal.text is not None:
        for other in (criterion, attacked):
            if other.texts:
                raise OptionError(
                    goal.name, goal.text, f"it says what {other.name} says; leave --robust-{other.name} out"
                )
        return _read_goal(dataset, goal)
    if attacked.texts:
        words = "+".join(attacked.items)
        with blame(attacked.name, words):
            dataset = attack_only(dataset, read_classes(dataset, words))
    return Aim(judge_dataset(dataset, judged), judged)


def _read_goal(dataset: Dataset, goal: OptionValue) -> Aim:
    text = goal.text or ""
    with blame(goal.name, text):
        source, arrow, wanted = (part.strip() for part in text.partition(ARROW))
        if not (source and arrow and wanted):
            raise ValueError("write the classes that are attacked and the answer that is the goal, as malware->benign")
        (number,) = answer if len(answer := read_classes(dataset, wanted)) == 1 else (-1,)
        own = read_classes(dataset, source)
        if number < 0 or number in own:
            raise ValueError("the goal is one class, and none of those that are attacked")
        criterion = f"goal:{number}"
        return Aim(attack_only(dataset, own).judged_by(criterion), criterion)


def judge_dataset(dataset: Dataset, criterion: str | None) -> Dataset:
    """Return the data set with the criterion, if one is given; OptionError if its labels are of another kind."""
    with blame("criterion", criterion):
        return dataset if criterion is None else dataset.judged_by(criterion)
