"""Pretrained networks: where they lie, and causal ones behind the names of GPT-2."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tasks.common.errors import UserError

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

GGUF = ".gguf"


def located(name: str) -> str:
    """What transformers loads ``name`` from: a local path or hub id as it is, and ``PACKAGE/PATH``
    of an installed Python package that carries its model as that path."""
    package, _, rest = name.partition("/")
    if Path(name).exists() or not rest or not package.isidentifier():
        return name
    found = importlib.util.find_spec(package)
    for place in (found.submodule_search_locations or ()) if found else ():
        if (Path(place) / rest).exists():
            return str(Path(place) / rest)
    return name


def source(name: str) -> tuple[str, dict[str, str]]:
    """What ``from_pretrained`` takes: a place, and the file in it where that is a GGUF file.

    Raises ``UserError`` for a GGUF file that is not there; no hub is asked for one.
    """
    place = located(name)
    if not place.endswith(GGUF):
        return place, {}
    if not Path(place).is_file():
        raise missing_pretrained(name, FileNotFoundError("there is no such file"))
    return str(Path(place).parent), {"gguf_file": Path(place).name}


def missing_pretrained(name: str, error: Exception) -> UserError:
    """One line for a pretrained model that is neither a local path nor on the hub."""
    return UserError(
        f"pretrained model '{name}' is not available ({str(error).splitlines()[0]}): name a local "
        "folder with its weights and tokenizer, install the package that carries it, or leave it "
        "empty to train from scratch"
    )


def load_tokenizer(name: str) -> Any:
    """Raises ``UserError`` if there is none."""
    from transformers import AutoTokenizer

    place, more = source(name)
    try:
        return AutoTokenizer.from_pretrained(place, **more)
    except (OSError, ValueError, ImportError) as error:
        raise missing_pretrained(name, error) from None


def load_causal(name: str) -> GPT2LMHeadModel:
    """A pretrained GPT-2, or a Llama that answers to GPT-2's names, in fp32.

    Raises ``UserError`` if it cannot be had or is of another kind.
    """
    from transformers import AutoConfig, GPT2LMHeadModel, LlamaForCausalLM

    place, more = source(name)
    try:
        config = AutoConfig.from_pretrained(place, **more)
        if config.model_type == "gpt2" and not more:
            return GPT2LMHeadModel.from_pretrained(
                place, attn_implementation="eager", dtype=torch.float32
            )
        if config.model_type != "llama":
            raise UserError(
                f"pretrained model '{name}' is a {config.model_type}; gpt2 and llama are known, "
                "of GGUF files llama"
            )
        model = llama(config.to_dict())
        if more:
            _fill_from_gguf(model, Path(located(name)))
        else:
            loaded = LlamaForCausalLM.from_pretrained(place, dtype=torch.float32)
            model.load_state_dict(loaded.state_dict())
        return model
    except (OSError, ValueError, ImportError) as error:
        raise missing_pretrained(name, error) from None


def llama(config: dict[str, Any]) -> Any:
    """A Llama of that configuration, fp32, whose body and longest sequence have GPT-2's names, by
    which the methods find them."""
    from transformers import LlamaConfig, LlamaForCausalLM

    class NamedLlama(LlamaForCausalLM):
        @property
        def transformer(self) -> Any:
            return self.model

    made = LlamaConfig(**{k: v for k, v in config.items() if k not in ("n_positions", "dtype")})
    made._attn_implementation = "eager"  # see :func:`models.nets.causal.gpt2`
    model = NamedLlama(made)
    model.config.n_positions = made.max_position_embeddings
    return model


def _fill_from_gguf(model: Any, path: Path) -> None:
    """The weights of a GGUF file, whatever they are quantised to."""
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    found = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model)["tensors"]
    odd = model.load_state_dict(found, strict=False)
    lacking = [k for k in odd.missing_keys if k != "lm_head.weight"]
    if lacking or odd.unexpected_keys:
        raise ValueError(f"{path} does not fit its own configuration")
    model.tie_weights()
