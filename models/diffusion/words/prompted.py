"""The network of masked words behind prompts, free of torch until it is trained: p(word | text,
control), and for some texts, whose prompt is emptied, p(word | text).

Shapes: B batch, L length of prompts and text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.diffusion.words.config import WordsConfig
from models.diffusion.words.masked import Bound
from models.diffusion.words.role import words_role
from tasks.common.ranges import share

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class PromptedConfig(WordsConfig):
    """The network of masked diffusion, for each task one that reads prompts."""

    #: share of training texts whose prompt is emptied, so that texts without a control are learnt
    drop: float = share(0.1)


class Dropping(Bound):
    """The bound of masked diffusion on -log p(words | prompt), some prompts emptied; held-out texts
    keep theirs."""

    config: PromptedConfig

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        import torch

        from models.diffusion.prompts import emptied

        ids, free = super().batch(step)
        return emptied(ids, torch.rand(len(ids)) < self.config.drop, self.mask), free

    def free(self, ids: Tensor, middle: Tensor | None, rng: torch.Generator | None) -> Tensor:
        """No token of a prompt is noised."""
        return super().free(ids, None, rng) & (ids < self.mask)


NETWORK = "masked_prompted"
PROMPTED = words_role(
    NETWORK,
    PromptedConfig,
    "models.diffusion.words.prompted:Dropping",
    title="masked diffusion behind prompts",
    bounds=False,
    prompts=True,
)
