"""What is a table, what is sound, what is images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fluvial.core.errors import DataError
from fluvial.kinds.every import KINDS, kind_of
from fluvial.models import default_of, recipes


def test_a_source_is_of_one_kind(tmp_path):
    tones, pictures, nothing = (tmp_path / name for name in ("tones", "pictures", "nothing"))
    for folder in (tones, pictures, nothing):
        folder.mkdir()
    (tones / "a.wav").touch()
    (pictures / "deep").mkdir()
    Image.fromarray(np.zeros((3, 3), dtype=np.uint8)).save(pictures / "deep" / "a.png")
    np.save(tmp_path / "table.npy", np.zeros((9, 4), dtype=np.uint8))
    np.savez(tmp_path / "sound.npz", audio=np.zeros(4), length=[4], sample_rate=8000)
    for source, kind in (
        (tones, "sound"),
        (str(tmp_path / "sound.npz"), "sound"),
        (pictures, "images"),
        ([pictures / "deep" / "a.png"], "images"),
        (np.zeros((9, 4, 4), dtype=np.uint8), "images"),
        (np.zeros((9, 4), dtype=np.uint8), "tables"),
        (tmp_path / "table.npy", "tables"),
        ("missing.csv", "tables"),
        ({"a": [1]}, "tables"),
    ):
        assert kind_of(source).name == kind, source
    with pytest.raises(DataError, match="nothing holds neither sound nor images"):
        kind_of(nothing)
    with pytest.raises(DataError, match="holds sound and images: name the files of one kind"):
        kind_of(tmp_path)


def test_every_kind_has_a_name_and_models_of_its_own():
    assert len({k.name for k in KINDS}) == len(KINDS)
    assert KINDS[-1].name == "tables"
    assert {recipe.kind for recipe in recipes()} == {kind.name for kind in KINDS}
    assert all(default_of(kind.name) for kind in KINDS)
