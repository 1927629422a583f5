"""What the benchmarks of speed share: tables in Markdown, and their place in a page."""

from pathlib import Path


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def write(path, name, text):
    """Put the text between the comments ``<!-- name -->`` and ``<!-- end -->`` of a page, or begin a page with it."""
    path, begin, end = Path(path), f"<!-- {name} -->", "<!-- end -->"
    before, after = "", ""
    if path.exists():
        page = path.read_text()
        before, found, rest = page.partition(begin)
        if found:
            after = rest.partition(end)[2]
        else:
            before, after = page + "\n", "\n"
    path.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
