"""Step-unrolled denoising autoencoders (SUNDAE, Savinov et al. 2022): no schedule and no time.

Shapes: B batch, L length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordsConfig, WordsSettings
from models.diffusion.words.method import WordDiffusion
from models.diffusion.words.objective import WordsObjective
from models.diffusion.words.role import words_role
from tasks.common.errors import UserError
from tasks.common.ranges import ranged

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class SundaeConfig(WordsConfig):
    #: denoising steps of a training text, each from what the one before drew (section 2.2)
    unrolled: int = ranged(2, least=1, most=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.time:
            raise UserError("unrolled denoising has no time that a network could be told")


class Unrolled(WordsObjective[SundaeConfig]):
    """Cross-entropy of all words, from words of which a share drawn uniformly is replaced, and from
    the network's own draws (equation 4); no gradient goes through a draw."""

    def nats(self, ids: Tensor, free: Tensor, rng: torch.Generator | None) -> Tensor:
        import torch
        from torch.nn import functional as F

        from models.diffusion.words.noise import by_row, hit, replaced, spread_times
        from models.nets.decoding import draw

        share = spread_times(len(ids), rng, 0.0)
        device, words = self.module.device, self.words.to(self.module.device)
        clean, where = ids.to(device), free.to(device)
        x = replaced(ids, hit(free, share, rng), self.words, rng).to(device)
        total = torch.zeros(len(ids), device=device)
        for _ in range(self.config.unrolled):
            logits = self.module(x, None, where)[:, : self.mask]
            nll = F.cross_entropy(logits, clean[where], reduction="none")
            total = total + by_row(nll, where) / self.config.unrolled
            u = torch.rand(len(nll), dtype=torch.float64, generator=rng).to(device)
            x = clean.masked_scatter(where, words[draw(logits.detach()[:, words], u)])
        return total


@dataclass(frozen=True)
class SundaeSettings(WordsSettings):
    #: share of the words that a step draws again
    share: float = ranged(0.3, above=0, most=1)


SUNDAE = words_role(
    "unrolled",
    SundaeConfig,
    "models.sundae:Unrolled",
    title="SUNDAE",
    bounds=False,
    passes=SundaeConfig().unrolled,
)
CARD = WordsCard(
    "sundae",
    "models.sundae:Sundae",
    label="SUNDAE",
    paper="Savinov et al. 2022, Step-unrolled Denoising Autoencoders for Text Generation",
    order=76,
    Settings=SundaeSettings,
    brings=(SUNDAE, CLASSIFIER),
    network=SUNDAE.name,
)


class Sundae(WordDiffusion):
    card: ClassVar[WordsCard] = CARD

    def process(self, free: Tensor) -> Any:
        from models.diffusion.words.chains import Redraw
        from models.diffusion.words.frame import word_ids

        words = word_ids(self.decoder.reader.words)
        return Redraw(self.settings.steps, words, self.settings.share)
