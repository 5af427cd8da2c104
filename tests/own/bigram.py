"""A method in a file of its own, which brings a bigram network and options of both."""

from dataclasses import dataclass

import torch
from safetensors.torch import load_file, save_file

from models.base import Card, Generator, Role, Sample, TargetSamples, sample_rng
from tasks.common.recipe import recipe, settings
from tasks.corpora.stored import read_corpus, read_vocabulary


@dataclass(frozen=True)
class Counts:
    smoothing: float = 0.01


@dataclass(frozen=True)
class Options:
    #: of the distribution of the next word
    temperature: float = 1.0


def bigrams(plan, task):
    def build(folder, deps, progress):
        words = read_vocabulary(deps["vocabulary"])
        table = torch.full((len(words), len(words)), plan.config.bigrams.smoothing)
        for text in plan.seen(read_corpus(deps["corpus"]).train):
            ids = torch.tensor(words.encode(["START", *text, "END"]))
            table[ids[:-1], ids[1:]] += 1
        save_file({"logits": table.log()}, folder / "bigrams.safetensors")

    deps = {name: plan.role(name) for name in ("corpus", "vocabulary")}
    return recipe("bigrams", "count bigrams", build, settings(plan.config.bigrams), deps=deps)


class Bigram(Generator):
    own = Role("bigrams", bigrams, section="bigrams", Config=Counts)
    card = Card("bigram", Settings=Options, uses=("bigrams", "vocabulary"), brings=(own,))

    @classmethod
    def load(cls, folders, task, settings, device):
        made = cls()
        made.words = read_vocabulary(folders["vocabulary"])
        logits = load_file(folders["bigrams"] / "bigrams.safetensors")["logits"]
        made.next = (logits / settings.temperature).softmax(-1)
        return made

    def generate(self, targets, samples_per_target, seed, batch=64, progress=None):
        for target in targets:
            rngs = [sample_rng(seed, self.name, target.id, i) for i in range(samples_per_target)]
            yield TargetSamples(target.id, tuple(self.one(*row) for row in enumerate(rngs)))

    def one(self, index, rng):
        ids = self.words.encode(["START"])
        while len(ids) < 20 and self.words.words[ids[-1]] != "END":
            ids.append(int(self.next[ids[-1]].multinomial(1, generator=rng)))
        tokens = self.words.decode(ids)
        return Sample(index, self.words.strip(tokens), tokens, float(len(ids) - 1), 0.0)
