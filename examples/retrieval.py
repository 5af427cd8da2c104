from models.base import Card, Generator, Sample, TargetSamples
from tasks.corpora.stored import read_corpus


class Retrieval(Generator):  # training texts that fit the control; where there is none, the first
    card = Card("retrieval", label="Retrieval", uses=("task_texts",))

    @classmethod
    def load(cls, folders, task, settings, device):
        made = cls()
        made.known = list(task.examples(read_corpus(folders["task_texts"]).train, seed=0))
        return made

    def generate(self, targets, n, seed, batch, progress):
        for target in targets:
            fit = [w for control, w in self.known if control == target.control]
            texts = enumerate(((fit or [self.known[0][1]]) * n)[:n])
            rows = [Sample(index=i, words=w, tokens=w, nfe=0.0, seconds=0.0) for i, w in texts]
            yield TargetSamples(target_id=target.id, samples=tuple(rows))
