"""Folders are read once, links and all, and a sentence tells what is left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fluvial.core.errors import DataError
from fluvial.data.folders import find, holds, listing


def made(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def below(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path, _ in find(root, {".a"}, "an a").files]


def test_links_are_followed_and_told_and_cycles_end(tmp_path: Path):
    root, far = tmp_path / "root", tmp_path / "far"
    made(root, "cats/1.a", "dogs/2.a")
    made(far, "3.a")
    (root / "birds").symlink_to(far)
    (root / "cats" / "up").symlink_to(root)
    (root / "alias").symlink_to(root / "dogs")
    (far / "self").symlink_to("self")
    (root / "dogs" / "4.a").symlink_to(far / "3.a")
    assert below(root) == ["birds/3.a", "cats/1.a", "dogs/2.a", "dogs/4.a"]
    found = find(root, {".a"}, "an a")
    assert found.files[0] == (root / "birds" / "3.a", ("birds",))
    told = dict(note.split(": ") for note in found.notes)
    assert told["links to folders that are read already, left out"] == f"{root / 'alias'}, {root / 'cats' / 'up'}"
    assert str(root / "birds") in told["links, followed"]
    assert told["neither files nor folders, left out"] == str(root / "birds" / "self")


def test_what_systems_keep_and_what_is_no_file_is_left_out_and_named(tmp_path: Path):
    made(tmp_path, "x/1.a", "x/._1.a", "__MACOSX/x/1.a", "x/@eaDir/1.a", "Thumbs.db", ".git/1.a", "x/note.txt")
    os.mkfifo(tmp_path / "x" / "pipe.a")
    assert below(tmp_path) == ["x/1.a"]
    notes = find(tmp_path, {".a"}, "an a").notes
    assert notes[0].startswith("hidden, or kept by a system, and left out: ")
    assert notes[0].endswith(" and 2 more")
    assert notes[1:] == (
        f"not an a by their names, left out: {tmp_path / 'x' / 'note.txt'}",
        f"neither files nor folders, left out: {tmp_path / 'x' / 'pipe.a'}",
    )
    assert holds(tmp_path, {".txt"})
    assert not holds(tmp_path, {".db"})
    assert listing(tmp_path) == [tmp_path / "x" / "1.a", tmp_path / "x" / "note.txt"]


def test_one_file_is_itself_and_a_missing_one_is_a_sentence(tmp_path: Path):
    made(tmp_path, ".hidden.b")
    assert find(tmp_path / ".hidden.b", {".a"}, "an a").files == ((tmp_path / ".hidden.b", ()),)
    for missing in ("none", "n" * 300):
        with pytest.raises(DataError, match="there is no file"):
            find(tmp_path / missing, {".a"}, "an a")
