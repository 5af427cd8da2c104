"""Masked words decided by confidence: MaskGIT (Chang et al. 2022), Mask-Predict (Ghazvininejad et
al. 2019), and the orders of LLaDA and Dream (Nie et al. 2025; Ye et al. 2025).

They decode the network of masked diffusion, whose training covers every share of masks. Shapes: B
batch, L length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from models.diffusion.words.card import CLASSIFIER, WordsCard
from models.diffusion.words.config import WordsSettings
from models.diffusion.words.masked import MASKED, NETWORK
from models.diffusion.words.method import WordDiffusion
from tasks.common.ranges import ranged

if TYPE_CHECKING:
    from torch import Tensor

    from models.diffusion.words.orders import Decided


@dataclass(frozen=True)
class MaskGITSettings(WordsSettings):
    steps: int = ranged(24, least=1, most=10**6)
    #: the surest words are kept, by the chance of the word drawn (maskgit, with noise that fades),
    #: by that of the word before the next likeliest (margin) or by the least entropy (entropy), for
    #: ever; or the least sure of all words are masked again in every step (mask_predict)
    order: Literal["maskgit", "margin", "entropy", "mask_predict"] = "maskgit"
    #: how many words are left after a share of the steps: their cosine, or as many in each
    schedule: Literal["cosine", "linear"] = "cosine"
    #: times a Gumbel is added to log p of a drawn word, fading over the steps (maskgit)
    noise: float = ranged(4.5, least=0, most=1e6)


CARD = WordsCard(
    "maskgit",
    "models.maskgit:MaskGIT",
    label="MaskGIT",
    paper="Chang et al. 2022, MaskGIT; Ghazvininejad et al. 2019, Mask-Predict",
    order=66,
    Settings=MaskGITSettings,
    brings=(MASKED, CLASSIFIER),
    network=NETWORK,
)


def left(words: Tensor, done: int, steps: int, schedule: str) -> Tensor:
    """How many of ``words`` (B,) are masked after ``done`` of ``steps``: floor(N cos(pi/2 i/T))
    (Chang et al. 2022, section 3.3), or N (T - i) // T (Ghazvininejad et al. 2019)."""
    if schedule == "linear":
        return words * (steps - done) // steps
    # no cosine is this close to a whole number of words but those that are one
    share = math.cos(math.pi / 2 * done / steps)
    return (words.double() * share + 1e-9).floor().long()


class MaskGIT(WordDiffusion):
    card: ClassVar[WordsCard] = CARD

    def process(self, free: Tensor) -> Any:
        import torch

        from models.diffusion.words.orders import Unmasking, places

        settings = self.settings
        #: how sure the network was of each word when it was drawn
        sure = torch.full(free.shape, torch.inf, dtype=torch.float64, device=free.device)

        def lift(move: Decided, which: Tensor, word: Tensor) -> Tensor:
            x = move.words(move.open, word)
            if move.t == 0:
                return x
            log_p = move.logits.log_softmax(-1).double()
            again = settings.order == "mask_predict"
            at = x.clamp(max=log_p.shape[-1] - 1)[..., None]
            score = log_p.gather(2, at)[..., 0]
            if settings.order == "margin":
                best = log_p.topk(2, -1).values.exp()
                score = best[..., 0] - best[..., 1]
            elif settings.order == "entropy":
                score = torch.special.entr(log_p.exp()).sum(-1).neg()
            elif settings.order == "maskgit":
                gumbel = -which.clamp(min=1e-300).log().neg().clamp(min=1e-300).log()
                score = score + settings.noise * move.t / settings.steps * gumbel
            sure[:] = torch.where(move.open, score, sure if again else torch.inf)
            keep = left(free.sum(1), settings.steps - move.t, settings.steps, settings.schedule)
            # at least one word is decided in a step, and one is left for the next
            masked = (free if again else move.open).sum(1)
            keep = keep.clamp(min=1).minimum((masked - 1).clamp(min=0))
            unsure = places(sure.masked_fill(~free, torch.inf)) < keep[:, None]
            return torch.where(unsure, move.process.mask, x)

        return Unmasking(self.decoder.reader.words, free, settings.steps, lift)
