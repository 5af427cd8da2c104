"""What a wheel brings beside the code (tasks/common/shipped.py finds it): the paper's numbers, the
figures of speed, the demo's results, and the networks that made and judged these."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RESULTS = Path("results")
PREBUILT, DEMO = RESULTS / "prebuilt", RESULTS / "demo"
#: under the package, in the wheel
SHIPPED, LEFT_OUT = Path("control_bench/shipped"), "left-out.txt"
#: of a result set, what is drawn from the rest of it in seconds
DRAWN = ("figures", "tables")


def demo_networks() -> set[str]:
    """The names of the networks that the stored cells of the demo were made and judged with."""
    names: set[str] = set()
    for path in DEMO.rglob("config.json"):
        cell = json.loads(path.read_text(encoding="utf-8"))
        names.update(cell.get("identity", {}).get("artefacts", {}).values())
        names.update(cell.get("judges", {}).values())
    return {path.name for path in PREBUILT.iterdir()} & names


def files() -> Iterator[Path]:
    """Every file of ``results/`` that the wheel holds."""
    networks = demo_networks()
    if not networks:
        raise SystemExit("results/ is incomplete: build from a clone or a source distribution")
    yield from sorted(RESULTS.glob("*.json"))
    for path in sorted(DEMO.rglob("*")):
        if path.is_file() and path.relative_to(DEMO).parts[0] not in DRAWN:
            yield path
    for name in sorted(networks):
        yield from (path for path in sorted((PREBUILT / name).rglob("*")) if path.is_file())


class BuildWithResults(build_py):
    """Fills ``control_bench/shipped`` of what is built; a checkout keeps reading ``results/``."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in files():
            target = Path(self.build_lib) / SHIPPED / path.relative_to(RESULTS)
            self.mkpath(str(target.parent))
            self.copy_file(str(path), str(target))
        left = {path.name for path in PREBUILT.iterdir() if path.is_dir()} - demo_networks()
        note = Path(self.build_lib) / SHIPPED / LEFT_OUT
        note.write_text("".join(f"{name}\n" for name in sorted(left)), encoding="utf-8")

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *map(str, files())]


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithResults})
