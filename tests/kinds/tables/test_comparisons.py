"""Events in words: comparisons and nothing else, whatever is typed."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny import NAN, SCHEMA

from fluvial.core.errors import UsageError
from fluvial.kinds.tables.comparisons import Comparison, Limits, read_event
from fluvial.kinds.tables.conditions import encode

NAMES = ("Rings", "Sex", "is old", "größe", "a`b")
ROWS = {
    "Rings": np.array([0.0, 3.0, 5.0, NAN]),
    "Sex": np.array([0.0, 1.0, NAN, 2.0]),
    "is old": np.array([1.0, 0.0, 1.0, 0.0]),
    "größe": np.array([0.5, -1.0, 2.0, 2.5]),
    "a`b": np.zeros(4),
}


def reads(text: str) -> Comparison:
    def value(name: str, typed: object) -> float:
        if name in ("größe", "a`b"):
            if isinstance(typed, str):
                raise UsageError(f"{name} holds numbers")
            return float(typed)  # pyright: ignore
        return encode(SCHEMA, name, typed)

    return read_event(text, NAMES, frozenset({"Sex", "is old"}), value)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("Rings > 3", [0, 0, 1, 0]),
        ("3 < Rings", [0, 0, 1, 0]),
        ("not Rings > 3", [1, 1, 0, 0]),
        ("Rings != 3", [1, 0, 1, 0]),
        ("0 < Rings <= 5 and größe < 1", [0, 1, 0, 0]),
        ("Sex == 'M' or Sex == \"I\"", [0, 1, 0, 1]),
        ("Sex in ['F', 'M']", [1, 1, 0, 0]),
        ("Sex not in ('F', 'M')", [0, 0, 0, 1]),
        ("Rings is None", [0, 0, 0, 1]),
        ("Sex is not None", [1, 1, 0, 1]),
        ("`is old` == 'yes'", [1, 0, 1, 0]),
        ("größe * 2 + 1 >= Rings / 2", [1, 0, 1, 0]),
        ("größe > -1", [1, 0, 1, 1]),
        ("-größe > 0", [0, 1, 0, 0]),
        ("Rings / 0 > 1", [0, 1, 1, 0]),
    ],
)
def test_a_comparison_holds_where_it_is_true_and_never_of_a_missing_cell(text, holds):
    found = reads(text)
    assert found.text == text
    assert found.holds(ROWS).tolist() == [bool(h) for h in holds]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Rings",
        "1 < 2",
        "'x' < 3",
        '"M" == "M"',
        "Sex > 'F'",
        "Sex == Rings",
        "Sex == `is old`",
        "-Sex == 1",
        "Sex + 1 == 2",
        "Sex == 'Q'",
        "Rings == 'many'",
        "Rings is 3",
        "None is Rings",
        "Rings in 3",
        "Rings in []",
        "Rings in [größe]",
        "Ring > 3",
        "Rings ** 2 > 4",
        "Rings > 1j",
        "Rings > 3; größe > 1",
        "Rings > 3 if größe > 1 else größe > 2",
        "__import__('os').system('true')",
        "Rings.real > 3",
        "Rings[0] > 3",
        "(lambda: Rings)() > 3",
        "[r for r in Rings] == 3",
        "(Rings := 3) > 2",
        "f'{Rings}' == 'x'",
        "größe + 1" + "0" * 400 + " > 3",
        "größe > 1" + "0" * 5000,
        "not " * 3000 + "Rings > 3",
        "(" * 500 + "Rings > 3" + ")" * 500,
        "größe" + " + 1" * 400 + " > 3",
        "x" * 20_000,
        "Rings > 3 \0",
    ],
)
def test_all_else_gets_a_sentence(text):
    with pytest.raises(UsageError):
        reads(text)


TOKENS = (
    *("Rings", "Sex", "größe", "`is old`", "`", "ﬁ", "'M'", "'F", '"', "1", "-2.5", "1e999", "None", "True", "_0"),
    *("<", ">=", "==", "!=", "in", "not in", "is", "and", "or", "not", "(", ")", "[", "]", ",", "+", "*", "/", "-"),
    *("lambda:", "print(1)", ".real", "if", "else", "for", ":=", "__import__('os')", "\\", "\n", "#", ";"),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(TOKENS), max_size=9).map(" ".join)))
@example("1/0 > Rings")
@example("Rings > 3 #")
def test_whatever_is_typed_is_a_comparison_or_gets_a_sentence(text):
    try:
        found = reads(text)
    except UsageError:
        return
    holds = found.holds(ROWS)
    assert holds.shape == (4,)
    assert holds.dtype == bool
    if found.limits is not None:  # two ways to say the same
        kept = [[limits.hold(v) for v in ROWS[name]] for name, limits in found.limits.items()]
        assert holds.tolist() == np.logical_and.reduce(kept).tolist()


def test_nothing_is_run(tmp_path):
    mark = tmp_path / "ran"
    for text in (f"open({str(mark)!r}, 'w') == 1", f"Rings > open({str(mark)!r}, 'w').write('x')"):
        with pytest.raises(UsageError, match="no place here"):
            reads(text)
    assert not mark.exists()


def test_backquotes_inside_a_label_are_part_of_it():
    with pytest.raises(UsageError, match="no label 'a`M`b'"):
        reads("Sex == 'a`M`b'")
    with pytest.raises(UsageError, match="no column '_0'"):
        reads("`is old` == 'yes' and _0 == 1")


def test_limits_meet():
    found = reads("Rings > 1 and Rings <= 3 and Sex in ['F', 'M'] and Sex == 'M'")
    assert found.limits == {"Rings": Limits(1, 3, low_open=True), "Sex": Limits(among=frozenset([1.0]))}
    assert reads("Rings > 1 or Rings < 0").limits is None
    assert reads("Rings != 1").limits is None
