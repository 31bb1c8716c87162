"""A user's folder. No file in it is run: settings are read without torch."""

import pytest


@pytest.fixture
def folder(tmp_path):
    for name in ("net.py", "other.py", "README.md", "weights.pt", "good.npz"):
        (tmp_path / name).write_text("raise RuntimeError\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "wrong.toml").write_text('[[stages]]\nattack = "fgsm"\nsteps = 3\n')
    (tmp_path / "option.toml").write_text('[[stages]]\nattack = "pgd:stepz=3"\n')
    (tmp_path / "mine.toml").write_text('[[stages]]\nattack = "fgsm"\nnorms = ["l2"]\n')
    return tmp_path
