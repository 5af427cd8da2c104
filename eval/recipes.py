"""What every artefact is made from: corpus -> vocabulary, parser -> networks.

Keys follow from the corpus's digest, the settings and seeds, the builders' versions and the keys
of dependencies; neither the device nor the time between checkpoints changes them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.config import RunConfig
from eval.inputs import (
    corpus_digest,
    has_benepar,
    nltk_folder,
    read_corpus,
    treebank_digest,
    write_corpus,
)
from eval.store import Recipe, recipe
from eval.taggers import tagger_recipe, tags_recipe
from models.config import CLASSIFIER_FIELDS
from models.lm_config import long_enough
from tasks import load_task
from tasks.base import Corpus, Task, Text, Words
from tasks.corpora import load_corpus
from tasks.errors import UserError
from tasks.progress import Progress
from tasks.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

    from models.codec import Codec
    from models.lm_config import LMConfig

#: texts of the validation split that curves are drawn on
VALID = 512
VOCABULARY = "vocabulary.json"
#: training settings that change how fast a network is trained and not which one
SPEED_ONLY = ("checkpoint", "compile")

Folders = Mapping[str, Path]


def settings(config: Any, **more: Any) -> dict[str, Any]:
    """A config dataclass as it enters a key."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in SPEED_ONLY}
        return value

    return {**plain(dataclasses.asdict(config)), **more}


