"""Any causal language model that the library knows: pretrained, and sampled from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from models.nets.backbones.base import CausalLM
from tasks.common.errors import UserError


class Other(CausalLM):
    """Of which nothing is known but what all have in common."""

    kind: ClassVar[str] = "other"
    steerable: ClassVar[bool] = False

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        values = {k: v for k, v in record[cls.kind].items() if k != "dtype"}
        config = AutoConfig.for_model(values.pop("model_type"), **values)
        # see :func:`models.nets.backbones.gpt2.gpt2`
        return cls(AutoModelForCausalLM.from_config(config, attn_implementation="eager"))

    @classmethod
    def from_pretrained(cls, place: str, gguf_file: str | None, options: Mapping[str, Any]) -> Self:
        form: dict[str, Any] = {"attn_implementation": "eager", "dtype": torch.float32}
        model = AutoModelForCausalLM.from_pretrained(place, **form, **options)
        if getattr(model.config, "max_position_embeddings", None) is None:
            raise ValueError(f"a {model.config.model_type} has no number of positions")
        return cls(model)

    @property
    def record(self) -> dict[str, Any]:
        return {self.kind: self.network.config.to_dict()}

    def lengthen(self, positions: int) -> None:
        if positions > self.positions:
            raise UserError(
                f"a network of {self.positions} positions cannot be given {positions}: lower "
                "max_length"
            )
