"""The bundled table: 4,177 abalones, their sex, seven measurements and rings (see ATTRIBUTION.md)."""

from __future__ import annotations

from importlib.resources import as_file, files

from fluvial.data.tables import Table, read

PATH = files(__name__) / "abalone.csv"
_LENGTH, _WEIGHT = "200 mm", "200 g"

UNITS = {
    **dict.fromkeys(("Length", "Diameter", "Height"), _LENGTH),
    **dict.fromkeys(("Whole weight", "Shucked weight", "Viscera weight", "Shell weight"), _WEIGHT),
    "Rings": "",
}


def load_abalone() -> tuple[Table, dict[str, str]]:
    """The table, and the unit of each measured column.

    >>> table, units = load_abalone()
    >>> len(table), table.names[:2], units["Length"]
    (4177, ('Sex', 'Length'), '200 mm')
    """
    with as_file(PATH) as path:
        return read(path), dict(UNITS)
