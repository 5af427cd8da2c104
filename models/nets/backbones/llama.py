"""Llama (Touvron et al. 2023), as SmolLM and others have it: pretrained only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM

from models.nets.backbones.base import CausalLM
from models.nets.precision import matrix_dtype
from tasks.common.errors import UserError

#: where the longest sequence stands in a record, beside the library's own entry
POSITIONS = "n_positions"


class Llama(CausalLM):
    """A Llama. Its keys are rotated by their positions, and several heads may share one."""

    kind: ClassVar[str] = "llama"
    steerable: ClassVar[bool] = False
    gguf: ClassVar[bool] = True

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        config = dict(record[cls.kind])
        made = LlamaConfig(**{k: v for k, v in config.items() if k not in (POSITIONS, "dtype")})
        made._attn_implementation = "eager"  # see :func:`models.nets.backbones.gpt2.gpt2`
        return cls(LlamaForCausalLM(made))

    @classmethod
    def from_pretrained(cls, place: str, gguf_file: str | None, options: Mapping[str, Any]) -> Self:
        config = AutoConfig.from_pretrained(place, gguf_file=gguf_file, **options)
        model = cls.from_record({cls.kind: config.to_dict()})
        if gguf_file:
            model._fill_from_gguf(Path(place) / gguf_file)
        else:
            loaded = LlamaForCausalLM.from_pretrained(place, dtype=torch.float32, **options)
            model.network.load_state_dict(loaded.state_dict())
        return model

    @property
    def record(self) -> dict[str, Any]:
        return {self.kind: {**self.network.config.to_diff_dict(), POSITIONS: self.positions}}

    def served(self, device: torch.device) -> Self:
        """In bf16 where that is faster."""
        self.network.tie_weights()
        self.to(matrix_dtype(device))
        return super().served(device)

    def lengthen(self, positions: int) -> None:
        if positions > self.positions:
            raise UserError(
                f"a Llama of {self.positions} positions cannot be given {positions}: lower "
                "max_length"
            )

    def _fill_from_gguf(self, path: Path) -> None:
        """The weights of a GGUF file, whatever they are quantised to."""
        from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

        read = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=self.network)
        odd = self.network.load_state_dict(read["tensors"], strict=False)
        lacking = [k for k in odd.missing_keys if k != "lm_head.weight"]
        if lacking or odd.unexpected_keys:
            raise ValueError(f"{path} does not fit its own configuration")
        self.network.tie_weights()
