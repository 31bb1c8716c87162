"""The gallery of a row: images of originals, changes, adversarial inputs and attributions."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robust.records.gallery import Gallery, Images
from robust.report.page.markup import Html, join, tag, void

MAX_IMAGES = 24  # a row, since the page holds them all


def gallery_section(gallery: Gallery | None) -> Html:
    """Return the images, one line a sample, closed until the reader opens them; "" if there are none."""
    if gallery is None or not len(gallery.row):
        return join()
    kinds = {
        "original": gallery.original,
        "change": gallery.change,
        "adversarial": gallery.adversarial,
        "saliency": gallery.saliency,
        "integrated gradients": gallery.integrated,
    }
    images = {name: array for name, array in kinds.items() if array is not None}
    rows = [_sample(gallery, k, images) for k in range(min(len(gallery.row), MAX_IMAGES // len(images)))]
    return tag(
        "details",
        tag("summary", f"Gallery: {len(rows)} adversarial samples, drawn by the seed"),
        tag("div", *rows, class_="gallery"),
        tag("p", _describe(gallery), class_="note"),
    )


def _sample(gallery: Gallery, k: int, images: dict[str, Images]) -> Html:
    before, after = gallery.label[k], gallery.answer[k]
    label = f"class {before}, answered {after} with {100 * gallery.sure[k]:.0f} %"
    figures = (
        tag(
            "figure",
            void("img", src=data_uri(array[k]), alt=f"{name}: {label}", loading="lazy"),
            tag("figcaption", name),
        )
        for name, array in images.items()
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


def _describe(gallery: Gallery) -> str:
    text = "The change is drawn around grey, scaled to its largest value."
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
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
