"""The words of `robust tune`: how values are drawn, and what is made large. Neither torch nor Optuna is imported."""

from robust.attacks.registry import suggest

SAMPLERS = {
    "tpe": "tree-structured Parzen estimator: values are drawn near those of the best trials; the first ten at random",
    "random": "each value is drawn at random, whatever the other trials found",
}
OBJECTIVES = {
    "robust": "the share of the validation samples that PGD-10 leaves robust, as epochs are selected by",
    "certified": "the share of the validation samples that bounds by intervals certify; for ibp and crown-ibp",
    "clean": "the share of the validation samples that are answered right",
}


def read_sampler(text: str) -> str:
    """Return the name of a sampler; ValueError, with the nearest, for what is none."""
    if text not in SAMPLERS:
        raise ValueError(f"unknown sampler {suggest(text, SAMPLERS)}")
    return text


def read_objectives(text: str | None, recipe: str, selects: str) -> tuple[str, ...]:
    """Return the objectives, one or two: by default the accuracy that the recipe selects its epochs by.

    ValueError for an unknown one, for one given twice, and for one that this recipe does not measure.
    """
    if text is None:
        return (selects,)
    names = tuple(text.split(","))
    for name in names:
        if name not in OBJECTIVES:
            raise ValueError(f"unknown objective {suggest(name, OBJECTIVES)}")
        if name not in ("clean", selects):
            measured = "clean" if selects == "clean" else f"{selects}, clean or clean,{selects}"
            raise ValueError(f"{recipe} selects its epochs by the {selects} accuracy, not {name}; take {measured}")
    if len({*names}) < len(names):
        raise ValueError(f"{names[0]} is given twice")
    return names
