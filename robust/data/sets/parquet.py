"""parquet:FILE: encoded images and their labels in a file of parquet, for testing only."""

from pathlib import Path

from robust.attacks.spec import Spec
from robust.attacks.text import printable
from robust.data.dataset import DATA, Dataset, Split
from robust.data.image_tables import table_dataset


@DATA.register("parquet")
def parquet(text: str, folder: Path) -> Dataset:
    """Return the data set in FILE; its options are those of `Columns`."""
    spec = Spec.parse(text)
    if len(spec.args) != 1:
        raise ValueError("write parquet:FILE, or parquet:FILE:size=224")
    path = (folder / spec.args[0]).resolve()
    if not path.is_file():
        raise ValueError(f"no such file (looked for {printable(str(path))})")

    def files(split: Split) -> list[Path]:
        if split == "train":
            raise ValueError(f"{path.name} is one split; put test.parquet and train.parquet into a folder, as hf:DIR")
        return [path]

    return table_dataset(path.stem, spec, files)
