"""ONNX and transformers: which files are refused, and which notes are given."""

import json
import re
import sys

import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from robust.models.format import Terms, read_model
from robust.models.formats import onnx as onnx_format
from robust.models.program import Batched
from tests.models.forms import CLASSES, SHAPE, of_onnx, of_onnx_for_any_batch, save_vit

TERMS = Terms(SHAPE, CLASSES)


def test_a_graph_for_one_batch_takes_any_and_says_so(tmp_path):
    of_onnx(tmp_path)
    loaded = read_model(tmp_path / "w.onnx", TERMS)

    assert loaded.notes == ("converted from ONNX", "made for batches of 3, and takes others")
    assert loaded.content(torch.rand(7, *SHAPE)).shape == (7, CLASSES)
    assert not isinstance(loaded.content, Batched)  # else a batch of one would be asked for each input


def test_a_graph_that_holds_its_batch_is_asked_batch_by_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_format, "_takes_any", lambda *_: False)
    of_onnx(tmp_path)
    loaded = read_model(tmp_path / "w.onnx", TERMS)

    assert loaded.notes == ("converted from ONNX", "made for batches of 3")
    assert loaded.content(torch.rand(7, *SHAPE)).shape == (7, CLASSES)


def test_another_answer_in_a_larger_batch_keeps_the_batch():
    """A graph may hold the number of its batch, and answer more inputs wrongly or not at all."""
    first = nn.Identity()
    first.forward = lambda x: x - x[:1]

    assert not onnx_format._takes_any(first, Batched(first, 1, 1), 1, (3,))
    assert onnx_format._takes_any(nn.Identity(), Batched(nn.Identity(), 1, 1), 1, (3,))


def test_whole_numbers_as_inputs_are_refused(tmp_path):
    node = onnx.helper.make_node("Cast", ["x"], ["y"], to=onnx.TensorProto.FLOAT)
    parts = [
        onnx.helper.make_tensor_value_info(name, kind, ["n", 4])
        for name, kind in (("x", onnx.TensorProto.INT32), ("y", onnx.TensorProto.FLOAT))
    ]
    opsets = [onnx.helper.make_opsetid("", 13)]
    graph = onnx.helper.make_graph([node], "g", parts[:1], parts[1:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "w.onnx")

    with pytest.raises(ValueError, match="is an ONNX graph of int32 inputs, expected float"):
        read_model(tmp_path / "w.onnx", Terms((4,), 4))


def test_a_graph_that_is_converted_wrongly_is_refused(tmp_path, monkeypatch):
    of_onnx_for_any_batch(tmp_path)
    convert = onnx_format._convert

    def shifted(source):
        module, session = convert(source)
        return torch.nn.Sequential(module, torch.nn.Softmax(1)), session

    monkeypatch.setattr(onnx_format, "_convert", shifted)
    with pytest.raises(
        ValueError, match=r"^was converted from ONNX wrongly: its answers are .* from those of onnxrunt"
    ):
        read_model(tmp_path / "w.onnx", TERMS)


def test_a_graph_for_other_inputs_is_one_line(tmp_path):
    of_onnx_for_any_batch(tmp_path)

    with pytest.raises(ValueError, match=r"^is an ONNX graph that does not take inputs of shape \[1, 8, 8\]: "):
        read_model(tmp_path / "w.onnx", Terms((1, 8, 8), CLASSES))


def test_an_operator_that_nobody_knows_is_one_line(tmp_path):
    of_onnx_for_any_batch(tmp_path)
    graph = onnx.load(tmp_path / "w.onnx")
    graph.graph.node[0].op_type = "Nosuch"
    onnx.save(graph, tmp_path / "w.onnx")

    with pytest.raises(ValueError, match=r"^failed to load: .*Nosuch.*\)$"):
        read_model(tmp_path / "w.onnx", TERMS)


@pytest.fixture
def vit(tmp_path):
    save_vit(tmp_path / "vit", *(SHAPE[0], CLASSES), [0.5] * 3, [0.25] * 3)
    return tmp_path / "vit"


def write(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "normalisation"),
    [
        ({}, "0.5,0.5,0.5/0.25,0.25,0.25"),
        ({"do_rescale": False}, "0.00196078,0.00196078,0.00196078/0.000980392,0.000980392,0.000980392"),
        ({"rescale_factor": 1 / 127.5}, "0.25,0.25,0.25/0.125,0.125,0.125"),
        ({"do_normalize": False, "rescale_factor": 1 / 127.5}, "0/0.5"),
        ({"do_normalize": False}, None),
    ],
)
def test_what_the_processor_does_becomes_part_of_the_model(vit, changes, normalisation):
    write(vit / "preprocessor_config.json", **changes)

    wanted = () if normalisation is None else (f"inputs are normalised by mean/deviation {normalisation}",)
    assert read_model(vit, TERMS).notes == wanted


def test_no_processor_is_reported_and_the_users_word_is_the_last(vit):
    assert read_model(vit, Terms(SHAPE, CLASSES, normalize="none")).notes == ()
    (vit / "preprocessor_config.json").unlink()
    assert read_model(vit, TERMS).notes == ("there is no preprocessor_config.json, so inputs are not normalised",)


