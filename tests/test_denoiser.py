"""The denoising network and its training objective (reference notes, sections 2.2 and 2.4)."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.denoiser import Denoiser, make_denoiser
from models.diffusion.latents.network import Network, initial_std
from models.diffusion.latents.score_interpolation import ScoreInterpolation
from models.diffusion.latents.training import around, load_diffusion, losses, train_diffusion
from models.nets.config import EncoderConfig, TrainConfig
from models.nets.encoder import time_embedding
from models.nets.sequences import encode
from tasks.common.errors import UserError
from tasks.vocabulary import Vocabulary

TINY = EncoderConfig(layers=1, width=16, heads=2, feedforward=32, dropout=0.0)
CONFIG = DiffusionConfig(length=12, positions=12, embedding=8, time=8, network=TINY)
WORDS = Vocabulary(["START", "END", "UNK", "PAD", *"abcdefgh"])


def tiny(**changes: object) -> Network:
    torch.manual_seed(0)
    config = dataclasses.replace(CONFIG, **changes)  # type: ignore[arg-type]
    return make_denoiser(config, len(WORDS)).eval()


def wordy(**changes: object) -> ScoreInterpolation:
    network = tiny(output="words", **changes)
    assert isinstance(network, ScoreInterpolation)
    return network


@pytest.mark.parametrize(
    ("dim", "words", "expected"),
    [
        (16, 821, 87_129_749),
        (128, 11_043, 88_712_483),
    ],
)
def test_parameter_counts_of_the_papers_networks(dim: int, words: int, expected: int) -> None:
    with torch.device("meta"):
        network = Denoiser(DiffusionConfig(embedding=dim), words)
    assert sum(p.numel() for p in network.parameters()) == expected


def test_initialisation_is_torchs() -> None:
    """Embeddings and positions start from N(0, 1), not BERT's N(0, 0.02)."""
    network = Denoiser(DiffusionConfig(network=TINY), 5000)
    for table in (network.embedding.weight, network.position_embedding.weight):
        # four standard errors of what so many draws give
        error = 4 / math.sqrt(2 * table.numel())
        assert float(table.detach().std()) == pytest.approx(1.0, abs=error)


def test_time_embedding_is_cosines_then_sines() -> None:
    features = time_embedding(torch.tensor([0.0, 250.0]), 8)
    torch.testing.assert_close(features[0], torch.tensor([1.0] * 4 + [0.0] * 4))
    rates = [10000 ** (-i / 4) for i in range(4)]
    expected = torch.tensor([250.0 * r for r in rates])
    torch.testing.assert_close(features[1, :4], expected.cos(), atol=1e-4, rtol=0)
    torch.testing.assert_close(features[1, 4:], expected.sin(), atol=1e-4, rtol=0)


def test_rounding_head_is_tied() -> None:
    network = tiny()
    x = torch.randn(2, 3, 8)
    expected = x @ network.embedding.weight.T + network.head_bias
    torch.testing.assert_close(network.logits(x), expected)


def test_nearest_is_brute_force() -> None:
    network = tiny()
    x = torch.randn(5, 12, 8)
    table = network.embedding.weight
    expected = table[torch.cdist(x.flatten(0, 1), table).argmin(1)].view_as(x)
    assert torch.equal(network.nearest(x), expected)
    assert torch.equal(network.nearest(expected), expected)


def parts(network: Network, t: int, seed: int = 0) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, len(WORDS), (3, 12), generator=rng)
    noise, start = (torch.randn(3, 12, 8, generator=rng) for _ in range(2))
    return losses(network, ids, torch.full((3,), t), noise, start)


