"""The checks of a threat model against the data: eps in the wrong units is a finding, and a small eps is none."""

import numpy as np
import pytest

from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.trust.checks import THREAT_CHECKS, examine
from robust.trust.threat_probe import ThreatProbe


def check(text, lo, hi, *, quantised, levels=256):
    """Return the findings on a threat model for values all over the range, on so many levels or on none."""
    x = np.random.RandomState(0).randint(0, levels, (70, 3, 4, 4)) / (levels - 1)
    x = (lo + (hi - lo) * (x if quantised else 0.9 * x + 0.0123)).astype(np.float32)
    samples = Samples(x, np.zeros(70, np.int64), np.arange(70))
    return examine(THREAT_CHECKS, ThreatProbe(read_threat(text, lo, hi), samples)).findings


@pytest.mark.parametrize("quantised", [True, False])
@pytest.mark.parametrize(
    ("text", "bounds", "hint"),
    [
        ("linf:8/255", (0, 255), "did you mean linf:8 (8 of 255 levels)?"),
        ("linf:0.5/255", (0, 255), "did you mean linf:0.5 (0.5 of 255 levels)?"),
        ("l2:128/255", (0, 255), "did you mean l2:128 (128 of 255 levels)?"),
        ("linf:8+l2:128/255", (0, 255), "did you mean l2:128 (128 of 255 levels)?"),
        ("linf:8/255", (-127.5, 127.5), "did you mean linf:8 (8 of 255 levels)?"),
        ("linf:8/255", (-2, 3), "did you mean linf:0.1569?"),
        ("linf:8/255", (0, 65535), "did you mean linf:2056?"),
    ],
)
def test_a_255th_of_a_wide_range_is_a_finding(text, bounds, hint, quantised):
    (finding,) = check(text, *bounds, quantised=quantised)

    assert (finding.name, finding.grade) == ("eps-units", "suspect")
    assert finding.hint == hint


def test_the_message_says_the_share_of_the_range():
    (finding,) = check("linf:8/255", 0, 255, quantised=False)

    assert finding.message == (
        "linf:8/255 is 0.012 % of the data's range, 0 to 255; expected eps in the units of the data"
    )


@pytest.mark.parametrize(
    ("text", "bounds", "hint"),
    [
        ("linf:0.03", (0, 255), "did you mean linf:7.65 (7.65 of 255 levels)?"),
        ("l2:0.5", (0, 255), "did you mean l2:127.5 (127.5 of 255 levels)?"),
        ("l1:0.9", (0, 255), "did you mean l1:229.5 (229.5 of 255 levels)?"),
        ("linf:0.5/255", (0, 1), "take linf:1/255 or more, or data that keep their decimals"),
        ("linf:1/255", (-1, 1), "take linf:2/255 or more, or data that keep their decimals"),
        ("l2:0.5+linf:0.001", (0, 1), "take linf:1/255 or more, or data that keep their decimals"),
    ],
)
def test_less_than_a_level_is_a_finding_for_data_on_levels_alone(text, bounds, hint):
    (finding,) = check(text, *bounds, quantised=True)

    assert (finding.name, finding.grade, finding.hint) == ("eps-units", "suspect", hint)
    assert "no attack can change a stored value" in finding.message
    assert not check(text, *bounds, quantised=False)


@pytest.mark.parametrize("quantised", [True, False])
@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("linf:8/255", (0, 1)),
        ("linf:1/255", (0, 1)),
        ("linf:8/255+l2:0.5", (0, 1)),
        ("linf:8/255", (-1, 1)),
        ("linf:2/255", (-1, 1)),
        ("linf:8", (0, 255)),
        ("linf:1", (0, 255)),
        ("l2:128+l1:3000", (0, 255)),
        ("linf:0.15", (-2, 3)),
    ],
)
def test_what_is_in_the_units_of_the_data_is_no_finding(text, bounds, quantised):
    assert not check(text, *bounds, quantised=quantised)


@pytest.mark.parametrize(
    ("text", "bounds", "levels", "level"),
    [
        ("linf:0.05", (0, 1), 17, "0.0625"),
        ("l2:0.05", (0, 1), 17, "0.0625"),
        ("l1:0.05", (0, 1), 17, "0.0625"),
        ("linf:0.1", (-1, 1), 17, "0.125"),
        ("linf:0.9", (0, 16), 17, "1"),
        ("linf:0.3", (0, 1), 2, "1"),
        ("linf:0.003", (0, 1), 255, "0.003937"),
        ("l2:0.5+linf:8/255", (0, 1), 16, "0.06667"),
    ],
)
def test_less_than_one_of_fewer_levels_is_a_note(text, bounds, levels, level):
    (finding,) = check(text, *bounds, quantised=True, levels=levels)

    assert (finding.name, finding.grade) == ("eps-units", "trusted")
    assert f"is below one level, {level}, of this data, which has {levels}: what breaks" in finding.message
    assert finding.hint.endswith(f"{finding.message.split(':')[0]}:{level} or more")
    assert not check(text, *bounds, quantised=False, levels=levels)


@pytest.mark.parametrize("text", ["linf:1/16", "linf:0.0625", "linf:0.1", "l2:0.07"])
def test_one_of_few_levels_is_no_finding(text):
    assert not check(text, 0, 1, quantised=True, levels=17)


def test_a_mistake_comes_before_a_note():
    (finding,) = check("linf:0.9+linf:8/255", 0, 16, quantised=True, levels=17)

    assert (finding.grade, finding.hint) == ("suspect", "did you mean linf:0.502?")


@pytest.mark.parametrize("values", [[0.3], [0.3, 0.4], [0.0, 0.01, 0.9]])
def test_a_few_values_are_on_no_levels_of_their_own(values):
    x = np.resize(np.array(values, np.float32), (6, 1, 2, 2))
    samples = Samples(x, np.zeros(6, np.int64), np.arange(6))

    assert not examine(THREAT_CHECKS, ThreatProbe(read_threat("linf:0.005", 0, 1), samples)).findings
