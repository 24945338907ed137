"""One column from the others: normalised enumeration, and quantiles that are the model's own."""

import numpy as np
import pytest
import torch
from tiny import LENGTH, NAN, OLD, REAL, SEX, cells, enumerated, model

from fluvial.core.errors import UsageError
from fluvial.data.schema import Schema
from fluvial.transforms.law import Law

MODEL = model()
TABLE = {
    "Rings": np.array([0, 1, 2, 3, 4] * 2),
    "is old": np.array(["no", "yes"] * 5, dtype=object),
    "planet": np.array(["Earth"] * 10, dtype=object),
    "twice": 2 * np.array([0, 1, 2, 3, 4] * 2),
}


def test_shares_are_enumeration_normalised_over_the_labels():
    found = MODEL.predict_proba({**TABLE, "stage": np.array([None] * 10, dtype=object)}, "Sex")
    p, (sex, rings, old) = enumerated(MODEL.density, (1, 2, 0)), cells().T
    for row, (k, aged) in zip(found, zip(TABLE["Rings"], TABLE["is old"])):
        here = (rings == int(k)) & (old == float(aged == "yes")) & ~sex.isnan()
        assert row.tolist() == pytest.approx((p[here] / p[here].sum()).tolist(), abs=1e-9)


def test_the_target_itself_is_not_looked_at():
    def without(sex):
        stage = [None if s is None else "infant" if s == "I" else "adult" for s in sex]
        return {**TABLE, "Sex": np.array(sex, dtype=object), "stage": np.array(stage, dtype=object)}

    first, second = (MODEL.predict_proba(without([s] * 10), "Sex") for s in ("M", "I"))
    np.testing.assert_array_equal(first, second)
    labels = MODEL.predict(without([None] * 10), "Sex")
    assert labels.tolist() == [SEX.categories[i] for i in first.argmax(1)]


def test_quantiles_are_where_the_model_has_that_share_below():
    laws = (Law((0.0, 1.0), missing=True, labels=True), REAL)
    numbers = model(Schema((OLD, LENGTH), gaps=True), laws)
    q = (0.05, 0.3, 0.5, 0.95)
    table = {"is old": np.array(["no", "yes", None], dtype=object)}
    found = numbers.predict_quantiles(table, "Length", q)
    drawn = [numbers.given({"is old": old}).sample_rows(4000, 0)[:, 1] for old in table["is old"]]
    for row, values in zip(found, drawn):
        for share, at in zip(q, row):
            # a value that is an atom is a step of the distribution function
            assert (values < at).mean() - 0.04 < share < (values <= at).mean() + 0.04
    means = numbers.predict(table, "Length")
    wide = numbers.predict_quantiles(table, "Length", tuple((np.arange(64) + 0.5) / 64))
    assert means == pytest.approx(wide.mean(1))


def test_quantiles_of_rows_one_by_one_are_those_of_all_together():
    rows = torch.tensor([[0.0, NAN, 1.0], [NAN, 2.0, 0.0], [2.0, 4.0, 1.0]]).numpy()
    table = MODEL.schema.decode(rows)
    together = MODEL.predict_quantiles(table, "Rings")
    each = [MODEL.predict_quantiles({n: v[i : i + 1] for n, v in table.items()}, "Rings")[0] for i in range(3)]
    np.testing.assert_allclose(together, np.stack(each))
    assert (np.diff(together, axis=1) >= 0).all()


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: MODEL.predict(TABLE, "Ring"), "did you mean 'Rings'"),
        (lambda: MODEL.predict_proba(TABLE, "Rings"), "holds numbers"),
        (lambda: MODEL.predict_quantiles(TABLE, "Sex"), "holds labels"),
        (lambda: MODEL.predict_quantiles(TABLE, "Rings", (0.0, 0.5)), "shares between 0 and 1"),
    ],
)
def test_what_does_not_fit_the_column_is_refused(ask, told):
    with pytest.raises(UsageError, match=told):
        ask()
