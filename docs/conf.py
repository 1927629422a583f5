"""Settings of the documentation's site: `sphinx-build -c docs . site` in the project's folder."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

import nmfaudio

project = "nmfaudio"
html_title = f"nmfaudio {nmfaudio.__version__}"
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "notebooks/*.ipynb",
    "dictionaries/*.md",
    "benchmarks/**.md",
    "examples/*.md",
    "CHANGELOG.md",
]
exclude_patterns = [".*", "build", "dist", "site"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "sphinx_copybutton"]

html_theme = "furo"
html_theme_options = {"top_of_page_buttons": []}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = [("players.js", {"defer": "defer"})]
templates_path = ["templates"]
html_additional_pages = {"index": "to_start.html"}  # the start page is docs/index.html
html_math_renderer = "mathml"
copybutton_prompt_text = ">>> "

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

default_role = "code"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    "special-members": "__call__",
    "exclude-members": "set_fit_request, set_transform_request, set_score_request, set_partial_fit_request",
}
add_module_names = False
numpydoc_show_class_members = False


def setup(app: Sphinx) -> None:
    """Write formulas as MathML, which browsers draw without a script."""

    def renderer(display: str):
        def visit(translator: HTML5Translator, node: nodes.Element) -> None:
            translator.body.append(convert(node.astext(), display=display))
            raise nodes.SkipNode

        return visit, None

    app.add_html_math_renderer("mathml", renderer("inline"), renderer("block"))
