"""Artefacts to and from a model hub, in Python (``python -m eval.hub`` does the same)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from control_bench.asked import keys
from eval.running.command import parse
from eval.running.hub import find, pull, push


def push_to_hub(
    artefact: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str = "",
    license: str = "apache-2.0",
    **settings: Any,
) -> str:
    """Uploads a trained artefact with a model card and returns its address.

    ``artefact``: its folder, or a role (``"diffusion"``, ``"classifier:length"``) under
    ``settings``, the keys of the command line (``preset="small"``, ``data="DIR"``). ``private``: of
    a repository that is made now. Hub and account are those of ``huggingface_hub``. Raises
    ``UserError`` for a folder that is no whole artefact, a corpus, and whatever the hub refuses.
    """
    config = parse([f"{key}={text}" for key, text in keys(settings)])
    return push(
        find(str(artefact), config),
        repo_id,
        private=private,
        revision=revision,
        message=message,
        license=license,
        places=[Path(config.store)],
    )


def from_pretrained(
    repo_id_or_folder: str | Path, *, revision: str | None = None, into: str | Path = ".store"
) -> Path:
    """Fetches an artefact from a hub, or takes it from a local folder, holds it to its digests, and
    returns its folder in the store ``into``, where what is loaded with that ``store=`` (or
    ``prebuilt=``) finds it. Raises ``UserError`` for a repository that is missing, holds no
    artefact or is damaged; nothing of it stays then."""
    return pull(str(repo_id_or_folder), Path(into), revision)
