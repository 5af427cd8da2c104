"""Weights on disk: safetensors with the facts needed to refuse a file that does not fit."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from tasks.common.errors import UserError


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> None:
    """Writes beside ``path`` and renames into place, so that a kill leaves the old file or none."""
    part = path.with_name(path.name + ".part")
    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    save_file(contiguous, part, metadata={"meta": json.dumps(meta, sort_keys=True)})
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and meta. Raises ``UserError`` for a missing, truncated or foreign file."""
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
            return tensors, json.loads((file.metadata() or {}).get("meta", "{}"))
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise UserError(f"damaged or missing weights {path}: {error}") from None


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
    a missing or unexpected parameter, or a shape that differs.
    """
    tensors, meta = read_tensors(path)
    for name, value in (expect or {}).items():
        if meta.get(name) != value:
            raise UserError(f"{path} was made for {name}={meta.get(name)!r}, not {value!r}")
    own = module.state_dict()
    if own.keys() != tensors.keys():
        odd = sorted(own.keys() ^ tensors.keys())[0]
        raise UserError(f"{path} does not fit this network: parameter '{odd}'")
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise UserError(
                f"{path} does not fit this network: '{name}' is {tuple(tensor.shape)}, "
                f"expected {tuple(own[name].shape)}"
            )
    module.load_state_dict({name: t.to(own[name].dtype) for name, t in tensors.items()})
    return meta


def read_config(path: Path, cls: type) -> Any:
    """A config dataclass (nested ones included) from its JSON; ``UserError`` if it does not fit."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(cls).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UserError(f"cannot read {path}: {str(error).splitlines()[0]}") from None