def test_loss_terms_by_hand() -> None:
    network = tiny()
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(4, len(WORDS), (3, 12), generator=rng)
    noise, start = (torch.randn(3, 12, 8, generator=rng) for _ in range(2))
    schedule = network.schedule
    assert initial_std(schedule) == pytest.approx(0.12100, abs=1e-5)
    clean = network.embedding(ids)
    x0 = clean + 0.1210012831880857 * start
    for t, goal in [(700, x0), (0, clean)]:
        a = float(schedule.alpha_bar[t])
        x_t = a**0.5 * x0 + (1 - a) ** 0.5 * noise
        out = network(x_t, torch.full((3,), t * 0.5))
        got = losses(network, ids, torch.full((3,), t), noise, start)
        torch.testing.assert_close(got["mse"], (goal - out).square().mean((1, 2)))
        torch.testing.assert_close(
            got["tT"], float(schedule.alpha_bar[-1]) * x0.square().mean((1, 2))
        )
        # weight 1 at every t, on the noised x_0, PAD positions included
        flat = F.cross_entropy(network.logits(x0).flatten(0, 1), ids.flatten(), reduction="none")
        torch.testing.assert_close(got["rounding"], flat.view(3, 12).mean(1))


def test_prior_term_is_as_small_as_the_notes_say() -> None:
    assert float(parts(tiny(), 300)["tT"].detach().mean()) == pytest.approx(2e-7, rel=0.5)