def test_weights_that_transformers_would_draw_are_refused(vit):
    weights = load_file(vit / "model.safetensors")
    save_file({name: t for name, t in weights.items() if "classifier" not in name}, vit / "model.safetensors")

    with pytest.raises(ValueError, match=r"lack 2 of the model's \(classifier.bias, classifier.weight\)"):
        read_model(vit, TERMS)


def test_weights_as_a_pickle_are_refused(vit):
    torch.save(load_file(vit / "model.safetensors"), vit / "pytorch_model.bin")
    (vit / "model.safetensors").unlink()

    with pytest.raises(ValueError, match="without weights in safetensors"):
        read_model(vit, TERMS)


def test_tensors_that_the_model_does_not_use_are_noted_and_their_names_not_logged(vit, capfd):
    weights = load_file(vit / "model.safetensors")
    save_file({**weights, "::error::x\x1b[2J": torch.ones(1)}, vit / "model.safetensors")

    note = read_model(vit, Terms(SHAPE, CLASSES, normalize="none")).notes[0]

    assert note == "the weights hold more than the model has, which was left out: :?error::x?[2J"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "nosuch"}', "[" * 100_000])
def test_a_config_that_is_none_is_one_line(vit, text):
    (vit / "config.json").write_text(text)

    with pytest.raises(ValueError, match=r"config\.json that cannot be read|of the type nosuch") as error:
        read_model(vit, TERMS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "timm_wrapper", "model_args": {"checkpoint_path": "w.bin"}},
            "of the type timm_wrapper; read are",
        ),
        ({"model_type": "maskformer", "backbone": "resnet50"}, "of the type maskformer"),
        ({"model_type": "../vit"}, "of the type ../vit"),
        ({"model_type": ["vit"]}, "of the type"),
        ({"num_labels": 10**9}, "num_labels=1000000000; expected 65536 at most"),
        ({"num_labels": 1e9}, "num_labels=1000000000.0; expected 65536 at most"),
        ({"image_size": 10**6}, "image_size=1000000; expected"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps=nan; expected"),
        ({"pooler_act\x1b": 10**400}, "pooler_act?=1000"),
        ({"rope_scaling": [1] * 5000}, "5000 numbers of rope_scaling; expected 4096 at most"),
        ({"model_type": "levit"}, "of the type levit"),
        ({"model_type": "efficientnet", "depth_coefficient": 1e9}, "depth_coefficient=1000000000.0; expected"),
        ({"model_type": "efficientnet", "num_block_repeats": [60000] * 7}, "which its weights cannot fill"),
        ({"num_hidden_layers": 10**5}, "num_hidden_layers=100000; expected"),
        ({"hidden_size": 60000, "intermediate_size": 60000}, "of a network of"),
        ({"hidden_size": "many"}, "failed to load"),
    ],
)
def test_a_config_that_leads_elsewhere_is_refused(vit, changes, message):
    write(vit / "config.json", **changes)

    with pytest.raises(ValueError, match=re.escape(message)) as error:
        read_model(vit, TERMS)
    assert "\n" not in str(error.value)


def test_keys_that_name_other_loaders_do_not_reach_the_library(vit):
    """A backbone would be downloaded, and a quantisation or an implementation would import kernels."""
    other = {"backbone": "resnet50", "use_timm_backbone": True, "quantization_config": {"quant_method": "x"}}
    write(vit / "config.json", **other, _name_or_path="https://example.org", attn_implementation="org/kernel")

    module = read_model(vit, TERMS).content

    assert not {*other} & {*module.classifier.config.to_dict()}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("adapter_config.json", "{}", "names another model"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "../a.safetensors"}}', "no file of weights here: ../a"),
        ("model.safetensors.index.json", '{"weight_map": {"a": "w.bin"}}', "no file of weights here: w.bin"),
        ("model.safetensors.index.json", "{}", "without a weight_map"),
    ],
)
def test_files_beside_the_weights_that_lead_elsewhere_are_refused(vit, name, text, message):
    (vit / name).write_text(text)

    with pytest.raises(ValueError, match=re.escape(message)):
        read_model(vit, TERMS)


@pytest.mark.parametrize("changes", [{"image_mean": None}, {"image_std": ["a"]}, {"rescale_factor": "x"}])
def test_a_processor_without_numbers_is_one_line(vit, changes):
    write(vit / "preprocessor_config.json", **changes)

    with pytest.raises(ValueError, match=r"has a preprocessor_config\.json with"):
        read_model(vit, TERMS)


@pytest.mark.parametrize(
    ("module", "extra"), [("onnxruntime", "onnx"), ("onnx2pytorch", "onnx"), ("transformers", "transformers")]
)
def test_a_library_that_is_not_installed_is_reported_with_the_extra_that_brings_it(
    tmp_path, monkeypatch, module, extra
):
    of_onnx_for_any_batch(tmp_path)
    save_vit(tmp_path / "vit", SHAPE[0], CLASSES, [0.5] * 3, [0.25] * 3)
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(LookupError, match=rf"^{module} is not installed; pip install 'pytest-robust\[{extra}\]'$"):
        read_model(tmp_path / ("w.onnx" if extra == "onnx" else "vit"), TERMS)
