"""Recipes of the causal language models and of what is trained on pairs of a control and a text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.base import Plan, Role, stream_seed
from models.nets.config import DiscriminatorConfig, LMConfig, TeacherConfig, long_enough
from models.nets.presets import sized
from models.nets.pretraining import START_FROM, begin, start
from tasks.base import Task, Text, Words
from tasks.common.errors import UserError
from tasks.common.progress import Progress
from tasks.common.recipe import Folders, Recipe, recipe, settings
from tasks.corpora.stored import held_out, read_corpus, read_vocabulary
from tasks.vocabulary import SPECIALS, Vocabulary

if TYPE_CHECKING:
    from models.nets.codec import Codec

Pairs = list[tuple[list[str], Words]]


def plain_lm(
    plan: Plan,
    kind: str,
    title: str,
    read: Callable[[Iterable[Text]], list[Words]],
    *,
    config: LMConfig,
    seed: int,
    reverse: bool = False,
    judges: bool = False,
) -> Recipe:
    """A language model without prompts. ``read``: the sequences that it is trained on; ``reverse``:
    they are from right to left; ``judges``: it reads nothing but the corpus."""

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from models.nets.causal import adopt_lm, train_lm

        codec = make_codec(config, read_vocabulary(deps["vocabulary"]), reverse)
        if config.zero_shot and not reverse:
            adopt_lm(folder, codec, config)
            return
        corpus = read_corpus(deps["corpus"])
        train, valid = (
            [((), words) for words in read(texts)] for texts in (corpus.train, held_out(corpus))
        )
        train_lm(
            folder, train, valid, codec, config.fresh, seed, device=plan.device, progress=progress,
            init=deps.get(START_FROM),
        )  # fmt: skip

    deps = {"corpus": plan.role("corpus"), "vocabulary": plan.role("vocabulary")}
    if not judges and not (config.zero_shot and not reverse):
        deps |= start(plan, kind, "lm")
    return recipe(
        kind,
        title,
        build,
        settings(config, seed=seed) | plan.window,
        deps=deps,
        parallel=True,
        pace=config,
    )


def lm(plan: Plan, task: str) -> Recipe:
    config, seed = plan.config.lm, plan.config.train_seed
    return plain_lm(plan, "lm", "train the language model", plan.seen, config=config, seed=seed)


def teacher(plan: Plan, task: str) -> Recipe:
    """Judges fluency; with another seed than any language model that it judges."""
    title = "train the teacher of lm-score"
    config, seed = plan.config.teacher.first, plan.config.train_seed + 1
    return plain_lm(plan, "teacher", title, plan.seen, config=config, seed=seed, judges=True)


def subwords(plan: Plan, task: str) -> Recipe:
    """A pretrained language model as it is, which judges plain text; the same for every corpus."""
    from models.nets.pretrained import content

    name = plan.config.teacher.second
    if not name:
        raise UserError("teacher.pretrained names no pretrained language model")

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from models.nets.causal import adopt_lm

        config = LMConfig(pretrained=name, zero_shot=True)
        adopt_lm(folder, make_codec(config, Vocabulary(SPECIALS)), config)

    config = {"pretrained": name}
    title = "fetch the teacher of subwords"
    return recipe("subwords", title, build, config, data=content(name), cheap=True)


def examples(task: Task, deps: Folders, seed: int) -> tuple[Pairs, Pairs]:
    """(prompt, words) pairs that hold, of training and of validation texts."""
    corpus = read_corpus(deps["texts"])
    train, valid = (
        [(task.prompt(control), words) for control, words in task.examples(texts, seed)]
        for texts in (corpus.train, held_out(corpus))
    )
    return train, valid


def readable(pairs: Pairs, codec: Codec) -> Pairs:
    """Those whose prompts ``codec`` can read: held-out texts may have a label that no training text
    has."""
    return [pair for pair in pairs if codec.reads(pair[0])]


def prompted_codec(task: Task, deps: Folders, config: LMConfig) -> Codec:
    """The codec of a network that reads prompts of ``task``."""
    codec = make_codec(config, read_vocabulary(deps["vocabulary"]))
    return codec.with_prompt(task.prompt_tokens(read_corpus(deps["texts"]).train))


def text_role(
    name: str,
    Config: type,
    build: Callable[..., Any],
    objective: Any,
    *,
    title: str,
    preset: Callable[[str, Any], Any] | None = None,
    **more: Any,
) -> Role:
    """The role of a network of whole texts, each a sequence of ``length`` ids (START, the words,
    END, PAD), with a section of its own name; of a size that families have alike
    (:mod:`models.nets.presets`).

    ``Config``: a dataclass of ``length``, ``network`` and ``train``. ``build``: (config,
    vocabulary) -> a fresh network and what its file must agree with. ``objective``: (network,
    training ids (N, L), held-out ids, batch plan) -> what :func:`models.nets.train.fit` descends.
    ``preset``: its settings under a preset, where they are other than its size; ``more``: further
    fields of the role.
    """

    def of_texts(plan: Plan, task: str) -> Recipe:
        config, seed = getattr(plan.config, name), plan.config.train_seed

        def train(folder: Path, deps: Folders, progress: Progress) -> None:
            import torch

            from models.nets.artefact import save_network
            from models.nets.sequences import encode
            from models.nets.train import fit
            from tasks.common.batching import BatchPlan

            corpus, vocabulary = read_corpus(deps["corpus"]), read_vocabulary(deps["vocabulary"])
            ids, held = (
                encode(plan.seen(texts), vocabulary, config.length, "pad")
                for texts in (corpus.train, held_out(corpus))
            )
            torch.manual_seed(stream_seed(seed, name, "init"))
            network, facts = build(config, vocabulary)
            batches = BatchPlan(len(ids), config.train.batch, seed)
            begin(network, deps.get(START_FROM), **facts, vocabulary=vocabulary.digest)
            descent = objective(network.to(plan.device), ids, held, batches)
            fit(descent, config.train, folder, seed, plan.device, progress)
            save_network(folder, network, config, facts, words=("vocabulary", vocabulary))

        deps = {"corpus": plan.role("corpus"), "vocabulary": plan.role("vocabulary")}
        deps |= start(plan, name)
        options = settings(config, seed=seed) | plan.window
        return recipe(name, f"train {title}", train, options, deps=deps, pace=config)

    def by_size(preset: str, config: Any) -> Any:
        return Config(*sized(preset))

    return Role(name, of_texts, name, Config, preset or by_size, title=title, **more)


def finetuned(plan: Plan, task: str) -> Recipe:
    return behind_prompts(plan, task, "finetuned", f"fine-tune a language model for {task}")


def behind_prompts(
    plan: Plan,
    task: str,
    name: str,
    what: str,
    choose: Callable[[Pairs, int], Pairs] = lambda pairs, seed: pairs,
) -> Recipe:
    """A language model of texts behind the prompts of a task's controls. ``choose``: (the examples
    of the control, the seed of training) -> those that it is trained on."""
    single(task, name)
    control, seed = plan.task(task), plan.config.train_seed
    config = long_enough(plan.config.finetune, control)
    control = control.laid(config.layout)
    start = {} if config.pretrained else {"lm": plan.role("lm")}

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from models.nets.causal import train_lm

        train, valid = (choose(pairs, seed) for pairs in examples(control, deps, seed))
        codec = prompted_codec(control, deps, config)
        train_lm(
            folder,
            train,
            readable(valid, codec),
            codec,
            config,
            seed,
            device=plan.device,
            progress=progress,
            init=deps.get("lm"),
        )

    return recipe(
        name,
        what,
        build,
        for_task(plan, config, control),
        deps={"texts": plan.texts_for(task), "vocabulary": plan.role("vocabulary"), **start},
        parallel=True,
        pace=config,
    )


def discriminator(plan: Plan, task: str) -> Recipe:
    single(task, "discriminator")
    control, seed = plan.task(task), plan.config.train_seed
    config = long_enough(plan.config.discriminator, control)
    control = control.laid(config.layout)
    base = plan.config.lm

    def build(folder: Path, deps: Folders, progress: Progress) -> None:
        from models.nets.discriminator import train_discriminator

        train, valid = examples(control, deps, seed)
        codec = prompted_codec(control, deps, base)
        train_discriminator(
            folder,
            train,
            readable(valid, codec),
            codec,
            config,
            seed,
            device=plan.device,
            progress=progress,
        )

    return recipe(
        "discriminator",
        f"train the future discriminator of {task}",
        build,
        for_task(plan, config, control) | {"pretrained": base.pretrained},
        deps={"texts": plan.texts_for(task), "vocabulary": plan.role("vocabulary")},
        version=2,
        pace=config,
    )


def single(task: str, role: str) -> None:
    """Raises ``UserError`` for a composition, on which nothing is trained."""
    if "+" in task:
        raise UserError(f"no {role} is trained on {task}, but on each of its tasks")


def for_task(plan: Plan, config: Any, task: Task) -> dict[str, Any]:
    """The settings of what is trained for one task, as they enter a key."""
    return settings(
        config, seed=plan.config.train_seed, task=task.name, task_version=task.version
    ) | ({"code": task.digest} if task.digest else {})


def make_codec(config: LMConfig, vocabulary: Vocabulary, reverse: bool = False) -> Codec:
    """``reverse``: of a model that reads from right to left, where that makes a difference."""
    from models.nets.codec import PlainCodec, TokenizerCodec, WordCodec

    if config.zero_shot:
        return PlainCodec.from_pretrained(config.pretrained, vocabulary, reverse)
    if config.pretrained:
        return TokenizerCodec.from_pretrained(config.pretrained, vocabulary)
    return WordCodec(vocabulary)


NATS = "nats a token, held out"
LM = Role(
    "lm",
    "models.nets.recipes:lm",
    section="lm",
    Config=LMConfig,
    title="language model",
    curve=("valid_nll",),
    curve_label=NATS,
)
TEACHER = Role(
    "teacher",
    "models.nets.recipes:teacher",
    section="teacher",
    Config=TeacherConfig,
    title="teacher of lm-score",
    curve=("valid_nll",),
    curve_label=NATS,
)
SUBWORDS = Role("subwords", "models.nets.recipes:subwords", title="teacher of subwords")
FINETUNED = Role(
    "finetuned",
    "models.nets.recipes:finetuned",
    section="finetune",
    Config=LMConfig,
    title="fine-tuned LMs",
    per_task=True,
    curve=("valid_nll",),
    curve_label=NATS,
)
DISCRIMINATOR = Role(
    "discriminator",
    "models.nets.recipes:discriminator",
    section="discriminator",
    Config=DiscriminatorConfig,
    title="FUDGE's discriminators",
    per_task=True,
    curve=("valid_accuracy",),
    curve_label="accuracy, held out",
)