def pick_device(name: str) -> torch.device:
    """``auto`` is a GPU where there is one. Raises ``UserError`` for a device that is not there."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"unknown device '{name}' (valid: auto, cpu, cuda, cuda:N)") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device={name}: {torch.cuda.device_count()} CUDA devices are available")
    return device


def _words(texts: Iterable[Text]) -> list[Words]:
    return [text.words for text in texts]


class Plan:
    """The recipes of one run, each made once."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self._tasks: dict[str, Task] = {}
        self._recipes: dict[str, Recipe] = {}

    def task(self, name: str) -> Task:
        if name not in self._tasks:
            self._tasks[name] = load_task(name, self.data)
        return self._tasks[name]

    @cached_property
    def device(self) -> torch.device:
        return pick_device(self.config.device)

    @property
    def data(self) -> Path | None:
        return Path(self.config.data) if self.config.data else None

    def role(self, role: str, task: str) -> Recipe:
        """The recipe of a generator's role (``models.base.Generator.artefacts``) under ``task``, or
        under the task that the role itself names: ``classifier:length``."""
        role, _, own = role.partition(":")
        task = own or task
        if role in ("classifier", "discriminator", "finetuned", "attribute_head"):
            if "+" in task:
                raise UserError(f"no {role} is trained on {task}, but on each of its tasks")
            return self._once(f"{role}.{task}", lambda: getattr(self, "_" + role)(task))
        if role == "diffusion":
            return self.diffusion
        if role == "lm":
            return self.lm
        raise UserError(f"no artefact has the role '{role}'")

    def _once(self, name: str, make: Any) -> Recipe:
        if name not in self._recipes:
            self._recipes[name] = make()
        return self._recipes[name]

    # corpora and oracles

    @cached_property
    def corpus(self) -> Recipe:
        name, data = self.config.corpus, self.data
        digest = corpus_digest(name, data, Path(self.config.store))

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            write_corpus(folder, load_corpus(name, data))

        return recipe("corpus", f"read corpus {name}", build, {"name": name}, data=digest)

    @cached_property
    def vocabulary(self) -> Recipe:
        above = self.config.vocabulary.above

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            corpus = read_corpus(deps["corpus"])
            Vocabulary.build(_words(corpus.train), above).save(folder / VOCABULARY)

        return recipe(
            "vocabulary",
            "collect the vocabulary",
            build,
            {"above": above},
            deps={"corpus": self.corpus},
        )

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
        gold, nltk = self.gold_trees, None if self.gold_trees else nltk_folder(self.data)

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            import torch

            from models.train import fit
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
                train, held = list(bank.train), list(bank.held_out)
                tagger = load_perceptron(find_perceptron(nltk))
            objective = ParserObjective(train, held, model, seed, tagger)
            curve = fit(objective, section.train, folder, seed, torch.device("cpu"), progress)
            final = {k.removeprefix("valid_"): v for k, v in curve[-1].items() if "valid_" in k}
            source = "grammar gold trees" if gold else "Penn Treebank sample"
            save_parser(folder, objective, {"trained on": source, "held out": len(held)} | final)

        if gold:
            return recipe(
                "parser", "train the oracle parser", build, config, deps={"corpus": self.corpus}
            )
        assert nltk is not None
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
            trees = parser.parse(_words(corpus.train + corpus.valid), progress)
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

    # networks

    @cached_property
    def diffusion(self) -> Recipe:
        config, seed = self.config.diffusion, self.config.train_seed

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.diffusion_training import train_diffusion

            corpus = read_corpus(deps["corpus"])
            train_diffusion(
                folder,
                _words(corpus.train),
                _words(corpus.valid),
                vocabulary_of(deps),
                config,
                seed,
                self.device,
                progress,
            )

        return recipe(
            "diffusion",
            "train Diffusion-LM",
            build,
            settings(config, seed=seed),
            deps={"corpus": self.corpus, "vocabulary": self.vocabulary},
        )

    def _classifier(self, task: str) -> Recipe:
        config, seed = self.config.classifier, self.config.train_seed

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.classifiers.training import train_classifier

            corpus, control = read_corpus(deps["texts"]), self.task(task)
            train_classifier(
                folder,
                deps["diffusion"],
                task,
                corpus.train,
                corpus.valid[:VALID],
                config,
                seed,
                self.device,
                progress,
                examples=lambda texts: control.examples(texts, seed),
            )

        return recipe(
            "classifier",
            f"train the classifier of {task} on noisy latents",
            build,
            read_by(task, self._for_task(config, task)),
            deps={"diffusion": self.diffusion, "texts": self.texts_for(task)},
        )

    @cached_property
    def lm(self) -> Recipe:
        return self._plain_lm("lm", "train the language model", self.config.lm, 0)

    @cached_property
    def teacher(self) -> Recipe:
        """Judges fluency; with another seed than any language model that it judges."""
        return self._plain_lm("teacher", "train the teacher of lm-score", self.config.teacher, 1)

    def _plain_lm(self, kind: str, title: str, config: LMConfig, offset: int) -> Recipe:
        seed = self.config.train_seed + offset

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.causal_lm import train_lm

            corpus = read_corpus(deps["corpus"])
            train, valid = (
                [((), words) for words in _words(texts)]
                for texts in (corpus.train, corpus.valid[:VALID])
            )
            codec = make_codec(config, vocabulary_of(deps))
            train_lm(folder, train, valid, codec, config, seed, self.device, progress)

        return recipe(
            kind,
            title,
            build,
            settings(config, seed=seed),
            deps={"corpus": self.corpus, "vocabulary": self.vocabulary},
        )

    def _finetuned(self, task: str) -> Recipe:
        config, seed = long_enough(self.config.finetune, task), self.config.train_seed
        start = {} if config.pretrained else {"lm": self.lm}

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.causal_lm import train_lm

            corpus, control = read_corpus(deps["texts"]), self.task(task)
            train, valid = (
                [(control.prompt(c), words) for c, words in control.examples(texts, seed)]
                for texts in (corpus.train, corpus.valid[:VALID])
            )
            codec = make_codec(config, vocabulary_of(deps))
            codec = codec.with_prompt(control.prompt_tokens(corpus.train))
            train_lm(
                folder,
                train,
                valid,
                codec,
                config,
                seed,
                self.device,
                progress,
                init=deps.get("lm"),
            )

        deps = {"texts": self.texts_for(task), "vocabulary": self.vocabulary, **start}
        return recipe(
            "finetuned",
            f"fine-tune a language model for {task}",
            build,
            self._for_task(config, task),
            deps=deps,
        )

    def _discriminator(self, task: str) -> Recipe:
        config, seed = long_enough(self.config.discriminator, task), self.config.train_seed
        lm = self.config.lm

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.discriminator import train_discriminator

            corpus, control = read_corpus(deps["texts"]), self.task(task)
            train, valid = (
                [(control.prompt(c), words) for c, words in control.examples(texts, seed)]
                for texts in (corpus.train, corpus.valid[:VALID])
            )
            codec = make_codec(lm, vocabulary_of(deps))
            codec = codec.with_prompt(control.prompt_tokens(corpus.train))
            train_discriminator(folder, train, valid, codec, config, seed, self.device, progress)

        more = self._for_task(config, task) | {"pretrained": lm.pretrained}
        deps = {"texts": self.texts_for(task), "vocabulary": self.vocabulary}
        return recipe(
            "discriminator", f"train the future discriminator of {task}", build, more, deps=deps
        )

    def _attribute_head(self, task: str) -> Recipe:
        config, seed = self.config.attribute_head, self.config.train_seed

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.attribute_head import train_attribute_head

            corpus, control = read_corpus(deps["texts"]), self.task(task)
            train, valid = (
                list(control.examples(texts, seed))
                for texts in (corpus.train, corpus.valid[:VALID])
            )
            lm = deps["lm"]
            train_attribute_head(folder, lm, train, valid, config, seed, self.device, progress)

        return recipe(
            "attribute_head",
            f"train PPLM's attribute head of {task}",
            build,
            self._for_task(config, task),
            deps={"texts": self.texts_for(task), "lm": self.lm},
        )

    def texts_for(self, task: str) -> Recipe:
        """The corpus with what a task reads of it: parsing and tagging a corpus is work."""
        reads = self.task(task).reads
        texts = self.texts if "tree" in reads else self.corpus
        if "tags" in reads and not self.gold_trees:
            return self._once(f"tags.{texts.key}", lambda: tags_recipe(texts, self.tagger))
        return texts

    def _for_task(self, config: Any, task: str) -> dict[str, Any]:
        version = self.task(task).version
        return settings(config, seed=self.config.train_seed, task=task, task_version=version)


def read_by(task: str, config: dict[str, Any]) -> dict[str, Any]:
    """A classifier's settings without those that only other tasks' classifiers read."""
    return {k: v for k, v in config.items() if CLASSIFIER_FIELDS.get(k, task) == task}


def make_codec(config: LMConfig, vocabulary: Vocabulary) -> Codec:
    from models.codec import TokenizerCodec, WordCodec

    if config.pretrained:
        return TokenizerCodec.from_pretrained(config.pretrained, vocabulary)
    return WordCodec(vocabulary)


def vocabulary_of(deps: Folders) -> Vocabulary:
    return Vocabulary.load(deps["vocabulary"] / VOCABULARY)


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
