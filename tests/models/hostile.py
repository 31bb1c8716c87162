"""Model files that write a marker when a naive loader runs them, and such a loader."""

import io
import json
import os
import pickle
import random
import runpy
import timeit
import warnings
import zipfile
import zlib

import numpy as np
import torch
from torch import nn

TERABYTE = 2**40
GIGANTIC = b"\x8a\x06" + (TERABYTE // 4).to_bytes(6, "little")  # as a pickle has it


class Call:
    """An object whose unpickling calls a function."""

    def __init__(self, function, *args):
        self.called = function, args

    def __reduce__(self):
        return self.called


def bomb(marker):
    return Call(os.mkdir, str(marker))


def python(marker):
    return f"__import__('os').mkdir({str(marker)!r})"


def to_zip(thing, **options):
    file = io.BytesIO()
    torch.save(thing, file, **options)
    return file.getvalue()


def to_legacy(thing):
    return to_zip(thing, _use_new_zipfile_serialization=False)


def to_archive(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_bomb(marker):
    """Return a training's state with a payload between the weights."""
    return {"state_dict": {"0.weight": torch.ones(2, 3), "0.bias": bomb(marker)}, "epoch": 3}


class Script(nn.Module):
    """A TorchScript program that writes a file as it is loaded."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    @torch.jit.export
    def __getstate__(self):
        return (self.path, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]):
        self.path, self.training = state
        torch.save(torch.zeros(1), self.path)

    def forward(self, x):
        return x


def script(marker):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Script(str(marker))), file)
    return file.getvalue()


def exported(marker):
    """Return a torch.export program whose example inputs are an unrestricted pickle."""
    file = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.rand(2, 2),)), file)
    inside = members(file.getvalue())
    return to_archive({n: to_zip(bomb(marker)) if "sample_inputs" in n else part for n, part in inside.items()})


def named(marker, name):
    """Return a pickle that calls the payload, and then an object of that name."""
    return b"\x80\x02" + pickle.dumps(bomb(marker), 2)[2:-1] + f"c{name[0]}\n{name[1]}\n.".encode()


def bloated(marker):
    """Return a zip bomb: a payload, and zeros of two hundred times the file's size."""
    inside = members(to_zip([bomb(marker)]))
    return to_archive(inside | {"archive/data/0": bytes(2**28)}, zipfile.ZIP_DEFLATED)


def absurd(marker):
    """Return the payload, then a tensor of a terabyte."""
    return huge(to_legacy([bomb(marker), bomb(marker), torch.ones(7)]))


def absurd_in_safetensors(marker):
    """Return a header that claims a tensor of a terabyte, and a pickle in place of its numbers."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [TERABYTE // 4], "data_offsets": [0, TERABYTE]}}).encode()
    return len(header).to_bytes(8, "little") + header + pickle.dumps(bomb(marker))


def long_names(marker):
    """Return a payload in an archive with a table of contents of 18 MB."""
    return to_archive(members(to_zip([bomb(marker)])) | {f"archive/{k}{'x' * 60_000}": b"" for k in range(300)})


def numpy_objects(marker):
    file = io.BytesIO()
    np.save(file, np.array([bomb(marker)]), allow_pickle=True)
    return file.getvalue()


HOSTILE = {
    **{f"pickle of protocol {n}": lambda marker, n=n: pickle.dumps(bomb(marker), n) for n in (0, 1, 2, 4, 5)},
    "torch.save": lambda marker: to_zip(with_bomb(marker)),
    "torch.save of old": lambda marker: to_legacy(with_bomb(marker)),
    "torch.save of protocol 4": lambda marker: to_zip(with_bomb(marker), pickle_protocol=4),
    "eval": lambda marker: to_zip(Call(eval, python(marker))),
    "timeit": lambda marker: to_zip(Call(timeit.timeit, python(marker), "", timeit.default_timer, 1)),
    "TorchScript": script,
    "torch.export": exported,
    "two formats in one": lambda marker: to_archive(members(to_zip(bomb(marker))) | {"archive/archive_format": b"pt2"}),
    "zip bomb": bloated,
    "a terabyte": absurd,
    "a terabyte in safetensors": absurd_in_safetensors,
    "path traversal": lambda marker: to_archive(members(to_zip(bomb(marker))) | {"archive/../../x": b"x"}),
    "table of contents": long_names,
    "truncated": lambda marker: pickle.dumps([bomb(marker), "x" * 1000], 2)[:-500],
    "corrupt": lambda marker: pickle.dumps([bomb(marker)], 2)[:-2] + random.Random(0).randbytes(1000),
    "escapes in a name": lambda marker: named(marker, ("users\x1b]0;owned\x07", "<b>[x](http://x)=1+1\r::error::")),
    "compressed pickle": lambda marker: zlib.compress(pickle.dumps(bomb(marker))),
    "numpy": numpy_objects,
    "Python": lambda marker: python(marker).encode(),
}  # fmt: skip


def calls(*lines):
    """Return an archive of torch.save whose pickle is a list of the objects that these opcodes leave."""
    inside = members(to_zip([torch.ones(7)]))
    return to_archive(inside | {"archive/data.pkl": b"\x80\x02](" + b"".join(lines) + b"e."})


def huge(content):
    """Replace a size of seven by a terabyte of float32."""
    return content.replace(b"K\x07", GIGANTIC)


def two_tables():
    """Return an archive with a second table of contents, which some readers would take for the first."""
    first, second = (bytearray(to_zip([torch.ones(k)])) for k in (2, 3))
    whole = first + second
    start = whole.index(b"PK\x01\x02") - whole.index(b"PK\x01\x02", len(first))
    end = whole.rindex(b"PK\x05\x06") + 16
    recorded = int.from_bytes(whole[end : end + 4], "little")
    whole[end : end + 4] = (recorded + len(first) + start).to_bytes(4, "little")
    return bytes(whole)


def twice(name="data.pkl"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        file = io.BytesIO(to_zip([torch.ones(7)]))
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(f"archive/{name}", b"\x80\x02}.")
    return file.getvalue()


# These run nothing, and would fill the memory, or be another file to another reader.
ABSURD = {
    "bytearray": lambda: calls(b"cbuiltins\nbytearray\n", GIGANTIC, b"\x85R"),
    "bytearray of Python 2": lambda: calls(b"c__builtin__\nbytearray\n", GIGANTIC, b"\x85R"),
    "codecs": lambda: calls(*[b"c_codecs\nencode\n"] * 40, b"U\x01a", *[b"U\x03hex\x86R"] * 40),
    "tensor of a terabyte": lambda: to_archive(
        {name: huge(part) for name, part in members(to_zip([torch.ones(7)])).items()}
    ),
    "tensor of a terabyte in an old file": lambda: huge(to_legacy([torch.ones(7)])),
    "tensor of a terabyte in one number": lambda: to_zip({"0.weight": torch.ones(1).expand(TERABYTE)}),
    "header of a terabyte": lambda: TERABYTE.to_bytes(8, "little") + b"{}",
    "long header": lambda: (2**25).to_bytes(8, "little") + b"{" + b" " * 2**25,
    "two tables of contents": two_tables,
    "two members of one name": twice,
    "two members that differ in case": lambda: twice("Data.pkl"),
}


def detonate(path):
    """Try what naive loaders do, one after the other."""
    for load in (
        lambda: torch.load(path, weights_only=False),
        lambda: pickle.loads(path.read_bytes()),
        lambda: pickle.loads(zlib.decompress(path.read_bytes())),
        lambda: np.load(path, allow_pickle=True),
        lambda: pickle.loads(path.read_bytes().partition(b"}}")[2]),
        lambda: torch.jit.load(path),
        lambda: torch.export.load(path),
        lambda: runpy.run_path(path),
    ):
        try:
            load()
        except Exception:  # they are none of its; one of the loaders will do
            continue
