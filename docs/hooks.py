"""Parts of the site that lie elsewhere in the project: model cards, benchmarks, changes, lessons, scripts."""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PLACES = ("dictionaries/*.md", "benchmarks/**/*.md", "CHANGELOG.md", "examples/*.py", "notebooks/*.ipynb")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them under the paths that they have in the project."""
    for place in PLACES:
        for path in sorted(ROOT.glob(place)):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Let the links of pages in docs/ lead to them, as they do in the project."""
    return markdown.replace("](../", "](") if "/" not in page.file.src_uri else markdown


def on_page_content(html: str, **_: Any) -> str:
    """Take out the roles that docstrings have before names, which Markdown does not know."""
    return re.sub(r":(class|func|meth|mod):(?=<code>)", "", html)
