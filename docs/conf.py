"""Sphinx configuration: MyST pages whose code cells are executed, and formulas as MathML, which browsers show."""

import latex2mathml.converter
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

import fluvial

project = "fluvial"
author = "the fluvial authors"
copyright = author
release = fluvial.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "fluvial"
html_static_path = ["_static"]
html_css_files = ["fluvial.css"]
html_math_renderer = "mathml"
exclude_patterns = ["_build", "jupyter_execute"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 3600  # only what hangs for ever: no machine is too slow
autodoc_mock_imports = ["imblearn"]  # of FlowSampler: one package less to build the pages with
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
maximum_signature_line_length = 100
suppress_warnings = ["myst.xref_missing", "docutils", "ref.python"]  # the last: names that two rooms have


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(latex2mathml.converter.convert(node.astext()))
    raise nodes.SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(latex2mathml.converter.convert(node.astext(), display="block"))
    raise nodes.SkipNode


def sentence(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Keep an attribute's docstring whole: napoleon makes a type of what precedes a colon in its first line."""
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]  # an empty comment


def requests(app: Sphinx, what: str, name: str, thing: object, skip: bool, options: object) -> bool | None:
    """Leave out the methods that scikit-learn writes into its estimators, with references into its own pages."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app: Sphinx) -> None:
    app.connect("autodoc-skip-member", requests)
    app.connect("autodoc-process-docstring", sentence, priority=400)  # before napoleon
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
