"""Piano rolls in and out: what the files may be, exact scores, whole pieces however they are cut, new ones, a run."""

import itertools

import numpy as np
import pytest
import torch
from zoo import randomized

from fluvial.core import DataError, RunError, UsageError
from fluvial.kinds.music.fit import Transposed, independent
from fluvial.kinds.music.model import RollModel
from fluvial.kinds.music.rolls import Rolls, RollSchema, is_rolls, read_rolls, write_rolls
from fluvial.models import wavenet_intervals
from fluvial.tasks.fit import fit, load

OPTIONS = {"width": 8, "layers": 3, "channels": 6, "gates": 6, "skips": 6}


def some(n=12, notes=3, seed=0):
    """Pieces whose notes alternate, with some noise: the next moment is nearly certain given the last."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 30, n)
    pieces = []
    for steps in lengths:
        start = rng.integers(0, 2, notes)
        pieces.append((start + np.arange(steps)[:, None] + (rng.random((steps, notes)) < 0.05)) % 2)
    names = tuple(f"piece-{i}" for i in range(n))
    return Rolls(np.concatenate(pieces).astype(np.uint8), lengths, names, np.full(n, ""))


def untrained(notes=3, seed=0):
    density = randomized(wavenet_intervals((None,), values=notes, dropout=0.0, **OPTIONS), seed, 1.0).double().eval()
    return RollModel(density, RollSchema(notes, 5), {})  # pyright: ignore


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music") / "run"
    return folder, fit(some(60), epochs=12, out=folder, options=OPTIONS, progress=False)


def test_all_pieces_of_one_length_have_probability_one():
    rows = np.array(list(itertools.product([0, 1], repeat=6)), dtype=np.uint8).reshape(-1, 3)
    rolls = Rolls(rows, np.full(64, 2), tuple(map(str, range(64))), np.full(64, ""))
    assert np.exp(untrained().score(rolls).log_prob).sum() == pytest.approx(1, abs=1e-6)


def test_a_piece_has_one_score_however_it_is_cut():
    model, rolls = untrained(), some(3, seed=5)
    whole = model.windows(rolls)
    cut = type(whole)(whole.values, whole.lengths, reads=whole.reads, longest=2 * model.notes, frame=model.notes)
    from fluvial.training import Continuation

    totals = [w.totals(Continuation(model.density)) for w in (whole, cut)]
    assert len(cut) > len(whole)
    torch.testing.assert_close(*totals, rtol=1e-6, atol=1e-6)
    for piece, total in zip(rolls.pieces, totals[0]):
        x = torch.from_numpy(piece.ravel()[None]).double()
        assert model.density.log_prob(x).item() == pytest.approx(total.item(), abs=1e-5)


def test_no_window_ends_inside_a_moment():
    with pytest.raises(ValueError, match="must be multiples of 3"):
        type(untrained().windows(some(2)))(torch.zeros(7), torch.tensor([7]), longest=3, frame=3)


def test_a_fit_learns_what_follows_and_keeps_what_it_found(fitted):
    folder, model = fitted
    scores = model.record["scores"]
    assert scores["held_out"]["per_step"] > scores["independent"] + 0.3
    again = load(folder)
    assert isinstance(again, RollModel)
    assert np.array_equal(again.score(some(4)).log_prob, model.score(some(4)).log_prob)
    pieces = again.sample(20, 30, seed=1)
    assert pieces.shape == (20, 30, 3)
    assert np.array_equal(pieces, model.sample(20, 30, seed=1))
    assert (pieces[:, 1:] != pieces[:, :-1]).mean() > 0.7  # they alternate
    assert again.sample(2, seed=0).shape == (2, again.schema.steps, 3)
    sharper = again.sample(20, 30, temperature=0.5, seed=1)
    assert (sharper[:, 1:] != sharper[:, :-1]).mean() > (pieces[:, 1:] != pieces[:, :-1]).mean()


def test_independent_notes_are_counted():
    rolls = some(20)
    p = (rolls.values.sum(0) + 1) / (len(rolls.values) + 2)
    want = sum(np.log(np.where(moment == 1, p, 1 - p)).sum() for moment in rolls.values) / len(rolls.values)
    assert independent(rolls, rolls) == pytest.approx(want)


def test_files_come_back(tmp_path):
    pieces = untrained().sample(2, 4, seed=0)
    write_rolls(tmp_path / "new.npz", pieces)
    assert is_rolls(tmp_path / "new.npz")
    again = read_rolls(tmp_path / "new.npz")
    assert np.array_equal(np.stack(again.pieces), pieces)
    np.savez(tmp_path / "table.npz", x=np.zeros(3))
    assert not is_rolls(tmp_path / "table.npz")


def test_matlab_cells_bring_their_split(tmp_path):
    from scipy.io import savemat

    rolls, cells = some(6), {}
    for i, key in enumerate(("traindata", "validdata", "testdata")):
        cells[key] = np.empty((1, 2), dtype=object)
        cells[key][0, 0], cells[key][0, 1] = rolls.pieces[2 * i], rolls.pieces[2 * i + 1]
    savemat(tmp_path / "music.mat", cells)
    found = read_rolls(tmp_path / "music.mat")
    assert found.split.tolist() == ["train"] * 2 + ["valid"] * 2 + ["test"] * 2
    assert found.names[-1] == "test-1"
    for a, b in zip(found.pieces, rolls.pieces):
        assert np.array_equal(a, b)
    model = fit(tmp_path / "music.mat", epochs=1, options=OPTIONS, progress=False)
    sizes = model.record["sizes"]
    assert (sizes["train"], sizes["validation"], sizes["held_out"]) == (2, 2, 2)
    judges = np.split(model.rows["held_out.values"], np.cumsum(model.rows["held_out.lengths"])[:-1])
    assert all(np.array_equal(a, b) for a, b in zip(judges, rolls.pieces[4:]))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"rolls": np.zeros((4, 3)), "length": np.array([3])}, "whole numbers of at least 1 that add up"),
        ({"rolls": np.zeros(4), "length": np.array([4])}, r"got shapes \(4,\)"),
        ({"rolls": np.full((4, 3), 2), "length": np.array([4])}, "expected 0 and 1"),
        ({"rolls": np.zeros((4, 3)), "length": np.array([0, 4])}, "whole numbers of at least 1"),
        ({"rolls": np.zeros((1, 3)), "length": np.array([1])}, "no two moments"),
    ],
)
def test_what_is_no_music_gets_a_sentence(tmp_path, arrays, words):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=words):
        fit(tmp_path / "x.npz", progress=False, epochs=1)


def test_other_bad_input_gets_a_sentence(tmp_path, fitted):
    (tmp_path / "x.mat").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"x.mat"):
        fit(tmp_path / "x.mat")
    with pytest.raises(DataError, match="cannot be read"):
        fit(tmp_path / "none.mat")
    with pytest.raises(DataError, match="the model is of 3 notes, the rolls have 4"):
        fitted[1].score(some(notes=4))
    with pytest.raises(UsageError, match="made is a model of tables"):
        fit(some(), "made")
    with pytest.raises(UsageError, match="is a model of piano rolls"):
        fit(np.zeros((4, 3)), "wavenet_intervals")
    with pytest.raises(UsageError, match="have no labels; leave out key"):
        fit(some(), context=["key"])
    with pytest.raises(UsageError, match="leave it out"):
        fit(some(), options={"values": 3})
    with pytest.raises(UsageError, match="n: expected a number of pieces of at least 1"):
        fitted[1].sample(0)
    with pytest.raises(RunError, match="gone"):
        load(tmp_path / "gone")


def test_training_windows_are_transposed_as_a_whole():
    rolls = some(6, notes=9, seed=3)
    rolls = Rolls(np.where(np.arange(9) < 4, rolls.values, 0), rolls.lengths, rolls.names, rolls.split)
    plain = untrained(9).windows(rolls)
    moved = Transposed(plain.values, plain.lengths, None, plain.reads, plain.longest, plain.frame)
    index, cpu, shifts = torch.arange(len(plain)), torch.device("cpu"), set()
    before = plain.rows(index, cpu)[0]
    for seed in range(30):
        torch.manual_seed(seed)
        after = moved.rows(index, cpu)[0]
        assert torch.equal(after[:, 1], before[:, 1])
        for a, b in zip(*(x[:, 0].unflatten(1, (-1, 9)) for x in (before, after))):
            (shift,) = [s for s in range(9) if torch.equal(a.roll(s, 1).nan_to_num(-1), b.nan_to_num(-1))][:1]
            shifts.add(shift)
    assert shifts == set(range(6))  # five free notes above


def test_log_prob_is_that_of_the_scores():
    model, rolls = untrained(), some(5)
    assert np.array_equal(model.log_prob(rolls), model.score(rolls).log_prob)
