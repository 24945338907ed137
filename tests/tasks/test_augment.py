"""New rows have the labels and the number asked for, and are judged on rows that made none of them."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

import fluvial
from fluvial.core.errors import DataError, UsageError
from fluvial.kinds.tables.privacy import privacy
from fluvial.tasks.helped import helped

HOW = {"epochs": 2, "options": {"hidden": [8], "blocks": 1, "components": 2, "classes": 2}}


def table(n: int = 120, rare: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kind = np.array(["common"] * (n - rare) + ["rare"] * rare, dtype=object)
    size = rng.normal(0, 1, n) + 3 * (kind == "rare")
    frame = pd.DataFrame(
        {"size": size, "shade": np.where(size + rng.normal(size=n) > 1, "dark", "light"), "kind": kind}
    )
    return frame.sample(frac=1, random_state=0, ignore_index=True)


@pytest.fixture(scope="module")
def balanced():
    return fluvial.augment(table(), "kind", folds=2, **HOW)


def test_labels_are_balanced_and_rows_are_like_their_label(balanced):
    new = balanced.frame()
    assert balanced.counts == {"rare": 60}
    assert list(new) == ["size", "shade", "kind"]
    assert (new["kind"] == "rare").all()
    assert 2 < new["size"].median() < 4
    assert set(new["shade"]) <= {"dark", "light"}


def test_the_summary_says_whether_it_helped_and_what_it_gives_away(balanced):
    told = " ".join(balanced.summary)
    assert "60 new rows: 60 of rare" in told
    assert "out of 2 folds of 120 rows" in told
    assert balanced.helped.sure or "do not expect these rows to help" in told
    assert "0 new rows equal a row of the training" in told
    assert "That does not make new rows anonymous" in told


def test_so_many_rows_are_shared_out_by_frequency():
    found = fluvial.augment(table().assign(extra=1), "kind", rows=9, check=False, **HOW)
    assert found.counts == {"common": 7, "rare": 2}
    assert found.helped is None
    assert (found.frame()["extra"] == 1).all()


def test_a_label_that_follows_from_another_column_is_drawn_with_it():
    frame = table().assign(code=lambda t: (t["kind"] == "rare").astype(int), again=lambda t: t["kind"].str.upper())
    found = fluvial.augment(frame, "again", rows=20, check=False, **HOW)
    new = found.frame()
    assert list(new) == list(frame)
    assert found.counts == {"COMMON": 15, "RARE": 5}
    assert (new["kind"].str.upper() == new["again"]).all()


def test_labels_of_a_few_rows_and_labels_that_are_numbers_are_named():
    told = " ".join(fluvial.augment(table(80, 3), "kind", rows=40, check=False, **HOW).summary)
    assert "'rare' has 3 rows, from which hardly anything is learnt about it" in told
    frame = table(90).assign(size=lambda t: np.arange(90) % 30)
    told = fluvial.augment(frame, "size", rows=60, check=False, **HOW).summary
    assert "each of the 30 numbers that 'size' holds is taken for a label of its own" in told[1]
    assert told[0].endswith("and of 20 more labels")


def test_rows_without_a_label_are_left_out_and_said():
    frame = table()
    frame.loc[:4, "kind"] = None
    found = fluvial.augment(frame, "kind", rows=2, check=False, **HOW)
    assert "5 rows without a label left out" in found.summary


def test_a_fold_is_judged_by_rows_that_made_none_of_the_new_ones():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    seen = []

    def more(train, fold):
        seen.append(train)
        return np.zeros((5, 2)), np.ones(5, dtype=np.int64)

    found = helped(x, y, np.zeros(2, dtype=bool), more, folds=3)
    assert sorted(np.concatenate([np.setdiff1d(np.arange(60), train) for train in seen])) == list(range(60))
    assert found.low <= found.with_rows - found.without <= found.high


def test_rows_that_help_are_sure_to_and_rows_that_mislead_are_said_to():
    rng = np.random.default_rng(1)
    y = (np.arange(900) % 10 == 0).astype(np.int64)
    x = rng.normal(size=(900, 2)) + 1.2 * y[:, None]

    def fresh(train, fold):
        return rng.normal(size=(400, 2)) + 1.2, np.ones(400, dtype=np.int64)

    def wrong(train, fold):
        return rng.normal(size=(4000, 2)), np.ones(4000, dtype=np.int64)

    assert helped(x, y, np.zeros(2, dtype=bool), fresh, folds=4).sure
    assert "they made it worse" in str(helped(x, y, np.zeros(2, dtype=bool), wrong, folds=4))


def test_copies_and_rows_learnt_by_heart_show():
    rng = np.random.default_rng(0)
    train, others, labels = rng.normal(size=(200, 3)), rng.normal(size=(200, 3)), np.zeros(3, dtype=bool)
    copied = privacy(train[:50], train, others, labels, (np.ones(200), np.zeros(200)))
    assert (copied.copies, copied.nearer, copied.membership) == (50, 1.0, 1.0)
    fresh = privacy(rng.normal(size=(2000, 3)), train, others, labels, (np.arange(200.0), np.arange(200.0)))
    assert fresh.copies == 0
    assert fresh.nearer == pytest.approx(0.5, abs=0.07)
    assert fresh.membership == 0.5


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"target": "knd"}, UsageError, "there is no column 'knd'; did you mean 'kind'"),
        ({"target": "size"}, DataError, "holds 120 values; new rows are drawn for labels"),
        ({"rows": 5, "balance": True}, UsageError, "give one"),
        ({"target": ["kind"]}, UsageError, r"there is no column \['kind'\]"),
        ({"rows": 10**11}, UsageError, "more than are drawn at once: ask for 333,333,333 at most"),
        ({"rows": 0}, UsageError, "rows: expected a whole number of at least 1"),
        ({"rows": 5, "folds": 99}, UsageError, "the rarest label has 30 rows, too few for 99 folds"),
    ],
)
def test_what_cannot_be_is_a_sentence(change, error, said):
    with pytest.raises(error, match=said):
        fluvial.augment(table(), **{"target": "kind", **HOW, **change})


def test_times_are_no_labels():
    days = pd.to_datetime("2026-01-01") + pd.to_timedelta(np.arange(120) % 3, "D")
    with pytest.raises(DataError, match="holds times; new rows are drawn for labels"):
        fluvial.augment(table().assign(day=days), "day", **HOW)


def test_labels_that_are_balanced_already_are_said_to_be():
    with pytest.raises(DataError, match="all labels of 'kind' are equally frequent"):
        fluvial.augment(table(60, 30), "kind", check=False, **HOW)