def test_gradient_reaches_embeddings_through_the_target() -> None:
    """With a constant network the mse still moves the embeddings: the target is not detached."""
    network = tiny()
    for layer in network.down:
        for parameter in layer.parameters():
            parameter.data.zero_()
    parts(network, 500)["mse"].sum().backward()
    assert network.embedding.weight.grad is not None
    assert float(network.embedding.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize("predict", ["x0", "eps", "mu"])
def test_every_parametrisation_trains(predict: str, tmp_path: Path) -> None:
    """A few hundred steps lower the held-out mse of each parametrisation's own goal."""
    train = TrainConfig(steps=200, batch=16, lr=3e-3, ema=0.9, every=100, bf16=False)
    config = dataclasses.replace(CONFIG, predict=predict, steps=100, train=train)  # type: ignore[arg-type]
    texts = [tuple("abcdefgh"[i % 8 : i % 8 + 4]) for i in range(64)]
    train_diffusion(tmp_path, texts, texts, WORDS, config, 0, device=torch.device("cpu"))
    curve = (tmp_path / "curve.jsonl").read_text().splitlines()
    first, last = (json.loads(curve[i]) for i in (0, -1))
    assert last["valid_mse"] < first["valid_mse"]
    network, _ = load_diffusion(tmp_path, torch.device("cpu"))
    # what the sampler sees is an x_0 estimate: near the embeddings when there is little noise
    ids = encode(texts[:4], WORDS, 12, "pad")
    clean = network.embedding(ids)
    index = torch.zeros(4, dtype=torch.long)
    x_t = clean * float(network.schedule.alpha_bar[0]) ** 0.5
    error = (network.x0(x_t, index) - clean).square().mean()
    assert float(error) < float(clean.square().mean())


def test_frozen_random_embeddings_stay() -> None:
    network = tiny(learned_embedding=False)
    assert not network.embedding.weight.requires_grad
    # the reference code's rounding head still learns its bias
    assert network.head_bias.requires_grad


def test_padding_modes() -> None:
    texts = [("a", "b"), ("c",), tuple("abcdefgh" * 2)]
    padded = encode(texts, WORDS, 12, "pad")
    assert padded[0].tolist() == [0, 4, 5, 1, *[3] * 8]
    # a text that is too long loses its END
    assert padded[2].tolist() == [0, *range(4, 12), *range(4, 7)]
    blocks = encode(texts, WORDS, 5, "block")
    # START a b END START | c END START a b | c d e f g | h a b c d | (the rest is dropped)
    assert blocks[0].tolist() == [0, 4, 5, 1, 0] and blocks.shape == (5, 5)
    with pytest.raises(UserError, match="no text fills"):
        encode([("a",)], WORDS, 12, "block")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    config = dataclasses.replace(CONFIG, train=TrainConfig(steps=2, batch=2, every=1))
    texts = [("a", "b"), ("c", "d")]
    train_diffusion(tmp_path, texts, texts, WORDS, config, 0, device=torch.device("cpu"))
    return tmp_path


def test_checkpoint_of_another_vocabulary_is_refused(trained: Path) -> None:
    Vocabulary([*WORDS.words[:-1], "z"]).save(trained / "vocabulary.json")
    with pytest.raises(UserError, match="was made for vocabulary="):
        load_diffusion(trained, torch.device("cpu"))


def test_checkpoint_of_another_network_is_refused(trained: Path) -> None:
    path = trained / "config.json"
    path.write_text(path.read_text().replace('"layers": 1', '"layers": 2'))
    with pytest.raises(UserError, match="does not fit this network"):
        load_diffusion(trained, torch.device("cpu"))


def test_truncated_checkpoint_is_refused(trained: Path) -> None:
    path = trained / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged or missing weights"):
        load_diffusion(trained, torch.device("cpu"))


def test_saved_weights_round_trip_in_bf16(trained: Path) -> None:
    network, words = load_diffusion(trained, torch.device("cpu"))
    assert words.words == WORDS.words
    matrix = network.encoder.layer[0].attention.self.query.weight
    assert torch.equal(matrix, matrix.to(torch.bfloat16).float())
    assert not any(p.requires_grad for p in network.parameters())


def words_near(
    network: ScoreInterpolation, x: torch.Tensor, t: int, said: torch.Tensor
) -> torch.Tensor:
    """log p(w | x_t, context), (B, L, V), where the network says ``said`` (B, L, W): words with
    the noise of x_0 and that of x_t together, by torch's own Gaussian."""
    table, alpha_bar = network.embedding.weight, float(network.schedule.alpha_bar[t])
    variance = 1 - alpha_bar + alpha_bar * initial_std(network.schedule) ** 2
    density = torch.distributions.Normal(alpha_bar**0.5 * table, variance**0.5)
    likelihood = density.log_prob(x[..., None, :]).sum(-1)
    return (likelihood + said @ network.words.weight.T + network.prior).log_softmax(-1)


def said_of(network: ScoreInterpolation, x: torch.Tensor, t: int) -> torch.Tensor:
    """What the network says after reading each latent by itself."""
    nothing = torch.zeros(*x.shape[:2], network.config.network.width)
    read = words_near(network, x, t, nothing).exp() @ network.words.weight
    said: torch.Tensor = network(read, torch.full((len(x),), t * 0.5))
    return said


@pytest.mark.parametrize("t", [0, 700, 1999])
def test_words_output_is_bayes_rule(t: int) -> None:
    network = wordy()
    with torch.no_grad():
        network.prior.copy_(torch.randn(len(WORDS)))
        x = torch.randn(3, 12, 8)
        found = network.x0(x, torch.full((3,), t))
        expected = words_near(network, x, t, said_of(network, x, t)).exp()
        torch.testing.assert_close(found, expected @ network.embedding.weight, rtol=1e-4, atol=1e-5)


def test_a_temperature_sharpens_what_is_said_and_not_what_latents_show() -> None:
    network = wordy()
    with torch.no_grad():
        network.prior.copy_(torch.randn(len(WORDS)))
        x = torch.randn(3, 12, 8)
        said = said_of(network, x, 900)
        table, bias = network.words.weight, network.prior
        flat = words_near(network, x, 900, torch.zeros_like(said)) - bias  # evidence alone
        expected = (flat + 2 * (said @ table.T + bias)).softmax(-1) @ network.embedding.weight
        network.temperature = 0.5
        found = network.x0(x, torch.full((3,), 900))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_words_output_learns_what_the_context_says() -> None:
    """Words that alternate: the estimate at a noisy position comes to lean on its neighbours, and
    its error falls below the best that a position alone allows."""
    torch.manual_seed(0)
    network = wordy(learned_embedding=False)
    texts = [tuple("abababab"), tuple("babababa")]
    ids = encode(texts, WORDS, 10, "pad").repeat(32, 1)
    counts = torch.bincount(ids.flatten(), minlength=len(WORDS))
    with torch.no_grad():
        network.prior.copy_(((counts + 1) / counts.sum()).log())
    t = torch.full((64,), 1000)
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=1e-2)
    with torch.no_grad():
        clean = network.embedding(ids)
        alpha_bar = float(network.schedule.alpha_bar[1000])
        noise = (1 - alpha_bar + alpha_bar * initial_std(network.schedule) ** 2) ** 0.5
        x = alpha_bar**0.5 * clean + noise * torch.randn(64, 10, 8)
        nothing = torch.zeros(64, 10, TINY.width)
        alone = words_near(network, x, 1000, nothing).exp() @ network.embedding.weight
    for _ in range(150):
        terms = losses(network, ids, t, torch.randn(64, 10, 8), torch.randn(64, 10, 8))
        optimiser.zero_grad()
        terms["anchor"].mean().backward()
        optimiser.step()
    with torch.no_grad():
        ours = (network.x0(x, t) - clean).square().mean()
    assert float(ours) < 0.5 * float((alone - clean).square().mean())


