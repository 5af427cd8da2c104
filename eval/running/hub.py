"""Artefacts to and from a model hub: the folder of an artefact is nearly a repository already.

What goes is what the artefact was sealed with and a model card; what comes is taken if it is what
its digests say, under the key that follows from its spec, where the store finds it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eval.running.config import RunConfig, check_folder
from eval.running.model_card import CARD, model_card
from eval.running.plan import Plan
from eval.running.roles import roles
from eval.running.store import DIGESTS, SPEC, Store, read_digests, read_spec, verify
from tasks.common.errors import UserError

#: kinds that hold texts of a corpus, or are quickly read off one: they are not published
LEFT_OUT = ("corpus", "vocabulary", "parses", "tags")


def find(artefact: str, config: RunConfig) -> Path:
    """The folder of an artefact: itself, or the role (``diffusion``, ``classifier:length``) that it
    has under these settings. Raises ``UserError`` for a role that nothing brings, or that is of a
    task and names none, and for an artefact that is not built."""
    if Path(artefact).is_dir():
        return Path(artefact)
    name, _, task = artefact.partition(":")
    role = roles().get(name)
    if role is None:
        if os.sep in artefact:
            raise UserError(f"artefact={artefact}: there is no such folder")
        raise UserError(f"artefact={artefact}: no folder, and no role of {', '.join(roles())}")
    if role.per_task and not task:
        raise UserError(f"artefact={artefact}: there is one for each task, as {artefact}:length")
    wanted = Plan(config).role(artefact)
    folder = store_of(config).find(wanted.key)
    if folder is None:
        raise UserError(f"{wanted.key} is not built yet: run python -m eval.run first")
    return folder


def store_of(config: RunConfig) -> Store:
    """Where the settings look for artefacts."""
    return Store(Path(config.store), [Path(p) for p in config.prebuilt.split(",") if p])


def push(
    folder: Path,
    repo: str,
    *,
    private: bool = False,
    revision: str | None = None,
    message: str = "",
    license: str = "apache-2.0",
    places: Sequence[Path] = (),
) -> str:
    """Uploads an artefact with its model card, making the repository where there is none; its
    address. ``places``: see :func:`eval.running.model_card.model_card`.

    The hub and the account are those of huggingface_hub (``HF_ENDPOINT``, ``HF_TOKEN``, ``hf auth
    login``). Raises ``UserError``, before anything is sent, for a folder that is no whole artefact,
    has links, or holds texts of a corpus; and for whatever the hub refuses.
    """
    folder = folder.absolute()
    verify(folder)
    spec = read_spec(folder)
    if spec.kind in LEFT_OUT:
        raise UserError(
            f"{folder.name} holds texts of a corpus, or is read off one in seconds: it is not "
            "published"
        )
    Store(folder.parent).refuse_links(folder.name)
    with tempfile.TemporaryDirectory(prefix="control-bench-") as temporary:
        part = Path(temporary)
        for name in (SPEC, DIGESTS, *read_digests(folder)):
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, part / name)
        (part / CARD).write_text(model_card(folder, repo, license, places), encoding="utf-8")
        with asking(repo, revision):
            from huggingface_hub import HfApi

            hub = HfApi()
            hub.create_repo(repo, private=private, exist_ok=True)
            if revision is not None:
                hub.create_branch(repo, branch=revision, exist_ok=True)
            hub.upload_folder(
                repo_id=repo,
                folder_path=part,
                revision=revision,
                commit_message=message or spec.key,
            )
            return f"{hub.endpoint}/{repo}"


def pull(repo: str, into: Path, revision: str | None = None) -> Path:
    """The folder of an artefact in the store ``into``, fetched from a hub's repository or copied
    from a local folder (which stands as it is where it lies under its key). ``revision``: a branch,
    a tag or a commit.

    Raises ``UserError`` for a repository that is not there, holds no artefact, or whose files are
    not what their digests say; nothing of it stays then.
    """
    place = Path(repo)
    if place.is_dir() and place.name == _key(place, repo):
        verify(place)
        return place
    check_folder("into", into)
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pulling-", dir=into) as temporary:
        part = Path(temporary) / "part"
        part.mkdir()
        if place.is_dir():
            _copied(place, part, repo)
        else:
            _fetched(repo, part, revision)
        key = _key(part, repo)
        whole = part.rename(Path(temporary) / key)
        shutil.rmtree(whole / ".cache", ignore_errors=True)  # of the download
        _whole(whole, repo)
        found = into / key
        if found.is_dir():  # it was there
            _whole(found, str(found))
        else:
            os.replace(whole, found)
    return found


def _key(folder: Path, repo: str) -> str:
    try:
        return read_spec(folder).key
    except UserError as error:
        raise UserError(f"repo={repo} holds no artefact: {error}") from None


def _whole(folder: Path, repo: str) -> None:
    try:
        verify(folder)
    except UserError as error:
        reason = str(error).partition(": delete the folder")[0]
        raise UserError(f"repo={repo} is damaged: {reason}") from None


def _copied(folder: Path, part: Path, repo: str) -> None:
    for name in (SPEC, DIGESTS, *_sealed(folder, repo)):
        source = folder / name
        if source.is_symlink() or not source.is_file():
            raise UserError(f"repo={repo}: {name} is missing, or a link")
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part / name)


def _fetched(repo: str, part: Path, revision: str | None) -> None:
    """The files that the artefact was sealed with and no others, all of one commit."""
    with asking(repo, revision):
        from huggingface_hub import HfApi

        hub = HfApi()
        # no second commit can come between two files
        commit = hub.model_info(repo, revision=revision).sha

        def fetch(*names: str) -> None:
            for name in names:
                hub.hf_hub_download(repo, name, revision=commit, local_dir=part)

        fetch(SPEC, DIGESTS)
        fetch(*_sealed(part, repo))


def _sealed(folder: Path, repo: str) -> list[str]:
    try:
        return list(read_digests(folder))
    except UserError as error:
        raise UserError(f"repo={repo} holds no artefact: {error}") from None


@contextmanager
def asking(repo: str, revision: str | None = None) -> Iterator[None]:
    """What goes wrong with a hub as a ``UserError`` in one line."""
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    try:
        yield
    except errors.HFValidationError as error:
        raise UserError(f"repo={repo}: {_line(error)}") from None
    except errors.RevisionNotFoundError:
        raise UserError(f"repo={repo}: {hub} has no revision '{revision}' of it") from None
    except errors.EntryNotFoundError as error:
        raise UserError(f"repo={repo} holds no artefact: {_line(error)}") from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"repo={repo}: {hub} has none, or none that this account may read (hf auth login, or "
            "HF_TOKEN)"
        ) from None
    except (errors.HfHubHTTPError, errors.LocalTokenNotFoundError, ValueError) as error:
        raise UserError(f"repo={repo}: {hub} refuses: {_line(error)}") from None
    except UserError:
        raise
    except Exception as error:  # the client below raises errors of its own, by whatever name
        raise UserError(f"repo={repo}: cannot reach {hub}: {_line(error)}") from None


def _line(error: Any) -> str:
    """The line of an error that says what is wrong."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()]
    return said[-1] if said else type(error).__name__
