"""What the figures of all reports share."""

from __future__ import annotations

import pytest

from fluvial.examine.drawing import blank, finish
from fluvial.examine.page import picture

TITLE = "Pairs of columns: correlations differ by 0.36 at most, and the widest of the columns is 12.3 % apart"


@pytest.mark.parametrize("width", [3.0, 5.0, 10.0])
def test_a_title_fits_its_figure_and_reads_as_one_line(width: float):
    figure, _ = blank(width, 3.0)
    finish(figure, TITLE)
    figure.draw_without_rendering()
    (title,) = figure.texts
    assert title.get_window_extent().x1 <= figure.bbox.x1
    assert picture(figure).title == TITLE
