"""The role of the network of edits, and its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.base import Plan, Role, stream_seed
from models.diffuser.config import EditModelConfig, preset
from models.nets.pretraining import START_FROM, begin, start
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe, settings
from tasks.corpora.stored import read_corpus, read_vocabulary
from tasks.infilling import joined, middle_of
from tasks.vocabulary import Vocabulary

if TYPE_CHECKING:
    from models.diffuser.network import EditModel
    from models.diffuser.pairs import Story

NAME = "edit_model"


def edit_model(plan: Plan, task: str) -> Recipe:
    config: EditModelConfig = plan.config.edit_model
    seed = plan.config.train_seed

    def train(folder: Path, deps: Folders, progress: Progress) -> None:
        import torch

        from models.diffuser.objective import EditObjective
        from models.diffusion.words.frame import LENGTHS, count_lengths
        from models.nets.artefact import save_network
        from models.nets.train import fit

        vocabulary, corpus = read_vocabulary(deps["vocabulary"]), read_corpus(deps["corpus"])
        ours, others = (
            stories(plan, config, texts, vocabulary) for texts in (corpus.train, corpus.valid)
        )
        torch.manual_seed(stream_seed(seed, NAME, "init"))
        network, facts = build(config, vocabulary)
        if config.init_pretrained:
            from models.nets.bert import start_from_bert

            start_from_bert(
                network.encoder, network.encoder.word_embedding, config.init_pretrained,
                vocabulary, config=config.network, keys=(NAME, "length"),
            )  # fmt: skip
        begin(network, deps.get(START_FROM), **facts, vocabulary=vocabulary.digest)
        descent = EditObjective(network.to(plan.device), config, ours, others, seed)
        fit(descent, config.train, folder, seed, plan.device, progress)
        files = {LENGTHS: count_lengths(plan.seen(corpus.train))}
        save_network(
            folder, network, config, facts, words=("vocabulary", vocabulary), files=files
        )  # fmt: skip

    deps = {"corpus": plan.role("corpus"), "vocabulary": plan.role("vocabulary")}
    deps |= start(plan, NAME)
    options = settings(config, seed=seed) | plan.window
    return recipe(NAME, "train the network of edits", train, options, deps=deps, pace=config)


def stories(
    plan: Plan, config: EditModelConfig, texts: Any, vocabulary: Vocabulary
) -> Sequence[Story]:
    """The texts that fit whole and have a word. Raises ``UserError`` where none does."""
    from models.diffuser.pairs import Story

    if config.clean_contexts and plan.config.window == 3:
        triples = plan.seen_triples(texts)
        pairs: list[tuple[Any, Any]] = [(joined(one), middle_of(one)) for one in triples]
    else:
        pairs = [(words, None) for words in plan.seen(texts)]
    room = config.length - 2
    found = [
        Story(tuple(vocabulary.encode(words)), middle)
        for words, middle in pairs
        if 0 < len(words) <= room
    ]
    if not found:
        raise UserError(f"no text of 1 to {room} words")
    return found


def build(config: EditModelConfig, vocabulary: Vocabulary) -> tuple[EditModel, dict[str, Any]]:
    """A fresh network, and what its file must agree with."""
    from models.diffuser.network import EditModel

    return EditModel(config, len(vocabulary)), {"kind": NAME}


EDIT_MODEL = Role(
    NAME,
    edit_model,
    NAME,
    EditModelConfig,
    preset,
    title="network of edits",
    curve=("valid_loss",),
    curve_label="nats a tag and a word, held out",
    embedding="encoder.word_embedding.weight",
)
