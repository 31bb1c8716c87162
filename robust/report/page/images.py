"""The gallery of a row: images of originals, changes, adversarial inputs and attributions."""

import base64
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.attacks.grammar.corruption import list_corruptions
from robust.attacks.words import tell_theta
from robust.records.gallery import Gallery, Images
from robust.report.page.markup import Html, join, tag, void

SIDE = 112  # pixels of a map, as of the pictures beside it
MAX_IMAGES = 24  # a row, since the page holds them all


def gallery_section(gallery: Gallery | None, threat: str = "", layout: Mapping[str, Any] | None = None) -> Html:
    """Return the images, one line a sample, closed until the reader opens them; "" if there are none.

    Of several inputs, whose `layout` the record has, a table of numbers stands beside them; of inputs that the threat
    model transforms, how.
    """
    if gallery is None or not len(gallery.row):
        return join()
    kinds = _list_maps(gallery) if gallery.label.ndim > 1 else _list_kinds(gallery)
    images = {name: array for name, array in kinds.items() if array is not None}
    order = (
        range(len(gallery.row)) if gallery.distance is None else np.argsort(gallery.distance, kind="stable").tolist()
    )
    names = _name_values(layout, gallery)
    rows = [_sample(gallery, k, images, names, threat) for k in order[: MAX_IMAGES // len(images)]]
    chosen = "adversarial samples, drawn by the seed" if gallery.distance is None else "nearest adversarial inputs"
    return tag(
        "details",
        tag("summary", f"Gallery: {len(rows)} {chosen}"),
        tag("div", *rows, class_="gallery"),
        tag("p", _describe(gallery), class_="note"),
    )


def _list_kinds(gallery: Gallery) -> dict[str, Images | None]:
    return {
        "original": gallery.original,
        "change": None if _is_transformed(gallery) else gallery.change,
        "adversarial": gallery.adversarial,
        "saliency": gallery.saliency,
        "integrated gradients": gallery.integrated,
    }


def _is_transformed(gallery: Gallery) -> bool:
    """Whether every input was made by a theta, which says more than a difference of pixels does."""
    return gallery.theta is not None and bool(np.isfinite(gallery.theta).any(1).all())


def _list_maps(gallery: Gallery) -> dict[str, Images | None]:
    before = None if gallery.before is None else colour_maps(gallery.before)
    return {
        "original": gallery.original,
        "adversarial": gallery.adversarial,
        "labels": colour_maps(gallery.label),
        "answer": before,
        "under attack": colour_maps(gallery.answer),
    }


def colour_maps(maps: NDArray[np.int64]) -> Images:
    """Return maps of classes, (k, h, w), in the colours of PASCAL VOC, thinned out to SIDE; below 0 is drawn as 255."""
    step = -(-max(maps.shape[1:]) // SIDE)
    numbers = (maps[:, ::step, ::step] & 255).astype(np.uint8)
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((np.arange(256) >> (3 * bit + channel)) & 1).astype(np.uint8) << (7 - bit)
    return colours[numbers]


def _name_sample(gallery: Gallery, k: int) -> tuple[str, str, str]:
    """Return (the heading of a sample, what is below it, what its images are of)."""
    if gallery.label.ndim > 1:
        share = f"{100 * gallery.sure[k]:.0f} % of the pixels right"
        return f"{100 * gallery.sure[k]:.0f} % right", f"of its pixels, under attack, sample {gallery.row[k]}", share
    before, after = gallery.label[k], gallery.answer[k]
    label = f"class {before}, answered {after} with {100 * gallery.sure[k]:.0f} %"
    return f"{before} → {after}", f"{100 * gallery.sure[k]:.0f} % sure, sample {gallery.row[k]}", label


def _sample(gallery: Gallery, k: int, images: dict[str, Images], names: list[str], threat: str) -> Html:
    heading, below, label = _name_sample(gallery, k)
    if gallery.theta is not None and (told := tell_theta(threat, gallery.theta[k].tolist())):
        below += f", {told}"
    near = "" if gallery.distance is None else f", distance {gallery.distance[k]:.3g}"
    titles = {"adversarial": _name_corruption(gallery, k, threat)}
    figures = (
        tag(
            "figure",
            void("img", src=data_uri(array[k]), alt=f"{titles.get(name) or name}: {label}", loading="lazy"),
            tag("figcaption", titles.get(name) or name),
        )
        for name, array in images.items()
    )
    return tag(
        "div",
        tag(
            "p",
            tag("b", heading),
            tag("small", f"{below}{near}"),
        ),
        *figures,
        *([_values(gallery.values[k], names)] if gallery.values is not None else []),
    )


def _name_corruption(gallery: Gallery, k: int, threat: str) -> str:
    """Name the corruption that made an input, as "fog, severity 3"; "" if none did."""
    words = [*list_corruptions(threat).values()]
    place = -1 if gallery.kind is None else int(gallery.kind[k])
    return f"{words[place].which}, severity {words[place].severity}" if 0 <= place < len(words) else ""


def _values(pairs: NDArray[np.float32], names: list[str]) -> Html:
    """Return the table of the numbers beside an image, (m, 2): before and after, those that changed in bold."""
    rows = (
        tag(
            "tr",
            tag("th", name),
            tag("td", f"{before:.4g}"),
            tag("td", tag("b", f"{after:.4g}") if after != before else ""),
        )
        for name, (before, after) in zip(names, pairs.tolist(), strict=False)
    )
    head = tag("tr", *(tag("th", title) for title in ("part", "original", "adversarial")))
    return tag("table", tag("thead", head), tag("tbody", *rows))


def _name_values(layout: Mapping[str, Any] | None, gallery: Gallery) -> list[str]:
    """Return names of the numbers beside the images, as "meta 0", by the layout of the record."""
    m = 0 if gallery.values is None else gallery.values.shape[1]
    parts = (layout or {}).get("parts", [])
    picture = next((part for part in parts if _is_image(part)), None)
    names = []
    for part in parts:
        size = math.prod(part["shape"])
        if part is not picture:
            names += [f"{part['name']} {k}" if size > 1 else str(part["name"]) for k in range(min(size, m))]
    return [*names, *map(str, range(len(names), m))][:m]


def _is_image(part: Mapping[str, Any]) -> bool:
    """Whether a part is one of which there is an image: floats (height, width), or (1 or 3, height, width)."""
    shape = part["shape"]
    return str(part["dtype"]).startswith("float") and (len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3)))


def _describe(gallery: Gallery) -> str:
    if gallery.label.ndim > 1:
        return (
            "Labels and answers in the colours of PASCAL VOC: class 0 is black, and pixels that do not count are pale."
        )
    text = "The change is drawn around grey, scaled to its largest value."
    if _is_transformed(gallery):
        text = "Each adversarial input is the original, transformed as its line says."
    if gallery.saliency is None:
        return f"{text} The model has no gradient with respect to its inputs, so there is no saliency."
    text += " Saliency: the absolute gradient of the loss at the original, the largest over the channels."
    if gallery.integrated is None:
        return (
            f"{text} For integrated gradients install captum, pip install 'pytest-robust[captum]', and measure again."
        )
    return f"{text} Integrated gradients (1703.01365) of the right class, from the lowest input, by captum."


def data_uri(image: NDArray[np.uint8]) -> str:
    """Return an image, (height, width, 1 or 3), as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(_png(image)).decode()}"


def _png(image: NDArray[np.uint8]) -> bytes:
    """Return an image as PNG: of pixels, or of differences to the left, whichever is smaller.

    By hand, since Pillow takes several times as long for images as small as these, of which a page has thousands.
    """
    height, width, channels = image.shape
    lines = np.zeros((2, height, 1 + width * channels), np.uint8)  # the first byte of each says what the others are
    lines[:, :, 1:] = image.reshape(height, -1)
    lines[1, :, 1 + channels :] -= lines[0, :, 1:-channels]
    lines[1, :, 0] = 1
    packed = min((zlib.compress(each.tobytes(), 9) for each in lines), key=len)
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
