"""Files, frames and arrays -> numbers and a schema, and back."""

from fluvial.data.abalone import load_abalone
from fluvial.data.columns import Column
from fluvial.data.derived import Derived
from fluvial.data.files import write
from fluvial.data.forms import as_kind
from fluvial.data.infer import infer
from fluvial.data.schema import Encoded, Schema
from fluvial.data.tables import Table, read

__all__ = [
    "Column",
    "Derived",
    "Encoded",
    "Schema",
    "Table",
    "as_kind",
    "infer",
    "load_abalone",
    "read",
    "write",
]
