"""Recipes of the corpus, its vocabulary, the oracles, and the corpus with what they say of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.running.inputs import corpus_digest, has_benepar, nltk_folder, treebank_digest
from eval.running.taggers import tagger_recipe, tags_recipe
from tasks.base import Corpus
from tasks.common.files import write_text
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe, settings
from tasks.common.schema import read_json
from tasks.corpora import label, load_corpus
from tasks.corpora.stored import VALID, VOCABULARY, read_corpus, words_of, write_corpus
from tasks.oracles.files import ParserFile
from tasks.vocabulary import Vocabulary

if TYPE_CHECKING:
    from eval.running.plan import Plan


def corpus(plan: Plan, task: str) -> Recipe:
    name, data = plan.config.corpus, plan.data
    digest = corpus_digest(name, data, Path(plan.config.store))

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        write_corpus(folder, load_corpus(name, data))

    config = {"name": label(name)}
    return recipe("corpus", f"read corpus {name}", build, config, data=digest, cheap=True)


def vocabulary(plan: Plan, task: str) -> Recipe:
    config = plan.config.vocabulary

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        texts = read_corpus(deps["corpus"]).train
        Vocabulary.build(words_of(texts), config.above).save(folder / VOCABULARY)

    return recipe(
        "vocabulary",
        "collect the vocabulary",
        build,
        settings(config),
        deps={"corpus": plan.role("corpus")},
        cheap=True,
    )


def parser(plan: Plan, task: str) -> Recipe:
    section, seed = plan.config.parser, plan.config.train_seed
    published = section.source == "benepar" or (
        section.source == "auto" and "tree" not in plan.gold and has_benepar(plan.data)
    )
    if published:
        return recipe("parser", "look up benepar_en3", _published, {"published": "benepar_en3"})
    model = dataclasses.replace(section.model, batch=section.train.batch)
    config: dict[str, Any] = {
        "model": settings(model),
        "train": settings(section.train),
        "seed": seed,
    }
    domain = section.domain
    gold = "tree" in plan.gold
    nltk = None if gold else nltk_folder(plan.data)

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        import torch

        from models.nets.train import fit
        from tasks.oracles.parser import ParserObjective, save_parser
        from tasks.oracles.perceptron import find_perceptron, load_perceptron
        from tasks.oracles.treebank import load_treebank

        if gold:
            texts = read_corpus(deps["corpus"])
            train, held = [
                [t.tree for t in split if t.tree] for split in (texts.train, texts.valid[:VALID])
            ]
            tagger = None
        else:
            assert nltk is not None
            bank = load_treebank(nltk)
            train, held = [*bank.train, *_restaurants(domain, seed)], list(bank.held_out)
            tagger = load_perceptron(find_perceptron(nltk))
        objective = ParserObjective(train, held, model, seed, tagger)
        curve = fit(objective, section.train, folder, seed, torch.device("cpu"), progress)
        final = {k.removeprefix("valid_"): v for k, v in curve[-1].items() if "valid_" in k}
        source = f"{label(plan.config.corpus)} gold trees"
        if not gold:
            source = "Penn Treebank sample"
            source += f" and {domain} texts of the embedded grammar" if domain else ""
        save_parser(folder, objective, {"trained on": source, "held out": len(held)} | final)

    title = "train the oracle parser"
    if gold:
        deps = {"corpus": plan.role("corpus")}
        return recipe("parser", title, build, config, deps=deps, pace=section)
    assert nltk is not None
    if domain:
        config["domain"] = domain
    return recipe("parser", title, build, config, data=treebank_digest(nltk), pace=section)


def texts(plan: Plan, task: str) -> Recipe:
    """The corpus with a tree on every text: the oracle parser's where it brings none."""

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        oracle = load_parser(deps["parser"])
        plain = read_corpus(deps["corpus"])
        both = plain.train + plain.valid
        trees = iter(oracle.parse(words_of(t for t in both if t.tree is None), progress))
        parsed = [t if t.tree else dataclasses.replace(t, tree=next(trees)) for t in both]
        n = len(plain.train)
        write_corpus(folder, Corpus(plain.name, tuple(parsed[:n]), tuple(parsed[n:])))

    deps = {"corpus": plan.role("corpus"), "parser": plan.role("parser")}
    return recipe("parses", "parse the corpus", build, {}, deps=deps)


def tagger(plan: Plan, task: str) -> Recipe:
    config = plan.config
    return tagger_recipe(
        config.tagger.source, config.train_seed, plan.role("corpus"), "tags" in plan.gold, plan.data
    )


def tagged_corpus(plan: Plan, task: str) -> Recipe:
    return tags_recipe(plan.role("corpus"), plan.role("tagger"))


def task_texts(plan: Plan, task: str) -> Recipe:
    """The corpus with what the task reads of it, its training texts among them."""
    return plan.texts_for(task)


def tagged_texts(plan: Plan, task: str) -> Recipe:
    return tags_recipe(plan.role("texts"), plan.role("tagger"))


def _restaurants(texts: int, seed: int) -> tuple[str, ...]:
    """Sentences of the embedded grammar for a parser of restaurant texts."""
    from tasks.corpora import grammar
    from tasks.oracles.treebank import domain_sentences

    if not texts:
        return ()
    drawn = grammar.load(size_train=texts, size_valid=1, seed=seed).train
    return domain_sentences((text.tree for text in drawn if text.tree), seed)


def _published(folder: Path, deps: Folders, progress: Progress) -> None:
    """An artefact that names benepar_en3. Raises ``UserError`` if it is not installed."""
    from tasks.oracles.pretrained import BeneparParser

    meta = {"published": BeneparParser().id}
    write_text(folder / "parser.json", json.dumps({"meta": meta}))


def load_parser(folder: Path) -> Any:
    """The oracle parser of an artefact."""
    from tasks.oracles.parser import ChartParserOracle
    from tasks.oracles.pretrained import BeneparParser

    saved = read_json(folder / "parser.json", ParserFile)
    return BeneparParser() if "published" in saved["meta"] else ChartParserOracle.load(folder)
