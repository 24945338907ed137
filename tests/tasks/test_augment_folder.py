"""New images and recordings lie in a folder for each label, as many as asked for."""

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("soundfile")

import fluvial
from fluvial.core.errors import DataError, UsageError
from fluvial.interfaces.cli import main
from fluvial.kinds.images.files import write_png
from fluvial.kinds.images.read import read_images
from fluvial.kinds.sound.read import write_sound

TINY = {"model": "glow", "epochs": 2, "options": {"levels": 1, "steps": 1, "width": 4}}


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for label, count, grey in (("dark", 24, 40), ("light", 8, 210)):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for i in range(count):
            image = np.clip(rng.normal(grey, 8, (4, 4)), 0, 255).astype(np.uint8)
            write_png(tmp_path / "pictures" / label / f"{i}.png", image)
    return tmp_path / "pictures"


def test_new_images_lie_in_the_folder_of_their_label_and_look_like_it(pictures, tmp_path):
    made = fluvial.augment_folder(pictures, tmp_path / "new", rows=16, **{**TINY, "epochs": 15})
    assert made.counts == {"dark": 12, "light": 4}
    assert (
        sorted(p.relative_to(tmp_path).parts[:2] for p in made.paths) == [("new", "dark")] * 12 + [("new", "light")] * 4
    )
    means = {
        label: read_images(str(tmp_path / "new" / label)).pixels.read(np.arange(4)).mean() for label in made.counts
    }
    assert means["dark"] < means["light"] - 5
    told = " ".join(made.summary)
    assert "16 new files: 12 of dark, 4 of light" in told
    assert "none was left out" in told
    assert "whether they help is not known" in told


def test_labels_of_recordings_are_balanced_too(tmp_path):
    rng = np.random.default_rng(0)
    for label, count in (("high", 3), ("low", 6)):
        (tmp_path / "sound" / label).mkdir(parents=True)
        for i in range(count):
            write_sound(tmp_path / "sound" / label / f"{i}.wav", 0.1 * rng.normal(size=200), 2000)
    small = {"layers": 2, "channels": 4, "gates": 4, "skips": 4}
    made = fluvial.augment_folder(tmp_path / "sound", tmp_path / "new", epochs=1, options=small)
    assert made.counts == {"high": 3}
    assert [p.parent.name for p in made.paths] == ["high"] * 3
    assert all(p.stat().st_size > 200 for p in made.paths)


def test_the_command_writes_them_and_says_what_is_not_known(pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fluvial.kinds.images.kind.ImagesKind.default", "nice")
    assert main(["augment", str(pictures), "--epochs", "1", "-o", str(tmp_path / "new")]) == 0
    assert "16 new files: 16 of light" in capsys.readouterr().err
    assert len(list((tmp_path / "new" / "light").glob("*.png"))) == 16
    assert main(["augment", str(pictures), "--target", "x", "-o", str(tmp_path / "new")]) == 2
    assert "the labels of" in capsys.readouterr().err
    assert main(["augment", str(pictures)]) == 2
    assert "name a folder for the new files" in capsys.readouterr().err


def test_what_cannot_be_is_a_sentence(pictures, tmp_path):
    with pytest.raises(UsageError, match="would pass for its own"):
        fluvial.augment_folder(pictures, pictures / "new")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.png").touch()
    with pytest.raises(UsageError, match="holds files already, which new ones could replace"):
        fluvial.augment_folder(pictures, tmp_path / "old")
    (pictures / "light").rename(tmp_path / "light")
    with pytest.raises(DataError, match="all files lie in one sub-folder"):
        fluvial.augment_folder(pictures, tmp_path / "new")
    with pytest.raises(UsageError, match="are not labelled by folders"):
        fluvial.augment_folder(np.zeros((3, 2)), tmp_path / "new")
