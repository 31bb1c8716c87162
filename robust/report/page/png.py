"""PNG files, by Pillow's encoder: equal pictures give equal bytes."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def data_uri(picture: NDArray[np.uint8]) -> str:
    """A picture, (height, width, 1 or 3), as the address of an image that is part of the page."""
    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