@pytest.mark.parametrize("t", [20, 900])
def test_the_anchor_is_the_cross_entropy_of_the_words_given_latents(t: int) -> None:
    network = wordy()
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(4, len(WORDS), (3, 12), generator=rng)
    noise, start = (torch.randn(3, 12, 8, generator=rng) for _ in range(2))
    got = losses(network, ids, torch.full((3,), t), noise, start)
    a = float(network.schedule.alpha_bar[t])
    x_t = a**0.5 * (network.embedding(ids) + initial_std(network.schedule) * start)
    x_t = x_t + (1 - a) ** 0.5 * noise
    logs = words_near(network, x_t, t, said_of(network, x_t, t))
    expected = -logs.gather(2, ids[..., None])[..., 0].mean(1)
    torch.testing.assert_close(got["anchor"], expected, rtol=1e-4, atol=1e-4)
    # it teaches the network and its table of words, and the embeddings through the latents alone
    network.zero_grad()
    again = network.nll(x_t.detach(), torch.full((3,), t), ids)[0].mean(1)
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-4)
    again.sum().backward()
    assert network.embedding.weight.grad is None
    # frozen embeddings have nothing to learn from the squared error
    frozen = losses(wordy(learned_embedding=False), ids, torch.full((3,), t), noise, start)
    assert set(got) - set(frozen) == {"mse"}
    for parameter in (network.down[2].weight, network.words.weight, network.prior):
        assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0


@pytest.mark.parametrize("output", ["linear", "words"])
def test_clean_positions_are_words_and_enter_no_term(output: str) -> None:
    network = tiny(output=output)
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(4, len(WORDS), (3, 12), generator=rng)
    noise, start = (torch.randn(3, 12, 8, generator=rng) for _ in range(2))
    clean = torch.ones(3, 12, dtype=torch.bool)
    for row, (first, last) in enumerate([(2, 5), (0, 12), (7, 8)]):
        clean[row, first:last] = False
    t = torch.full((3,), 700)
    with torch.no_grad():
        got = losses(network, ids, t, noise, start, clean)
        words = network.embedding(ids)
        x0 = words + initial_std(network.schedule) * start
        a = float(network.schedule.alpha_bar[700])
        x_t = torch.where(clean[..., None], words, a**0.5 * x0 + (1 - a) ** 0.5 * noise)
        known = ids.masked_fill(~clean, -1)
        error = (x0 - network.x0(x_t, t, known=known)).square()
        entropy = F.cross_entropy(network.logits(x0).transpose(1, 2), ids, reduction="none")
        for row in range(3):
            free = ~clean[row]
            assert float(got["mse"][row]) == pytest.approx(float(error[row, free].mean()), rel=1e-5)
            assert float(got["rounding"][row]) == pytest.approx(
                float(entropy[row, free].mean()), rel=1e-5
            )
        # what noise the clean positions would have had makes no difference
        other = torch.where(clean[..., None], torch.randn(3, 12, 8, generator=rng), noise)
        again = losses(network, ids, t, other, start, clean)
        all_noised = losses(network, ids, t, noise, start)
    for name, value in got.items():
        torch.testing.assert_close(value, again[name])
        torch.testing.assert_close(value[1], all_noised[name][1])


