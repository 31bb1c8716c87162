"""Words of the field that are no names here, and what to type in their place. No torch in this file.

Case, hyphens and other signs do not matter: "Auto-Attack" is "autoattack".
"""

import re

# By kind of name, as messages call it: {words of the field: what to type}.
SYNONYMS: dict[str, dict[str, str]] = {
    "attack": {
        "autoattack aa": "--robust-suite=standard-1",
        "apgdce autopgd apgdcrossentropy": "apgd",
        "apgddlr": "apgd:loss=dlr",
        "apgdt apgdtargeted apgddlrt": "apgd:loss=dlr:targets=9",
        "fabt fabtargeted": "fab:targets=9",
        "squareattack": "square",
        "fgm fastgradientmethod fastgradient fastgradientsignmethod": "fgsm",
        "ifgsm ifgm iterativefgsm basiciterative basiciterativemethod": "bim",
        "mim momentumiterativemethod momentumiterative": "mifgsm",
        "difgsm dimifgsm": "mifgsm:diversity=0.5",
        "tifgsm timifgsm": "mifgsm:kernel=7",
        "linfpgd pgdlinf l2pgd pgdl2 l1pgd pgdl1": "pgd, and the norm as --robust-threat=linf:8/255 or l2:0.5",
        "madry projectedgradientdescent projectedgradient": "pgd",
        "pgdmargin pgdcw cwpgd": "pgd:loss=margin",
        "pgddlr": "pgd:loss=dlr",
        "eotpgd": "pgd:eot=20",
        "carliniwagner carlini candw cwl2 carlinil2": "cw",
        "decoupleddirectionandnorm": "ddn",
        "fastminimumnorm": "fmn",
        "random randomnoise uniformnoise gaussiannoise gn additiveuniformnoise": "noise",
        "jsma onepixel pixle spsa ead eaden eadl1 sparsefool nifgsm vmifgsm vnifgsm tpgd upgd": "torchattacks:NAME",
    },
    "suite": {
        "autoattack aa autoattackstandard autoattackplus aastandard": "standard-1",
        "fast": "quick-1",
    },
    "training recipe": {
        "natural erm clean normal vanilla": "standard",
        "none off untrained": "as-is",
        "pgd pgdadv madry at adversarial adversarialtraining pgdtraining": "pgd-at",
        "fgsm": "fgsm-at",
        "fastat fast rsfgsm": "fgsm-rs",
        "freeat": "free",
        "trade": "trades",
        "awp awpat atawp": "pgd-at+awp",
        "tradesawp awptrades": "trades+awp",
        "nfgsmat": "n-fgsm",
        "distillation knowledgedistillation kd": "distill, or ard from a robust teacher",
    },
    "data set": {
        "cifar": "cifar10 or cifar100",
        "fmnist fashion": "fashion-mnist",
        "imagenet svhn stl10 celeba gtsrb folder imagefolders": "imagefolder:DIR, a folder of images for each class",
        "huggingface datasets": "hf:DIR",
        "csv": "FILE.py:FUNCTION, a function that reads it",
    },
    "architecture": {
        "resnet18 resnet": "preactresnet18 for small images; torchvision:resnet18 is torchvision's",
        "preresnet18": "preactresnet18",
        "wrn wrn2810 wideresnet2810": "wideresnet-28-10",
        "convnet simplecnn lenet conv": "cnn",
        "visiontransformer": "vit",
        "linear dense fc": "mlp",
    },
    "norm": {
        "linfinity infinity inf infty max chebyshev lmax": "linf",
        "euclidean two 2": "l2",
        "manhattan taxicab one 1": "l1",
    },
    "loss": {
        "crossentropy xent crossentropyloss": "ce",
        "cw carliniwagner logits logitmargin marginloss hinge": "margin",
        "differenceoflogitsratio": "dlr",
    },
    "option": {
        "iters iterations iter niter nbiter numiter numiterations maxiter nsteps numsteps": "steps",
        "nqueries queries numqueries maxqueries": "steps",
        "alpha stepsize epsiter epsstep relstepsize absstepsize": "stride, as a share of eps: stride=0.25",
        "eps epsilon epsilons norm": "the threat model: --robust-threat=linf:8/255",
        "nrestarts numrestarts restart ntrials": "restarts",
        "nstarts numstarts": "starts",
        "ntargets numtargets ntargetclasses targetclasses": "targets",
        "lossfn lossfunction criterion": "loss",
        "eotiter": "eot",
        "randomstart randstart randominit": "start: 1 is a random start, 0 is none",
        "momentum": "decay",
        "learningrate": "lr",
        "kappa": "confidence",
    },
}


def plain(name: str) -> str:
    """Return a name without case, hyphens and other signs."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("∞", "inf").replace("&", "and"))


def look_up_synonym(kind: str, name: str) -> str:
    """Return what to type in place of a word of the field; "" if it is none."""
    words = {word: answer for known, answer in SYNONYMS.get(kind, {}).items() for word in known.split()}
    key = plain(name)
    if key not in words and kind == "attack" and (match := re.fullmatch(r"([a-z]+?)(\d+)", key)):
        return f"{match[1]}:steps={match[2]}" if match[1] in ("pgd", "bim", "apgd", "mifgsm", "cw") else ""
    return words.get(key, "")
