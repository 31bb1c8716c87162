"""The plugin's options, in one table. No torch in this file.

Each --robust-NAME has an ini key robust_NAME, except the options that are meant for one run only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """One option; if `many`, it may be given several times, and is a list of lines in an ini file."""

    name: str
    metavar: str
    help: str
    many: bool = False
    flag: bool = False
    bare: bool = False  # whether it may be given without a value
    ini: bool = True  # whether it has an ini key

    @property
    def dest(self) -> str:
        """Return the key in an ini file and in pytest's options."""
        return dest(self.name)


OPTIONS = (
    Option(
        "model",
        "MODEL",
        "the model to test: FILE.py:FACTORY, as net.py:make or net.py:make(width=2); PACKAGE.MODULE:FACTORY; "
        "a file of weights with --robust-arch; with --robust-train an architecture, zoo:cnn, torchvision:resnet18 or "
        "timm:resnet18; several models as one, ensemble:A,B; a model without gradients, blackbox:FILE.py:FACTORY or a "
        "URL",
        many=True,
    ),
    Option(
        "arch",
        "ARCH",
        "the architecture of a file of weights: FILE.py:FACTORY, zoo:NAME, torchvision:NAME, timm:NAME",
    ),
    Option(
        "normalize",
        "MEAN/STD",
        "normalise inputs as a part of the model: 0.5/0.25, or by channel 0.49,0.48,0.45/0.25,0.24,0.26; 255 to divide "
        "by 255; imagenet, cifar10 or none",
    ),
    Option(
        "output",
        "[NAME:]logit|probability|log-probability",
        "what the numbers are that the model answers with, where they do not show it; and the tensor to read "
        "where an answer holds several: logits, 0, heads.1, heads.1:probability",
    ),
    Option(
        "road",
        "ROAD",
        "how models of robust compress are attacked: own (their own gradient), twin (that of the float network, "
        "straight through) or queries; default: the first of these that there is; only what fools the compressed model "
        "counts",
    ),
    Option(
        "run-code",
        "PATH|sha256:DIGEST",
        "let a model file run code: a full pickle, a TorchScript or a torch.export program; has no ini key",
        many=True,
        ini=False,
    ),
    Option(
        "safe-globals",
        "NAME",
        "a function or class that pickles of weights may use, as argparse.Namespace",
        many=True,
    ),
    Option(
        "data",
        "DATA",
        "the data set: digits (default), mnist, fashion-mnist, cifar10, cifar100, imagefolder:DIR, hf:DIR, "
        "parquet:FILE, npz:FILE, npy:DIR, or FILE.py:FUNCTION",
    ),
    Option(
        "criterion",
        "CRITERION",
        "what is a right answer: class (the largest logit is the label's), within:T (every value within T of the "
        "label, or with a percent sign behind T that share of it), labels (each of several labels is right; "
        "labels:any=3,5: only these count), pixels:S (of a map of classes at least the share S of the pixels is right; "
        "pixels:0.9:ignore=255: those of label 255 do not count); default: what the labels show, and values and maps "
        "have no default",
    ),
    Option(
        "attacked",
        "CLASS",
        "attack and count the samples of these classes alone, by name or number: fraud; several by commas",
        many=True,
    ),
    Option(
        "goal",
        "CLASS->CLASS",
        "attack the samples of a class, and count as success the other as answer, and no third: malware->benign, 1->0, "
        "1+2->0",
    ),
    Option(
        "draws",
        "1|majority:N|mean:N",
        "how the deployed answer of a model is formed that answers at random: of one draw (default), as the class that "
        "most of N draws say, or as the mean of N draws; an answer counts as wrong if a test finds it wrong more often "
        "than right, or does not decide",
    ),
    Option(
        "groups",
        "FILE.csv:COLUMN",
        "also tell the accuracies of groups of samples: a CSV file with a header and a row for each sample of the test "
        "split, in its order, and its column that names the groups, as people.csv:sex; or a column of the data's own "
        "table, by name; none: no groups, even if the ini file names them",
    ),
    Option("download", "", "download the data set if it is not on this machine", flag=True),
    Option(
        "threat",
        "NORM:EPS",
        "what an attacker may do: linf:8/255, l2:0.5, l0:20, patch:5x5, features:loans.toml for a table, "
        "image=linf:8/255;meta=linf:0.1 for several inputs, or a union, linf:8/255+l2:0.5; default: the data set's",
        many=True,
    ),
    Option("attack", "ATTACK", "an attack: pgd:steps=40:restarts=5, torchattacks:APGD; default: fgsm,pgd", many=True),
    Option(
        "queries",
        "N",
        "how many answers each attack may ask the model for a sample, counted from the clean sample on: for square, "
        "noise, rays, hopskipjump, decision and search, without steps of their own; default: by their steps, and 5000 "
        "for a model that answers with labels alone",
    ),
    Option(
        "suite",
        "SUITE",
        "a suite of attacks, each on the samples that are robust so far: quick-1, standard-1, full-1, or your own "
        "file, mine.toml; besides it only those attacks run that --robust-attack names; none: no suite, even if the "
        "ini file names one",
        many=True,
    ),
    Option(
        "time",
        "TIME",
        "end the tests after 30s, 5m or 1h: a quarter is kept for the checks; what did not run is named, such a row is "
        "at best suspect, and has no rank if its attacks were stopped",
    ),
    Option(
        "search",
        "WAY",
        "let suites attack a cheaper copy of the model, which itself confirms every adversarial input: channels-last, "
        "fold (batch norm into the convolutions before it), bf16; the row's record says so",
        many=True,
    ),
    Option(
        "certify",
        "METHOD",
        "prove of each sample, where bounds can, that no input within the threat model is answered wrong: ibp, crown "
        "or alpha-crown, each after those before it; the row then shows certified <= robust <= attacked; for linf, l2 "
        "and their unions; none: no proofs, even if the ini file names a method",
    ),
    Option(
        "curve",
        "MAX",
        "measure each sample's smallest adversarial distance that can be found, up to MAX, as 16/255 or "
        "linf:16/255,l2:2: so the robust accuracy at every eps; by default up to four times the largest eps of the "
        "threat models; for linf, l2 and l1; with --robust-certify also what is certified at every eps; none: no "
        "curve, even if the ini file asks for one",
        bare=True,
    ),
    Option(
        "eps",
        "EPS",
        "radii of the curve at which the suite itself ends the search, and tables list the robust accuracy, and what "
        "is certified: "
        "1/255,2/255,4/255, or linf:4/255,l2:0.5",
        many=True,
    ),
    Option(
        "train",
        "RECIPE",
        "train the model's architecture and test the trained model: standard, pgd-at, trades+awp+ema:epochs=10; "
        "as-is is the model as it was loaded",
        many=True,
    ),
    Option(
        "folds",
        "N",
        "train each recipe N times, for each fold of the training split on the others, and test it on the fold; floors "
        "are for all folds together, and the test split is not read",
    ),
    Option(
        "samples", "N|all", "how many test samples, drawn by the seed, or all; default: 1000, or all if there are fewer"
    ),
    Option("seed", "N", "the seed of everything random; default: 0"),
    Option(
        "draw",
        "N",
        "the seed of the draw of the samples alone, so that runs with other seeds see the same ones; default: the seed",
    ),
    Option("batch-size", "N", "how many samples at once; default: as many as fit, halved if memory runs out"),
    Option("device", "DEVICE", "cpu, cuda, cuda:1 or mps; default: auto, which is cuda if there is one, else cpu"),
    Option(
        "fail-under",
        "[SCOPE:]PERCENT",
        "fail if the robust accuracy is below PERCENT; a SCOPE limits this to clean accuracy, what is certified, a "
        "threat model, an attack, or both as in a test's name: clean:85, certified:60, linf-8_255:40, pgd:35, "
        "pgd-linf-8_255:35; worst-class:40 and, with --robust-groups, group:40 are for the weakest class and group of "
        "10 samples or more; with --robust-curve also any eps on it, robust@linf:4/255:60 or certified@linf:4/255:40",
        many=True,
    ),
    Option(
        "fail-on",
        "WHAT",
        "figure (default): fail if the accuracy is below the floor; ci: also if its interval reaches below",
    ),
    Option(
        "verdict",
        "VERDICT",
        "the worst verdict on a row that passes: trusted, or suspect (default); none: check neither the model nor the "
        "attacks; a finding of test_preflight fails unless it is accepted",
    ),
    Option("accept", "NAME", "a finding of test_preflight that you accept; the row shows it", many=True),
    Option(
        "save",
        "NAME",
        "save this run's rows as a baseline in .robust/baselines, under a number and NAME, by default the commit; has "
        "no ini key",
        bare=True,
        ini=False,
    ),
    Option(
        "compare",
        "latest|auto|float|PATH",
        "fail if the model is worse than in a baseline on the same samples: the latest; auto: the latest that fits "
        "from this commit's history, and the run passes if there is none; or a baseline, a leaderboard or a row's "
        ".json; float: a model of robust compress with the float network that it came from, measured in this run",
    ),
    Option(
        "compare-fail",
        "ACCURACY:POINTS",
        "how far an accuracy may drop: robust_acc:2pp, clean_acc:1pp, certified_acc:2pp; mean:+2: how much worse the "
        "mean score under attack may be, as an error; miou:2pp of maps; mean:2pp under corruptions; default: "
        "robust_acc:0pp, no significant drop, with --robust-certify certified_acc:0pp, and with --robust-curve none of "
        "the mean distance",
        many=True,
    ),
    Option("leaderboard", "DIR", "the folder for records and the leaderboard, or none; default: leaderboard"),
    Option("evidence", "N", "keep N adversarial inputs of a row, drawn by the seed; default: all"),
    Option("gallery", "N", "keep images of N adversarial inputs of a row for the page; default: 6; 0: none"),
    Option(
        "fresh",
        "N",
        "verify N adversarial inputs of a row, drawn by the seed, on the model loaded again in a fresh process; "
        "default: 32; 0: none, which saves some seconds a row",
    ),
    Option("only", "", "run only the robustness tests", flag=True),
)


def dest(name: str) -> str:
    """Return the key of an option in an ini file and in pytest's options."""
    return f"robust_{name.replace('-', '_')}"


def spell_options(given: Callable[[Option], Any]) -> list[str]:
    """Return the options as they are typed.

    `given` returns the value of an option: None, a text, a list of texts, or whether a flag is set.
    """
    typed = []
    for option in OPTIONS:
        content = given(option)
        if option.flag:
            typed += [f"--robust-{option.name}"] * bool(content)
        else:
            texts = content if isinstance(content, list) else [content] if content is not None else []
            typed += [f"--robust-{option.name}={text}" for text in texts]
    return typed
