"""Recipes of the oracles, and of the corpus with what they say of it."""

from __future__ import annotations

import dataclasses
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from eval.running.inputs import has_benepar, nltk_folder, read_corpus, treebank_digest, write_corpus
from eval.running.recipes.base import VALID, CorpusPlan, Folders, settings, words_of
from eval.running.store import Recipe, recipe
from eval.running.taggers import tagger_recipe, tags_recipe
from tasks.base import Corpus
from tasks.common.progress import Progress


class OraclePlan(CorpusPlan):
    """Adds parser, tagger, and texts with trees and tags."""

    @property
    def gold_trees(self) -> bool:
        """Whether the corpus brings its own trees and tags."""
        return self.config.corpus == "grammar"

    @cached_property
    def parser(self) -> Recipe:
        section, seed = self.config.parser, self.config.train_seed
        published = section.source == "benepar" or (
            section.source == "auto" and not self.gold_trees and has_benepar(self.data)
        )
        if published:
            return recipe("parser", "look up benepar_en3", _published, {"published": "benepar_en3"})
        model = dataclasses.replace(section.model, batch=section.train.batch)
        config = {"model": settings(model), "train": settings(section.train), "seed": seed}
        domain = section.domain
        gold, nltk = self.gold_trees, None if self.gold_trees else nltk_folder(self.data)

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            import torch

            from models.nets.train import fit
            from tasks.oracles.parser import ParserObjective, save_parser
            from tasks.oracles.perceptron import find_perceptron, load_perceptron
            from tasks.oracles.treebank import load_treebank

            if gold:
                corpus = read_corpus(deps["corpus"])
                train, held = [
                    [t.tree for t in texts if t.tree]
                    for texts in (corpus.train, corpus.valid[:VALID])
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
            source = "grammar gold trees"
            if not gold:
                source = "Penn Treebank sample"
                source += f" and {domain} texts of the embedded grammar" if domain else ""
            save_parser(folder, objective, {"trained on": source, "held out": len(held)} | final)

        if gold:
            return recipe(
                "parser", "train the oracle parser", build, config, deps={"corpus": self.corpus}
            )
        assert nltk is not None
        if domain:
            config["domain"] = domain
        return recipe(
            "parser", "train the oracle parser", build, config, data=treebank_digest(nltk)
        )

    @cached_property
    def texts(self) -> Recipe:
        """The corpus with a tree on every text: gold ones, or the oracle parser's."""
        if self.gold_trees:
            return self.corpus

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            parser = load_parser(deps["parser"])
            corpus = read_corpus(deps["corpus"])
            trees = parser.parse(words_of(corpus.train + corpus.valid), progress)
            texts = [
                dataclasses.replace(text, tree=tree)
                for text, tree in zip(corpus.train + corpus.valid, trees, strict=True)
            ]
            n = len(corpus.train)
            write_corpus(folder, Corpus(corpus.name, tuple(texts[:n]), tuple(texts[n:])))

        return recipe(
            "parses",
            "parse the corpus",
            build,
            {},
            deps={"corpus": self.corpus, "parser": self.parser},
        )

    @cached_property
    def tagger(self) -> Recipe:
        config = self.config
        gold = self.gold_trees
        return tagger_recipe(config.tagger.source, config.train_seed, self.corpus, gold, self.data)

    def texts_for(self, task: str) -> Recipe:
        """The corpus with what a task reads of it: parsing and tagging a corpus is work."""
        reads = self.task(task).reads
        texts = self.texts if "tree" in reads else self.corpus
        if "tags" in reads and not self.gold_trees:
            return self._once(f"tags.{texts.key}", lambda: tags_recipe(texts, self.tagger))
        return texts


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
    (folder / "parser.json").write_text(json.dumps({"meta": meta}), encoding="utf-8")


def load_parser(folder: Path) -> Any:
    """The oracle parser of an artefact."""
    from tasks.oracles.parser import ChartParserOracle
    from tasks.oracles.pretrained import BeneparParser

    saved = json.loads((folder / "parser.json").read_text(encoding="utf-8"))
    return BeneparParser() if "published" in saved["meta"] else ChartParserOracle.load(folder)
