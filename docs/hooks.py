"""Add pages that are outside docs/ to the site: model cards, benchmarks, changes, lessons, scripts."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PLACES = ("dictionaries/*.md", "benchmarks/**/*.md", "CHANGELOG.md", "examples/*.py", "notebooks/*.ipynb")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add these pages under the paths that they have in the project."""
    for place in PLACES:
        for path in sorted(ROOT.glob(place)):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Rewrite links out of docs/ to where the pages are on the site."""
    return markdown.replace("](../", "](") if "/" not in page.file.src_uri else markdown


def on_page_content(html: str, **_: Any) -> str:
    """Remove the Sphinx roles of docstrings, which Markdown does not know."""
    return re.sub(r":(class|func|meth|mod):(?=<code>)", "", html)
