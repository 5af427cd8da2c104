"""Training of networks of latents behind prompts.

Shapes: N texts, B batch, P tokens of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from models.base import stream_seed
from models.diffusion.latents.network import Network
from models.diffusion.latents.prompted_head import FACTS, PromptedHead
from models.diffusion.latents.prompting import PromptedLatentConfig
from models.diffusion.latents.training import DiffusionObjective, load_diffusion
from models.diffusion.latents.word_head import WordHead
from models.diffusion.prompts import PROMPTS, Prompts, cut, emptied
from models.nets.artefact import save_network
from models.nets.recipes import Pairs
from models.nets.sequences import encode
from models.nets.train import fit
from tasks.base import Task, Text
from tasks.common.errors import UserError
from tasks.common.progress import Progress, silent
from tasks.vocabulary import Vocabulary


class Dropping(DiffusionObjective):
    """The objective of the network that it starts from, of texts behind prompts, a share ``drop``
    of which is emptied; held-out texts keep theirs."""

    measures = False

    def __init__(
        self,
        network: PromptedHead,
        texts: tuple[Tensor, Tensor],
        prompts: tuple[Tensor, Tensor],
        batch: int,
        seed: int,
        drop: float,
    ) -> None:
        """``texts`` (N, L) and ``prompts`` (N, P), of training and held out."""
        super().__init__(network, *texts, batch, seed)
        self.prompts, self.drop, self.mask = prompts, drop, network.prompts.mask

    def told(self, rows: Tensor, rng: torch.Generator | None, held: bool = False) -> list[Tensor]:
        prompts = cut(self.prompts[held][rows])
        if held:
            return [prompts]
        dropped = torch.rand(len(rows), generator=rng) < self.drop
        return [emptied(prompts, dropped, self.mask)]

    def named(self, told: Sequence[Tensor], t: Tensor) -> dict[str, Tensor]:
        return {"prompts": told[0]}


def starting(network: Network, vocabulary: int, prompts: Prompts) -> PromptedHead:
    """A network behind prompts that starts as ``network``, its embeddings frozen. Raises
    ``UserError`` for one that does not read latents and write words."""
    if not isinstance(network, WordHead):
        raise UserError("prompts are read by networks with output=words and reads=latents alone")
    made = PromptedHead(network.config, vocabulary, prompts)
    # what is missing is what reads prompts
    made.load_state_dict({**made.state_dict(), **network.state_dict()})
    made.embedding.requires_grad_(False)
    return made


def train_behind(
    folder: Path,
    start: Path,
    task: Task,
    config: PromptedLatentConfig,
    seed: int,
    *,
    texts: Sequence[Text],
    pairs: tuple[Pairs, Pairs],
    vocabulary: Vocabulary,
    device: torch.device,
    progress: Progress = silent,
) -> None:
    """Trains on from the network in ``start`` and writes weights, prompts, vocabulary and curve to
    ``folder``. ``texts``: of training; ``pairs``: their prompts and words, and held-out ones.
    Raises ``UserError`` where none fits."""
    torch.manual_seed(stream_seed(seed, "prompted latents", "init"))
    prompts = Prompts.of(task, vocabulary, texts, pairs[0])
    base, words = load_diffusion(start, device)
    if words.digest != vocabulary.digest:
        raise UserError(f"the network in {start} was trained on another vocabulary")
    network = starting(base, len(vocabulary), prompts).train().requires_grad_(True)
    network.embedding.requires_grad_(False)
    length = network.config.length
    fitting = [prompts.fitting(one, length) for one in pairs]
    ours, others = (
        encode([words for _, words in one], vocabulary, length, "pad") for one in fitting
    )
    told, held = (prompts.tensor([prompt for prompt, _ in one]) for one in fitting)
    stored = replace(network.config, train=config.train)
    objective = Dropping(
        network.to(device), (ours, others), (told, held), config.train.batch, seed, config.drop
    )
    fit(objective, config.train, folder, seed, device, progress)
    words_of, files = ("vocabulary", vocabulary), {PROMPTS: prompts.to_json()}
    save_network(folder, network, stored, FACTS, words=words_of, files=files)
