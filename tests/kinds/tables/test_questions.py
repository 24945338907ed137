"""What is asked of a model of any cells: conditions and events agree with each other, and nonsense gets a sentence."""

from __future__ import annotations

import numpy as np
import pytest

import fluvial
from fluvial.core.errors import FluvialError, UsageError
from fluvial.kinds.tables.drawn import points
from fluvial.kinds.tables.model import Model
from fluvial.models import AnyOrder

ROWS = 200


def _table() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    letters = np.array(["a", "b", "c", None], dtype=object)[rng.integers(0, 4, ROWS)]
    count = rng.integers(0, 8, ROWS)
    return {
        "value": rng.normal(size=ROWS),
        "letter": letters,
        "count": count,
        "double": -2 * count + 6,
        "tenth": rng.integers(0, 9, ROWS) / 10,
        "half": np.array([None if v is None else "first" if v in "ab" else "last" for v in letters], dtype=object),
        "same": np.full(ROWS, 7),
    }


@pytest.fixture(scope="module")
def model() -> Model:
    options = {"hidden": [16], "components": 3}
    return fluvial.fit(_table(), "mixed", epochs=1, options=options, progress=False)


@pytest.mark.parametrize(
    ("event", "same"),
    [
        ("count == 3.5", None),
        ("count in [2, 2.5]", "count == 2"),
        ("count > 2.5", "count >= 3"),
        ("tenth <= 0.3", "tenth < 0.4"),
        ("double == 2", "count == 2"),
        ("double == 3", None),
        ("double > 2", "count < 2"),
        ("half == 'last'", "letter == 'c'"),
        ("same == 8", None),
        ("same == 7 and count == 2", "count == 2"),
    ],
)
def test_an_event_is_exact_and_means_what_it_says(model: Model, event: str, same: str | None):
    found = model.probability(event)
    assert found.draws == 0
    assert found.value == pytest.approx(0.0 if same is None else model.probability(same).value, abs=1e-12)
    assert same is None or found.value > 0


@pytest.mark.parametrize("event", ["letter == 'a'", "letter in ['a', 'b']", "count + value > 3", "not value > 0"])
def test_a_missing_cell_makes_neither_an_event_nor_its_contrary_true(model: Model, event: str):
    missing = model.given({"letter": None})
    both = [missing.probability(e, draws=200).value for e in (event, f"not ({event})")]
    assert sum(both) == pytest.approx(0.0 if "letter" in event else 1.0)


def test_what_is_given_and_what_is_asked_may_be_one_column(model: Model):
    given = model.given({"count": 3})
    assert [given.probability(e).value for e in ("count > 4", "count <= 3")] == [0.0, 1.0]
    assert model.given({"half": "first", "letter": "a"}).sample(3)["letter"].tolist() == ["a"] * 3
    assert set(model.given({"half": None}).sample(3)["letter"]) == {None}
    assert set(model.given({"double": 2}).sample(3)["count"]) == {2}


@pytest.mark.parametrize(
    "conditions",
    [
        None, "value", ["value"], {3: 1}, {"value": np.inf}, {"value": object()}, {"value": 1j}, {"count": 3.5},
        {"double": 3}, {"half": "last", "letter": "a"}, {"same": 8},
    ],
)  # fmt: skip
def test_impossible_conditions_get_a_sentence(model: Model, conditions: object):
    with pytest.raises(FluvialError):
        model.given(conditions).sample(2)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("n", [0, -1, True, 2.0, "3", None, float("nan"), 10**12, 2**63])
def test_a_number_of_draws_is_a_whole_number(model: Model, n: object):
    with pytest.raises(UsageError):
        model.sample(n)  # pyright: ignore[reportArgumentType]
    if isinstance(n, int) and n > 1:
        return
    for ask in (
        lambda: model.given({}).sample(n),  # pyright: ignore
        lambda: model.probability("value > count", draws=n),  # pyright: ignore
        lambda: None if n is None else model.impute(_table(), draws=n),  # pyright: ignore
        lambda: model.given({}).effective(n),  # pyright: ignore
    ):
        if n is not None:
            with pytest.raises(UsageError):
                ask()


@pytest.mark.parametrize("event", [3, None, lambda rows: True, lambda rows: rows["value"], lambda rows: rows["no"] > 0])
def test_an_event_is_words_or_a_truth_for_each_row(model: Model, event: object):
    with pytest.raises(UsageError, match="event"):
        model.probability(event, draws=20)  # pyright: ignore[reportArgumentType]


def test_questions_without_an_answer_get_a_sentence(model: Model):
    table = _table()
    table["letter"] = np.full(ROWS, "unseen", dtype=object)
    for ask in (
        lambda: model.given({"value": None}).mean("value", draws=20),
        lambda: model.given({}).quantile("value", 1.5, draws=20),
        lambda: model.predict_quantiles(_table(), "value", ()),
        lambda: model.predict_quantiles(_table(), "value", 0.5),  # pyright: ignore[reportArgumentType]
        lambda: model.predict(_table(), 3),  # pyright: ignore[reportArgumentType]
        lambda: model.predict(table, "count"),
        lambda: model.impute(table),
    ):
        with pytest.raises(FluvialError):
            ask()


def test_gaps_on_one_side_alone_leave_points_of_one_space(model: Model):
    assert isinstance(model.density, AnyOrder)
    whole = np.zeros((5, model.density.columns))
    gaps = whole.copy()
    gaps[0, 0] = np.nan
    assert len({points(model.density, a, b)[i].shape[1] for a in (whole, gaps) for b in (gaps,) for i in (0, 1)}) == 1
