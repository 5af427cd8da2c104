"""The notebook of examples/ runs from its first cell to its last, and is stored without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "examples" / "first_morning.ipynb"


def test_it_is_stored_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) == 7
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    # where a user starts it, with a store of its own
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    printed = "".join(output.get("text", "") for output in code[1].outputs)
    rows = [line for line in printed.splitlines() if line.startswith(("diffusion_lm", "fudge"))]
    assert len(rows) == 9 and sum("9 words" in row for row in rows) == 6
    tables = [code[i].outputs[-1].data for i in (2, 3, 4, 5)]
    assert all("<table" in table["text/html"] for table in tables)
    for method in ("diffusion_lm", "fudge", "ft_sample", "human text"):
        assert method in tables[-1]["text/html"]
    assert any("image/png" in output.get("data", {}) for output in code[-1].outputs)
