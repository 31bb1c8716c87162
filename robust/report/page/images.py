"""The gallery of a row: what was shown to the model, what was changed, and what the model looked at."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robust.records.gallery import Gallery, Images
from robust.records.record import Record
from robust.report.page.markup import Html, join, tag, void

MOST = 24  # pictures a row: the page holds them all


def pictures(record: Record, gallery: Gallery | None) -> Html:
    """A line for each sample, closed until it is asked for; "" where the row has no pictures."""
    if gallery is None or not len(gallery.row):
        return join()
    kinds = {
        "original": gallery.original,
        "change": gallery.change,
        "adversarial": gallery.adversarial,
        "saliency": gallery.saliency,
        "integrated gradients": gallery.integrated,
    }
    shown = {name: found for name, found in kinds.items() if found is not None}
    rows = [_sample(gallery, k, shown) for k in range(min(len(gallery.row), MOST // len(shown)))]
    return tag(
        "details",
        tag("summary", f"Gallery: {len(rows)} broken samples, drawn by the seed"),
        tag("div", *rows, class_="gallery"),
        tag("p", _told(gallery), class_="note"),
    )


def _sample(gallery: Gallery, k: int, shown: dict[str, Images]) -> Html:
    before, after = gallery.label[k], gallery.answer[k]
    told = f"class {before}, taken for {after} with {100 * gallery.sure[k]:.0f} %"
    figures = (
        tag(
            "figure",
            void("img", src=data_uri(found[k]), alt=f"{name}: {told}", loading="lazy"),
            tag("figcaption", name),
        )
        for name, found in shown.items()
    )
    return tag(
        "div",
        tag(
            "p",
            tag("b", f"{before} → {after}"),
            tag("small", f"{100 * gallery.sure[k]:.0f} % sure, sample {gallery.row[k]}"),
        ),
        *figures,
    )


def _told(gallery: Gallery) -> str:
    text = "The change is drawn around grey, scaled to its largest value."
    if gallery.saliency is None:
        return f"{text} No gradient leads to the inputs, so there is no saliency."
    text += " Saliency: the gradient of the loss at the original, the largest of its channels without sign."
    if gallery.integrated is None:
        return (
            f"{text} For integrated gradients install captum, pip install 'pytest-robust[captum]', and measure again."
        )
    return f"{text} Integrated gradients (1703.01365) of the right class, from the lowest input, by captum."


def data_uri(picture: NDArray[np.uint8]) -> str:
    """A picture, (height, width, 1 or 3), as the address of an image that is part of the page."""
    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
