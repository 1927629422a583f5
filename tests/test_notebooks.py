import asyncio
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from nmfaudio.compute.threads import n_cores

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


async def run(path, cores):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # pictures in the notebook
    env["OPENBLAS_NUM_THREADS"] = "1"
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": path.parent}})
    async with cores:
        await client.async_execute(env=env)
    return notebook


@pytest.fixture(scope="module")
def executed(request):
    """Notebooks that are tested, with their outputs, or what went wrong; as many run at a time as there are cores."""
    paths = [item.callspec.params["path"] for item in request.session.items if "executed" in item.fixturenames]

    async def run_all():
        cores = asyncio.Semaphore(min(n_cores(), 4))
        return await asyncio.gather(*(run(path, cores) for path in paths), return_exceptions=True)

    return dict(zip(paths, asyncio.run(run_all()), strict=True))


@pytest.mark.needs_jit
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_and_plays(executed, path):
    notebook = executed[path]
    if isinstance(notebook, Exception):
        raise notebook
    outputs = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in data for data in outputs)
    assert any("<audio" in data.get("text/html", "") for data in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs") and not cell.get("execution_count")
