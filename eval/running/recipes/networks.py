"""Recipes of Diffusion-LM, and of whatever is trained for one task."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from eval.running.inputs import read_corpus
from eval.running.recipes.base import VALID, Folders, settings, vocabulary_of
from eval.running.recipes.lms import LanguagePlan, make_codec
from eval.running.store import Recipe, recipe
from models.diffusion.config import CLASSIFIER_FIELDS
from models.nets.config import long_enough
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.infilling import joined, middle_of


class Plan(LanguagePlan):
    """Every recipe of one run."""

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
        if role in ("backward_lm", "reordered_lm", "lengths"):
            return self._once(role, getattr(self, "_" + role))
        raise UserError(f"no artefact has the role '{role}'")

    # networks

    @cached_property
    def diffusion(self) -> Recipe:
        config, seed = self.config.diffusion, self.config.train_seed

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.diffusion_lm.training import train_diffusion

            corpus = read_corpus(deps["corpus"])
            if config.clean_contexts:
                ours, others = self.seen_triples(corpus.train), self.seen_triples(corpus.valid)
                train, valid = (list(map(joined, triples)) for triples in (ours, others))
                middles = list(map(middle_of, ours)), list(map(middle_of, others))
            else:
                train, valid, middles = self.seen(corpus.train), self.seen(corpus.valid), None
            train_diffusion(
                folder,
                train,
                valid,
                vocabulary_of(deps),
                config,
                seed,
                self.device,
                progress,
                middles,
            )

        return recipe(
            "diffusion",
            "train Diffusion-LM",
            build,
            settings(config, seed=seed) | self._window,
            deps={"corpus": self.corpus, "vocabulary": self.vocabulary},
        )

    def _classifier(self, task: str) -> Recipe:
        config, seed = self.config.classifier, self.config.train_seed

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.diffusion.classifiers.training import train_classifier

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

    def _finetuned(self, task: str) -> Recipe:
        config, seed = long_enough(self.config.finetune, task), self.config.train_seed
        start = {} if config.pretrained else {"lm": self.lm}

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from models.nets.causal import train_lm

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
            from models.nets.discriminator import train_discriminator

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
        title = f"train the future discriminator of {task}"
        return recipe("discriminator", title, build, more, deps=deps, version=2)

    def _attribute_head(self, task: str) -> Recipe:
        config, seed = self.config.attribute_head, self.config.train_seed

        def build(folder: Path, deps: Folders, progress: Progress) -> None:
            from baselines.pplm.head import train_attribute_head

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

    def _for_task(self, config: Any, task: str) -> dict[str, Any]:
        version = self.task(task).version
        return settings(config, seed=self.config.train_seed, task=task, task_version=version)


def read_by(task: str, config: dict[str, Any]) -> dict[str, Any]:
    """A classifier's settings without those that only other tasks' classifiers read."""
    return {k: v for k, v in config.items() if CLASSIFIER_FIELDS.get(k, task) == task}
