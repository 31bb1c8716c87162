"""Every form of a model, written by its own library, with the answers that it gives there."""

import importlib
import warnings

import numpy as np
import safetensors.torch
import torch
from torch import nn

from robust.attacks.rng import seeded
from robust.torchvision_compat import import_torchvision, with_torchvision

SHAPE, CLASSES = (3, 8, 8), 4


NET = """
from torch import nn

def make(width=4):
    return nn.Sequential(
        nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(9 * width, 4)
    )
"""


FOREST = """
from pathlib import Path
import numpy as np

def make():
    import joblib
    return joblib.load(Path(__file__).with_name("forest.joblib"))

def scores():
    weights = np.load(Path(__file__).with_name("weights.npy"))
    return lambda x: x.reshape(len(x), -1) @ weights

def labels():
    predict = scores()
    return lambda x: predict(x).argmax(1)
"""


def network(seed=0):
    """Return a network as in NET, whose batch norm has statistics that matter."""
    with seeded(seed):
        names = {}
        exec(NET, names)
        net = names["make"]()
        net(torch.rand(16, *SHAPE))
    return net.eval()


def inputs(n=5):
    with seeded(1):
        return torch.rand(n, *SHAPE)


def of_factory(folder):
    net = network()
    (folder / "net.py").write_text(NET.replace("def make", "def bare") + WITH_WEIGHTS)
    safetensors.torch.save_file(net.state_dict(), folder / "w.safetensors")
    return "net.py:make", None, net


WITH_WEIGHTS = """
def make():
    from pathlib import Path
    from safetensors.torch import load_file
    net = bare()
    net.load_state_dict(load_file(Path(__file__).with_name("w.safetensors")))
    return net
"""


def of_safetensors(folder):
    net = network()
    (folder / "net.py").write_text(NET)
    safetensors.torch.save_file(net.state_dict(), folder / "w.safetensors")
    return "w.safetensors", "net.py:make", net


def of_torch_save(folder):
    net = network()
    (folder / "net.py").write_text(NET)
    torch.save(net.state_dict(), folder / "w.pt")
    return "w.pt", "net.py:make", net


def of_torchvision(folder):
    net = import_torchvision("torchvision.models").shufflenet_v2_x0_5(num_classes=CLASSES).eval()
    torch.save(net.state_dict(), folder / "w.pt")
    return "w.pt", "torchvision:shufflenet_v2_x0_5", net


def of_timm(folder):
    timm = with_torchvision(lambda: importlib.import_module("timm"))
    net = timm.create_model("test_resnet", num_classes=CLASSES).eval()
    safetensors.torch.save_file(net.state_dict(), folder / "w.safetensors")
    return "w.safetensors", "timm:test_resnet", net


def of_ensemble(folder):
    (folder / "net.py").write_text(NET)
    nets = [network(0), network(1)]
    for name, net in zip("ab", nets, strict=True):
        safetensors.torch.save_file(net.state_dict(), folder / f"pgd-at+ema-{name}.safetensors")
    spec = "ensemble:pgd-at+ema-a.safetensors, pgd-at+ema-b.safetensors"

    def whole(x):
        one, other = nets[0](x), nets[1](x)
        level = (one.logsumexp(1, keepdim=True) + other.logsumexp(1, keepdim=True)) / 2
        return ((one.softmax(1) + other.softmax(1)) / 2).log() + level

    return spec, "net.py:make(width=4)", whole


def of_onnx(folder, **options):
    net = network()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is the old one
        torch.onnx.export(net, (inputs(3),), folder / "w.onnx", dynamo=False, input_names=["x"], **options)
    return "w.onnx", None, net


def of_onnx_for_any_batch(folder):
    return of_onnx(folder, dynamic_axes={"x": {0: "n"}})


def of_transformers(folder):
    mean, std = [0.5, 0.4, 0.3], [0.25, 0.2, 0.3]
    net = save_vit(folder / "vit", SHAPE[0], CLASSES, mean, std)
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in (mean, std))
    return "vit", None, lambda x: net((x - mean) / std).logits


def save_vit(folder, channels, classes, mean, std):
    """Save a tiny classifier of transformers for images of 8x8 pixels, and its processor."""

    def library():
        from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor
        from transformers.utils import logging

        logging.disable_progress_bar()
        return ViTConfig, ViTForImageClassification, ViTImageProcessor

    config, classifier, processor = with_torchvision(library)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    shapes = {"image_size": 8, "patch_size": 4, "num_channels": channels, "num_labels": classes}
    net = classifier(config(**sizes, **shapes)).eval()
    net.save_pretrained(folder)
    processor(image_mean=mean, image_std=std).save_pretrained(folder)
    return net


def of_scikit_learn(folder):
    import joblib
    from sklearn.linear_model import LogisticRegression

    x = inputs(40).flatten(1).numpy()
    model = LogisticRegression().fit(x, np.arange(40) % 3)  # has not met the last class
    joblib.dump(model, folder / "forest.joblib")
    (folder / "forest.py").write_text(FOREST)

    def reference(x):
        seen = torch.from_numpy(model.predict_proba(x.flatten(1).numpy())).log()
        return torch.cat([seen, torch.full((len(x), 1), 1e-30).log()], 1).float()

    return "blackbox:forest.py:make", None, reference


def of_function(folder):
    (folder / "forest.py").write_text(FOREST)
    weights = np.random.RandomState(0).normal(size=(192, CLASSES)).astype(np.float32)
    np.save(folder / "weights.npy", weights)
    return "blackbox:forest.py:scores", None, lambda x: x.flatten(1) @ torch.from_numpy(weights)


def of_labels(folder):
    _, _, scores = of_function(folder)
    return "blackbox:forest.py:labels", None, lambda x: nn.functional.one_hot(scores(x).argmax(1), CLASSES).float()


GRADIENT = [
    of_factory,
    of_safetensors,
    of_torch_save,
    of_torchvision,
    of_timm,
    of_ensemble,
    of_onnx,
    of_onnx_for_any_batch,
    of_transformers,
]


ANSWERS = [of_scikit_learn, of_function, of_labels]
