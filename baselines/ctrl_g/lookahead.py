"""How probable a control is after every next word, by a hidden Markov model and an automaton.

With q_t, h_t the states of the automaton and of the model behind t tokens (h_t emits the next one),

    B_t(q, h) = p(end | h) [q accepts] + sum_v p(v | h) w_q(v) sum_h' p(h' | h) B_(t+1)(q_v, h'),

and B(q, h) = [q accepts] behind the last token that there is room for: a text that is cut there is
taken as it is. With A(h) = p(h_t = h | x_1..t), what is added to log p(v | x_1..t) is

    log  sum_h A(h) p(v | h) w_q(v) (p B_(t+1))(q_v, h)  /  sum_h A(h) p(v | h)
      =  log p(control | x_1..t, v) / w(x_1..t),          for the end log [q accepts],

w(x) being the weights of the words so far, the same for every v. It is exact where the language
model is the hidden Markov model (Zhang et al. 2024, section 3).
Shapes: V ids, H hidden states, Q states that the automaton can be in at a step, E edges.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.ctrl_g.automata import Automaton
from baselines.ctrl_g.hmm import HMM


@dataclass(frozen=True)
class Step:
    """One row of the table for each of ``places``: ``ahead`` (Q, H) times exp(``scale``) is
    sum_h' p(h' | h) B(q, h')."""

    places: dict[Hashable, int]
    ahead: Tensor
    scale: float


class Model:
    """A hidden Markov model in fp64, whose rows sum to 1 to that precision: ``initial`` (H,),
    ``transition`` (H, H), ``emission`` (H, V)."""

    def __init__(self, hmm: HMM) -> None:
        tables = (hmm.initial.double(), hmm.transition.double(), hmm.emission.double())
        self.initial, self.transition, self.emission = (
            table / table.sum(-1, keepdim=True) for table in tables
        )


class Table:
    """B of one control: ``limit`` tokens at most, the end among them; ``eos``: its id. ``log_p``:
    log p(control) under the model, -inf where no text can satisfy it."""

    def __init__(self, model: Model, automaton: Automaton, eos: int, limit: int) -> None:
        self.model, self.automaton, self.eos = model, automaton, eos
        reached: list[list[Hashable]] = [[automaton.start]]
        for _ in range(limit):
            later = (q for state in reached[-1] for q, _ in automaton.edges(state))
            reached.append(list(dict.fromkeys(later)))
        self.steps: list[Step] = []
        self.log_p = -math.inf
        held, scale = self._accepting(reached[-1])[:, None].expand(-1, len(model.initial)), 0.0
        for t in reversed(range(limit + 1)):
            if t < limit:
                held, scale = self._before(reached[t], self.steps[-1])
            peak = float(held.max()) if held.numel() else 0.0
            if peak > 0:
                held, scale = held / peak, scale + math.log(peak)
            places = {state: i for i, state in enumerate(reached[t])}
            self.steps.append(Step(places, held @ model.transition.t(), scale))
        if peak > 0:
            self.log_p = float((held[0] @ model.initial).log()) + scale
        self.steps.reverse()

    def _accepting(self, states: Sequence[Hashable]) -> Tensor:
        accepted = [float(self.automaton.accepts(state)) for state in states]
        return torch.tensor(accepted, dtype=torch.float64)

    def _before(self, states: Sequence[Hashable], later: Step) -> tuple[Tensor, float]:
        """B (Q, H) of ``states`` from the step behind, and the log of what it is divided by."""
        emission, ends = self.model.emission, self._accepting(states)
        # all that is added up is divided by the same number, which the larger of the two decides
        scale = max(later.scale, 0.0) if bool(ends.any()) else later.scale
        held = ends[:, None] * emission[:, self.eos] * math.exp(-scale)
        for row, state in enumerate(states):
            for after, weights in self.automaton.edges(state):
                mass = emission @ weights
                ahead = later.ahead[later.places[after]]
                held[row] += mass * ahead * math.exp(later.scale - scale)
        return held, scale

    def ratios(self, state: Hashable, t: int, belief: Tensor) -> Tensor:
        """What is added for every id v, (V,), where ``belief`` is A (H,) and
        ``state`` that of the automaton behind t tokens; -inf for what cannot lead there."""
        edges, later = self.automaton.edges(state), self.steps[t + 1]
        emission = self.model.emission
        held = torch.zeros(emission.shape[1], dtype=torch.float64)
        for after, weights in edges:
            held += weights * ((belief * later.ahead[later.places[after]]) @ emission)
        log_ratio = held.log() + later.scale - (belief @ emission).log()
        log_ratio = log_ratio.masked_fill(held == 0, -torch.inf)
        log_ratio[self.eos] = 0.0 if self.automaton.accepts(state) else -torch.inf
        return log_ratio


@dataclass
class Row:
    """How far the text of one row has come; ``state`` is None behind its end, or where nothing is
    to be looked ahead for."""

    table: Table
    belief: Tensor
    state: Hashable | None


class LookAhead:
    """A :class:`models.nets.decoding.Reweighting`: adds ``weight`` times the log-probability of
    each row's control. A row is looked at by itself, so that no other changes it. Rows behind
    ``tables``, and those of a control that no text can satisfy, stay as they are."""

    def __init__(self, tables: Sequence[Table], weight: float) -> None:
        self.weight, self.t = weight, 0
        self.rows: list[Row | None] = [
            Row(one, one.model.initial, None if one.log_p == -math.inf else one.automaton.start)
            for one in tables
        ]

    def logits(self, logits: Tensor) -> Tensor:
        out = logits.double()
        for i, row in enumerate(self.rows):
            if row is not None and row.state is not None:
                ratios = row.table.ratios(row.state, self.t, row.belief).to(out.device)
                out[i, : len(ratios)] += self.weight * ratios
                out[i, len(ratios) :] = -torch.inf
        return out

    def keep(self, rows: Tensor) -> None:
        known = len(self.rows)
        self.rows = [self.rows[i] if i < known else None for i in rows.tolist()]

    def advance(self, tokens: Tensor) -> None:
        self.t += 1
        for row, token in zip(self.rows, tokens.tolist()):
            if row is None or row.state is None:
                continue
            edges = row.table.automaton.edges(row.state)
            row.state = next((q for q, weights in edges if float(weights[token]) > 0), None)
            if token == row.table.eos:
                row.state = None
            else:
                model = row.table.model
                seen = row.belief * model.emission[:, token]
                row.belief = (seen / seen.sum()) @ model.transition
