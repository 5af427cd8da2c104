"""Checkpoints of training: a tensor file with a digest of all that is in it.

A checkpoint that is damaged, or holds numbers that are not finite, is put aside under another name
and never read again: training would go on from other weights, or stop at it for ever.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.nets.artefact import read_tensors, write_tensors
from models.nets.finite import refuse
from tasks.common.errors import UserError
from tasks.common.files import DAMAGED, canonical

NAME = "checkpoint.safetensors"
DIGEST = "digest"

Tensors = Mapping[str, Tensor]


def write(path: Path, tensors: Tensors, meta: Mapping[str, Any]) -> None:
    """Tensors and meta, JSON, with their digest. A kill leaves the checkpoint of before or none."""
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_tensors(path, kept, {**meta, DIGEST: _digest(kept, meta)})


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`write` wrote. Raises ``UserError`` for a file that is damaged or cut, and for a
    tensor that is not finite. (One without a digest, of before there were any, is read.)"""
    tensors, meta = read_tensors(path)
    stored = meta.pop(DIGEST, None)
    if stored is not None and stored != _digest(tensors, meta):
        raise UserError(f"damaged checkpoint {path}: it is not what its digest says")
    for name, tensor in tensors.items():
        refuse(name, tensor, path)
    return tensors, meta


def put_aside(path: Path) -> Path:
    """Renames a damaged file, out of the way of the next one: its new place."""
    number, place = 1, path.with_name(path.name + DAMAGED)
    while place.exists():
        number += 1
        place = path.with_name(f"{path.name}{DAMAGED}-{number}")
    os.replace(path, place)
    return place


def _digest(tensors: Tensors, meta: Mapping[str, Any]) -> str:
    sha = hashlib.sha256(canonical(json.loads(json.dumps(meta))).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        # a view of the bytes, whatever the type: a scalar has no last axis to view
        data: Any = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
        sha.update(data)
    return sha.hexdigest()
