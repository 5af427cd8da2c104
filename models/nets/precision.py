"""Where bf16 matrix products pay, and how a row's result is kept apart from the rows beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

#: matrix products with fewer rows may take another kernel, with another order of summation
LEAST_ROWS = 8
#: a call with fewer tokens than 12 in all its rows takes other fp32 kernels on a CPU, with another
#: order of summation (measured at widths of 32 to 768)
LEAST_TOKENS = 16


def matrix_dtype(device: torch.device) -> torch.dtype:
    """bf16 where the hardware multiplies it natively (four times as fast as fp32 on a CPU with
    AVX512-BF16, measured), else fp32: emulated bf16 is slower than fp32."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def product_dtype(kind: str, otherwise: torch.dtype) -> torch.dtype:
    """That of autocast on devices of ``kind``, where it is on."""
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else otherwise


def pad_rows(x: Tensor) -> Tensor:
    """x (B, ...) with rows of zeros up to ``LEAST_ROWS``: a product of so many rows gives each row
    the same result whatever B is. Slice the result back to B rows."""
    lacking = LEAST_ROWS - len(x)
    return x if lacking <= 0 else torch.cat([x, x.new_zeros(lacking, *x.shape[1:])])


def by_token(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``network`` of each token of x (..., D), in a call of at least ``LEAST_TOKENS`` of them."""
    flat = x.flatten(0, -2)
    lacking = LEAST_TOKENS - len(flat)
    if lacking <= 0:
        return network(x)
    output = network(torch.cat([flat, flat.new_zeros(lacking, x.shape[-1])]))
    return output[: len(flat)].view(*x.shape[:-1], -1)


@contextmanager
def flushing() -> Iterator[None]:
    """Numbers below 1.2e-38 count as 0 inside, in this thread and those that it starts.

    A CPU takes some two hundred times as long over a product of them, and gradients through a
    softmax that has made up its mind are full of them: a training took 0.83 s a step with them and
    0.36 without, growing as it learned.
    """
    if float(torch.tensor(1e-37) * 0.01) == 0:  # they do already
        yield
        return
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
