"""Networks on disk: one pair of functions saves and loads all of them.

A network's folder holds ``config.json``, a dataclass; ``weights.safetensors``, whose metadata say
what the weights were made for, so that a file that does not fit is refused; the vocabulary or the
codec, where the network has one; and whatever else its kind needs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, overload

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from models.nets.finite import refuse
from tasks.common.errors import UserError
from tasks.common.files import naming, open_as_others, place, write_text

WEIGHTS, CONFIG = "weights.safetensors", "config.json"

C = TypeVar("C")
W = TypeVar("W")
N = TypeVar("N", bound=nn.Module)


class Words(Protocol):
    """A vocabulary or a codec."""

    @property
    def digest(self) -> str: ...

    def save(self, path: Path) -> None: ...


def save_network(
    folder: Path,
    network: nn.Module,
    config: Any,
    facts: Mapping[str, Any],
    *,
    words: tuple[str, Words] | None = None,
    files: Mapping[str, str] | None = None,
) -> None:
    """Writes what :func:`load_network` reads.

    ``config``: a dataclass. ``facts``: what a loaded network must agree with, ``kind`` among them.
    ``words``: "vocabulary" or "codec" and the thing itself, stored as NAME.json, its digest being a
    fact more. ``files``: further files by name.
    """
    record = json.dumps(dataclasses.asdict(config), indent=1, ensure_ascii=False)
    for name, text in {CONFIG: record, **(files or {})}.items():
        write_text(folder / name, text)
    if words:
        name, vocabulary = words
        vocabulary.save(folder / f"{name}.json")
        facts = {**facts, name: vocabulary.digest}
    save_module(folder / WEIGHTS, network, facts)


@overload
def load_network(
    folder: Path,
    config: type[C],
    build: Callable[[C], tuple[N, Mapping[str, Any]]],
    *,
    stored: Callable[[N], nn.Module] = ...,
) -> tuple[N, C, None]: ...


@overload
def load_network(
    folder: Path,
    config: type[C],
    build: Callable[[C, W], tuple[N, Mapping[str, Any]]],
    *,
    words: tuple[str, Callable[[Path], W]],
    stored: Callable[[N], nn.Module] = ...,
) -> tuple[N, C, W]: ...


def load_network(
    folder: Path,
    config: type[Any],
    build: Callable[..., tuple[Any, Mapping[str, Any]]],
    *,
    words: tuple[str, Callable[[Path], Any]] | None = None,
    stored: Callable[[Any], nn.Module] = lambda network: network,
) -> tuple[Any, Any, Any]:
    """A network as :func:`save_network` left it, its config, and its vocabulary or codec: in fp32
    on the CPU, in eval mode, its parameters frozen.

    ``build``: config (and vocabulary or codec) -> a network of that shape and the facts that its
    file must agree with; ``words``: "vocabulary" or "codec" and what reads it; ``stored``: the part
    of the network that was saved. Raises ``UserError``, in one line, for a file that is missing,
    damaged or another's.
    """
    given = []
    if words:
        name, read = words
        given.append(_fitting(folder / f"{name}.json", lambda: read(folder / f"{name}.json")))
    settings = read_config(folder / CONFIG, config)
    network, facts = _fitting(folder / CONFIG, lambda: build(settings, *given))
    if words:
        facts = {**facts, words[0]: given[0].digest}
    load_module(folder / WEIGHTS, stored(network), facts)
    return network.eval().requires_grad_(False), settings, (given or [None])[0]


def _fitting(path: Path, make: Callable[[], C]) -> C:
    """``make()``, with a ``UserError``, in one line, that names the file from which it makes it."""
    try:
        return make()
    except UserError:
        raise
    except Exception as error:  # the libraries that build from it raise whatever they like
        raise unreadable(path, error) from None


def read_config(path: Path, cls: type[C]) -> C:
    """A JSON file as ``cls``: a dataclass (nested ones included), a list, a mapping. Raises
    ``UserError``, in one line, if it is missing, damaged or does not fit."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(cls).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise unreadable(path, f"{place}: {first['msg']}" if place else first["msg"]) from None
    except (OSError, ValueError, TypeError, OverflowError, UserError) as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: object) -> UserError:
    """One line for a file of which nothing can be made."""
    return UserError(f"cannot read {path}: {(str(error).splitlines() or ['damaged'])[0]}")


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> None:
    """Writes beside ``path`` and renames into place, so that a kill leaves the old file or none.
    Raises ``UserError`` naming ``path`` where the disk takes no more; nothing of it stays."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    try:
        save_file(contiguous, part, metadata={"meta": json.dumps(meta, sort_keys=True)})
        open_as_others(part)
        with naming(path):
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            place(part, path)
    except SafetensorError as error:
        raise UserError(f"cannot write {path}: {error}") from None
    finally:
        part.unlink(missing_ok=True)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and meta. Raises ``UserError`` for a missing, truncated or foreign file."""
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
            meta = json.loads((file.metadata() or {}).get("meta", "{}"))
    except (SafetensorError, OSError, ValueError, LookupError, RuntimeError) as error:
        raise UserError(f"damaged or missing weights {path}: {error}") from None
    return tensors, meta if isinstance(meta, dict) else {}


def save_module(path: Path, module: nn.Module, meta: Mapping[str, Any]) -> None:
    """Saves the parameters: matrices in bf16 (what decoding multiplies in anyway), the rest and
    everything named ``*embedding*`` in fp32 (rounding to words reads them at full precision)."""
    tensors = {
        name: t.to(torch.bfloat16)
        if t.is_floating_point() and t.dim() >= 2 and "embedding" not in name
        else t
        for name, t in module.state_dict().items()
    }
    write_tensors(path, tensors, meta)


def load_module(
    path: Path, module: nn.Module, expect: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Fills ``module`` in fp32 and returns the file's meta.

    ``expect``: meta entries that must be equal. Raises ``UserError`` naming the first difference,
    a missing or unexpected parameter, a shape that differs, or numbers that are not finite.
    """
    tensors, meta = read_tensors(path)
    for name, value in (expect or {}).items():
        if meta.get(name) != value:
            raise UserError(f"{path} was made for {name}={meta.get(name)!r}, not {value!r}")
    state = module.state_dict()
    if state.keys() != tensors.keys():
        odd = sorted(state.keys() ^ tensors.keys())[0]
        raise UserError(f"{path} does not fit this network: parameter '{odd}'")
    for name, tensor in tensors.items():
        refuse(name, tensor, path)
        if tensor.shape != state[name].shape:
            raise UserError(
                f"{path} does not fit this network: '{name}' is {tuple(tensor.shape)}, "
                f"expected {tuple(state[name].shape)}"
            )
    module.load_state_dict({name: t.to(state[name].dtype) for name, t in tensors.items()})
    return meta
