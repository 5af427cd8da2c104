"""Any program as a method: it reads an English request and writes a text."""

import os
import shlex
import subprocess
from dataclasses import dataclass

from models.base import Card, Generator, Sample, TargetSamples, stream_seed


@dataclass(frozen=True)
class Settings:
    #: the program; it finds a seed in the variable SEED of its environment
    command: str = "cat"


class Program(Generator):
    card = Card("program", label="Program", Settings=Settings)

    @classmethod
    def load(cls, folders, task, settings, device):
        made = cls()
        made.command = shlex.split(settings.command)
        return made

    def generate(self, targets, n, seed, batch, progress):
        for target in targets:
            texts = [
                self.text(target, stream_seed(seed, self.name, target.id, i)) for i in range(n)
            ]
            rows = [
                Sample(index=i, words=w, tokens=w, nfe=0.0, seconds=0.0)
                for i, w in enumerate(texts)
            ]
            yield TargetSamples(target_id=target.id, samples=tuple(rows))

    def text(self, target, seed):
        more = {"env": {**os.environ, "SEED": str(seed)}, "stdout": subprocess.PIPE}
        done = subprocess.run(
            self.command, input=target.control.say(), text=True, check=True, **more
        )
        return tuple(done.stdout.split())
