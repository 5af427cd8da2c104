"""Samplers of words that are replaced by words, with networks that know the answer: the law of the
whole walk by the product of its steps' matrices, and samples of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from word_nets import SKEWED, Knows, assert_drawn, chain_law, distance, frequencies, sampled, texts

from models.d3pm import D3PMUniform
from models.diffusion.words.chains import Uniform
from models.diffusion.words.frame import word_ids
from models.diffusion.words.levels import Cosine, LogLinear, SqrtCosine
from models.multinomial import Multinomial
from models.sedd import SEDDUniform
from models.sundae import Sundae
from models.udlm import UDLM


def knows(method: Any, steps: int = 8) -> Knows:
    """What its training leads to: p(x | the others) at its own levels."""
    if method is SEDDUniform:
        return Knows(SKEWED, "scores", LogLinear().alpha)
    schedule = {UDLM: LogLinear(0.0), D3PMUniform: Cosine(), Multinomial: SqrtCosine(steps)}[method]

    def alpha(t: Tensor) -> Tensor:
        return torch.where(t >= 1, 0.0, schedule.alpha(t))

    return Knows(SKEWED, "others", alpha)


CHAINS: list[tuple[Any, dict[str, Any]]] = [
    (UDLM, {}), (D3PMUniform, {}), (Multinomial, {}), (SEDDUniform, {}),
    (SEDDUniform, {"sampler": "euler"}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "settings"), CHAINS)
def test_more_steps_come_nearer_to_the_data(method: Any, settings: Any) -> None:
    off = [
        distance(chain_law(method, knows(method, steps), steps=steps, **settings), SKEWED)
        for steps in (4, 16, 64)
    ]
    assert off[0] > off[1] > off[2] and off[2] < 0.02
    # UNK, which no text has, is never left, whatever noise put there
    assert float(chain_law(method, knows(method, 4), steps=4, **settings)[0].sum()) == 0


@pytest.mark.parametrize(("method", "settings"), CHAINS)
def test_samples_come_from_the_law_of_the_walk(method: Any, settings: Any) -> None:
    law = chain_law(method, knows(method), steps=8, **settings)
    x, reading = sampled(method, knows(method), 4000, steps=8, **settings)
    assert_drawn(frequencies(x, SKEWED), law)
    assert reading.evaluations.tolist() == [8.0] * 4000


def walked(of: Any, form: Any, steps: int = 64) -> Tensor:
    """The law of a walk of that form with a network that says p(x | the others) or p(x | all)."""

    class Way(UDLM):
        def process(self, free: Tensor) -> Any:
            words = word_ids(self.decoder.reader.words)
            return Uniform(LogLinear(0.0).grid(self.settings.steps), words, form)

    return chain_law(Way, Knows(SKEWED, of), steps=steps)


def test_what_a_network_learned_says_which_step_is_right() -> None:
    """Bounds teach the plug-in's estimate, cross-entropy that of the mixture; crossed, each draws
    from something else in however many steps."""
    plug_in, mixture = walked("others", "plug_in"), walked("all", "mixture")
    assert distance(plug_in, SKEWED) < 0.02
    torch.testing.assert_close(plug_in, mixture, atol=1e-6, rtol=0)
    assert distance(walked("others", "mixture"), SKEWED) > 0.05
    assert distance(walked("all", "plug_in"), SKEWED) > 0.05


def test_redrawing_a_share_is_its_chain() -> None:
    """SUNDAE keeps no law of the data; its samples are those of its own matrices, and near the data
    where a share is so small that words are drawn one at a time (Gibbs sampling)."""

    def alpha(t: Tensor) -> Tensor:
        return torch.full_like(t, 0.98)

    net = Knows(SKEWED, "others", alpha)
    net.time = None
    law = chain_law(Sundae, net, steps=8)
    x, reading = sampled(Sundae, net, 4000, steps=8)
    assert_drawn(frequencies(x, SKEWED), law)
    assert bool((reading.evaluations < 8).any())  # a text that did not change is not read again
    off = [
        distance(chain_law(Sundae, net, share=share, steps=steps), SKEWED)
        for share, steps in ((1.0, 100), (0.3, 100), (0.02, 1000))
    ]
    assert off[0] > off[1] > off[2] and off[2] < 0.03


def test_one_step_draws_every_word() -> None:
    """Nothing of the noise is left, however few the steps."""
    for method, settings in [*CHAINS, (Sundae, {})]:
        net = Knows(SKEWED, "others", lambda t: torch.full_like(t, 0.5))
        net = net if method is Sundae else knows(method, 1)
        if method is Sundae:
            net.time = None
        x, _ = sampled(method, net, 300, steps=1, **settings)
        assert not bool((x == 2).any())


@pytest.mark.parametrize(("method", "settings"), [*CHAINS, (Sundae, {})])
def test_a_pinned_word_never_moves(method: Any, settings: Any) -> None:
    word = int(texts(SKEWED)[0][5, 1])
    net = Knows(SKEWED, "others") if method is Sundae else knows(method)
    if method is Sundae:
        net.alpha, net.time = (lambda t: torch.full_like(t, 0.9)), None
    states: list[Tensor] = []
    x, _ = sampled(method, net, 500, pinned=[None, word], watch=states.append, steps=8, **settings)
    assert all(bool((state[:, 2] == word).all()) for state in [*states, x])
    assert len({int(one) for one in x[:, 1]}) > 1
