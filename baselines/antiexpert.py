"""The anti-expert's network: a language model of texts that lack a control (Liu et al. 2021).

It is trained as the fine-tuned model is, with its settings, on the same texts behind controls that
they do not satisfy: each text comes with one control of another text, drawn once. Where controls
are drawn alike for all texts it is p(text | not control).
"""

from __future__ import annotations

from models.base import Plan, Role, stream_seed
from models.nets.config import LMConfig
from models.nets.recipes import NATS, Pairs, behind_prompts
from tasks.common.recipe import Recipe

NAME = "antiexpert"


def mismatched(pairs: Pairs, seed: int) -> Pairs:
    """(prompt, words): the texts of ``pairs``, each with a prompt of another that it is not paired
    with; without those that every drawn prompt holds of."""
    import numpy as np

    from models.nets.discriminator import Mismatches

    rng = np.random.default_rng(stream_seed(seed, NAME, "controls"))
    draws = Mismatches(pairs, near=0.0, near_words=0)
    drawn = ((draws.draw(rng, i), words) for i, (_, words) in enumerate(pairs))
    return [(list(prompt), words) for prompt, words in drawn if prompt is not None]


def antiexpert(plan: Plan, task: str) -> Recipe:
    return behind_prompts(plan, task, NAME, f"train an anti-expert for {task}", mismatched)


ANTIEXPERT = Role(
    NAME,
    "baselines.antiexpert:antiexpert",
    section="finetune",
    Config=LMConfig,
    title="anti-experts",
    per_task=True,
    curve=("valid_nll",),
    curve_label=NATS,
)
