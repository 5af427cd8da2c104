"""Which training texts satisfy which controls, and which controls are near to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tasks.base import Task, Text
from tasks.common import stop
from tasks.controls import Control


class Index:
    """Which ``texts`` satisfy which controls of a single task."""

    def __init__(self, task: Task, texts: Sequence[Text]) -> None:
        self.task = task
        self.rows: dict[Control, list[int]] = {}
        for row, text in enumerate(texts):
            if row % 1000 == 0:
                stop.check()
            for control in dict.fromkeys(control for control, _ in task.examples([text], 0)):
                self.rows.setdefault(control, []).append(row)
        self._controls = list(self.rows)
        self._words = np.array([control.needed_words for control in self._controls])
        self._columns: dict[str, int] = {}
        self._table: npt.NDArray[np.int16] | None = None

    def near(self, control: Control, count: int) -> list[int]:
        """At least ``count`` rows, where there are as many, of the controls nearest to this one: by
        the tokens that both prompts have, then by the words that they need."""
        table = self._prompts()
        asked, inside = np.zeros(table.shape[1], np.int16), Counter(self.task.prompt(control))
        for token, times in inside.items():
            if token in self._columns:
                asked[self._columns[token]] = times
        common = np.minimum(table, asked).sum(1) / (table.sum(1) + inside.total())
        order = np.lexsort((abs(self._words - control.needed_words), -common))
        found: dict[int, None] = {}
        for i in order:
            if len(found) >= count:
                break
            found |= dict.fromkeys(self.rows[self._controls[i]])
        return list(found)

    def _prompts(self) -> npt.NDArray[np.int16]:
        """How often each token stands in the prompt of each control."""
        if self._table is None:
            prompts = [Counter(self.task.prompt(control)) for control in self._controls]
            tokens = dict.fromkeys(token for prompt in prompts for token in prompt)
            self._columns = {token: i for i, token in enumerate(tokens)}
            self._table = np.zeros((len(prompts), len(tokens)), np.int16)
            for i, prompt in enumerate(prompts):
                for token, times in prompt.items():
                    self._table[i, self._columns[token]] = times
        return self._table
