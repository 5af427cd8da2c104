"""The role of a family's denoising network, and its recipe."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.base import Plan, Role, stream_seed
from models.diffusion.words.config import WordsConfig
from models.diffusion.words.presets import words_preset
from models.nets.pretraining import START_FROM, begin, start
from models.nets.recipes import examples, for_task, single
from tasks.base import Words
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe, settings
from tasks.corpora.stored import read_corpus, read_vocabulary
from tasks.infilling import joined, middle_of
from tasks.vocabulary import Vocabulary

if TYPE_CHECKING:
    from models.diffusion.prompts import Prompts
    from models.diffusion.words.frame import Texts
    from models.nets.encoder import WordEncoder

#: what :func:`eval.likelihood` and figures call the loss
NATS = "nats a word, held out"


def words_role(
    name: str,
    Config: type[WordsConfig],
    objective: str,
    *,
    title: str,
    bounds: bool = True,
    passes: int = 1,
    prompts: bool = False,
    **fixed: Any,
) -> Role:
    """The role of a network of words, with a section of its own name. ``objective``: "module:Class"
    of its :class:`models.diffusion.words.objective.WordsObjective`, which ``bounds`` the likelihood
    or does not; ``passes``: how often a step of training reads its texts; ``prompts``: there is one
    for each task, of texts behind the prompts of its controls; ``fixed``: settings that every
    preset has."""

    def of_texts(plan: Plan, task: str) -> Recipe:
        config, seed = getattr(plan.config, name), plan.config.train_seed

        def train(folder: Path, deps: Folders, progress: Progress) -> None:
            import torch

            from models.diffusion.words.frame import LENGTHS, count_lengths, texts_of
            from models.nets.artefact import save_network
            from models.nets.train import fit

            module, _, called = objective.partition(":")
            Objective = getattr(importlib.import_module(module), called)
            vocabulary = read_vocabulary(deps["vocabulary"])
            corpus = read_corpus(deps["texts" if prompts else "corpus"])
            seen = [_seen(plan, config, texts) for texts in (corpus.train, corpus.valid)]
            files, read = {LENGTHS: count_lengths(seen[0][0])}, None
            ours: Texts
            others: Texts
            if prompts:
                from models.diffusion.prompts import PROMPTS, Prompts
                from models.diffusion.words.prompts import prompted

                pairs = examples(plan.task(task), deps, seed)
                read = Prompts.of(plan.task(task), vocabulary, corpus.train, pairs[0])
                ours, others = (prompted(one, read, vocabulary, config.length) for one in pairs)
                files[PROMPTS] = read.to_json()
            else:
                ours, others = (
                    texts_of(words, vocabulary, config.length, middles) for words, middles in seen
                )
            torch.manual_seed(stream_seed(seed, name, "init"))
            network, facts = build(name, config, vocabulary, read)
            if config.init_pretrained:
                from models.nets.bert import start_from_bert

                start_from_bert(
                    network, network.word_embedding, config.init_pretrained, vocabulary,
                    config=config.network, keys=(name, "length"),
                )  # fmt: skip
            begin(network, deps.get(START_FROM), **facts, vocabulary=vocabulary.digest)
            descent = Objective(network.to(plan.device), config, ours, others, seed)
            fit(descent, config.train, folder, seed, plan.device, progress)
            save_network(
                folder, network, config, facts, words=("vocabulary", vocabulary), files=files
            )  # fmt: skip

        deps = {"corpus": plan.role("corpus"), "vocabulary": plan.role("vocabulary")}
        options, what = settings(config, seed=seed) | plan.window, f"train {title}"
        if prompts:
            single(task, name)
            deps = {"texts": plan.texts_for(task), "vocabulary": deps["vocabulary"]}
            options, what = for_task(plan, config, plan.task(task)), f"{what} of {task}"
        else:
            deps |= start(plan, name)
        return recipe(name, what, train, options, deps=deps, pace=config)

    def by_preset(preset: str, config: Any) -> Any:
        return words_preset(Config(**fixed), preset, config, passes)

    return Role(
        name, of_texts, name, Config, by_preset, title=title,
        curve=("valid_nats",), curve_label=NATS, embedding="word_embedding.weight",
        bound="models.diffusion.words.likelihood:bound_terms" if bounds else "",
        objective=objective if bounds else "", per_task=prompts,
    )  # fmt: skip


def _seen(
    plan: Plan, config: WordsConfig, texts: Any
) -> tuple[list[Words], list[tuple[int, int]] | None]:
    """The texts that a network is trained on, and where the middles of windows are."""
    if config.clean_contexts and plan.config.window == 3:
        triples = plan.seen_triples(texts)
        return list(map(joined, triples)), list(map(middle_of, triples))
    return plan.seen(texts), None


def build(
    name: str, config: WordsConfig, vocabulary: Vocabulary, prompts: Prompts | None = None
) -> tuple[WordEncoder, dict[str, Any]]:
    """A fresh network, which knows a mask beside the vocabulary, and ``prompts``, where there are
    any; and what its file must agree with."""
    from models.nets.encoder import WordEncoder

    if prompts is not None:
        from models.diffusion.words.prompts import PromptedEncoder

        return PromptedEncoder(config, prompts), {"kind": name}
    words = len(vocabulary) + 1
    network = WordEncoder(
        config.network, config.length, words, config.time, norm_first=not config.init_pretrained
    )
    return network, {"kind": name}