def test_where_contexts_are() -> None:
    """START comes first, END and PAD belong to the context, a middle may be cut off."""
    found = around([(2, 4), (0, 1), (4, 6), (5, 7)], 6)
    free = [[i for i in range(6) if not row[i]] for row in found.tolist()]
    assert free == [[3, 4], [1], [5], []]


def test_middles_alone_are_noised_in_training(tmp_path: Path) -> None:
    """Words that repeat the first one: known from the clean context under any noise."""
    train = TrainConfig(steps=400, batch=16, lr=5e-3, every=400, bf16=False)
    config = dataclasses.replace(CONFIG, output="words", clean_contexts=1.0, steps=50, train=train)
    texts = [(w, w, w) for w in "abcdefgh"] * 4 + [("a",) * 20]
    middles = [(1, 2)] * 32 + [(15, 16)]  # the last is cut off and left out
    device = torch.device("cpu")
    both = middles, middles
    train_diffusion(tmp_path, texts, texts, WORDS, config, 0, device=device, middles=both)
    last = json.loads((tmp_path / "curve.jsonl").read_text().splitlines()[-1])
    assert last["valid_anchor"] < 0.2  # log 8 = 2.08 where the noise is all
    with pytest.raises(UserError, match="needs window=3"):
        train_diffusion(tmp_path, texts, texts, WORDS, config, 0, device=device)


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UserError, match="clean_contexts=1.5: from 0 to 1"):
        dataclasses.replace(CONFIG, clean_contexts=1.5)


def test_words_output_predicts_x0_alone() -> None:
    with pytest.raises(UserError, match="output=words predicts x0, not eps"):
        dataclasses.replace(CONFIG, output="words", predict="eps")
    with pytest.raises(UserError, match="embedding_std=.*above 0"):
        dataclasses.replace(CONFIG, embedding_std=0.0)


def test_words_output_trains_from_log_frequencies_and_comes_back(tmp_path: Path) -> None:
    still = TrainConfig(steps=1, batch=2, lr=0.0)
    config = dataclasses.replace(CONFIG, output="words", train=still)
    texts, device = [tuple("ab"), tuple("acd")], torch.device("cpu")
    train_diffusion(tmp_path, texts, texts[:1], WORDS, config, 0, device=device)
    network, _ = load_diffusion(tmp_path, device)
    assert isinstance(network, ScoreInterpolation)
    frequencies = network.prior.exp()
    assert float(frequencies[WORDS.ids["a"]]) == pytest.approx(3 / 24)  # two of 24, and one
    assert float(frequencies[WORDS.ids["PAD"]]) == pytest.approx(16 / 24)


def test_words_output_reads_known_positions_as_words_and_keeps_their_latents() -> None:
    network = wordy()
    known = torch.full((2, 12), -1)
    known[:, :5] = 5
    fixed = known >= 0
    index = torch.full((2,), 1900)
    with torch.no_grad():
        x = torch.randn(2, 12, 8)
        plain, told = network.x0(x, index), network.x0(x, index, known=known)
        assert torch.equal(told[fixed], x[fixed])
        assert not torch.equal(told[~fixed], plain[~fixed])
        # whatever latents they have: the word is known
        other = torch.where(fixed[..., None], torch.randn(2, 12, 8), x)
        assert torch.equal(network.x0(other, index, known=known)[~fixed], told[~fixed])
        none = network.x0(x, index, known=torch.full((2, 12), -1))
    torch.testing.assert_close(none, plain)


def test_guidance_differentiates_through_the_words_output() -> None:
    """The gradient of the estimate by finite differences, the network's own input included."""
    network = tiny(output="words")
    network.requires_grad_(False)
    torch.manual_seed(1)
    x, direction = torch.randn(1, 12, 8), torch.randn(1, 12, 8)
    index, weights = torch.tensor([900]), torch.randn(1, 12, 8)

    def value(at: torch.Tensor) -> torch.Tensor:
        return (network.x0(at, index) * weights).sum()

    (gradient,) = torch.autograd.grad(value(x.requires_grad_()), x)
    step = 1e-2
    with torch.no_grad():
        slope = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=0.02)
