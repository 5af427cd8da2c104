"""Constants and rules that decide samples and figures, each against a case worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines.candidates import repeats
from eval.reading.intervals import paired
from eval.reading.measured import measure
from eval.reading.names import TaskTraits
from eval.reading.results import ResultSet
from eval.reading.tables.grid import markdown, plain
from eval.reading.tables.run import run_tables
from eval.running.cells import write_lines
from models.diffusion import loop
from models.diffusion.config import GuidanceConfig
from models.diffusion.gaussian import Normal
from models.diffusion.guidance import Guidance
from models.diffusion.loop import Noise
from models.diffusion_lm.config import DiffusionLMSettings, guidance_for

# noise


def noises(shape: tuple[int, int], steps: int, seed: int = 3) -> torch.Tensor:
    noise = Noise([torch.Generator().manual_seed(seed)], shape)
    return torch.cat([noise() for _ in range(steps)])


@pytest.mark.parametrize("steps", [49, 50, 51, 120])
def test_noise_is_drawn_fifty_steps_at_a_time(steps: int) -> None:
    """torch draws normal values in blocks of 16, so that of a shape that does not fill them the
    number of steps that are drawn at once decides the values."""
    rng = torch.Generator().manual_seed(3)
    blocks = [torch.randn((50, 3, 5), generator=rng) for _ in range(3)]
    assert torch.equal(noises((3, 5), steps), torch.cat(blocks)[:steps])


@pytest.mark.parametrize("chunk", [1, 7, 51, 200])
def test_where_values_fill_blocks_of_sixteen_the_chunk_changes_nothing(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the presets' sequences do: their samples hang on no chunk."""
    expected = noises((6, 16), 120)
    monkeypatch.setattr(loop, "CHUNK", chunk)
    assert torch.equal(noises((6, 16), 120), expected)


# guidance


def drawn(seed: int) -> tuple[torch.Tensor, Normal]:
    """A drawn x_s and the move that it was drawn from."""
    rng = torch.Generator().manual_seed(seed)
    move = Normal(torch.randn(2, 3, 4, generator=rng), 0.2)
    return move.draw(lambda: torch.randn(2, 3, 4, generator=rng)), move


def curved(x: torch.Tensor, s: int) -> torch.Tensor:
    return -(x - 0.7).square().sum((1, 2))


def guided(config: GuidanceConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """x_s of a second diffusion step: after a first one, and of guidance that begins with it."""
    guidance = Guidance(curved, config)
    guidance(*drawn(1), 60)
    return guidance(*drawn(2), 59), Guidance(curved, config)(*drawn(2), 59)


def test_the_papers_accumulator_lives_for_one_diffusion_step() -> None:
    """Emptied at each of them, and kept within it over its three updates."""
    paper = guidance_for(DiffusionLMSettings(profile="paper"), "length")
    assert (paper.reset, paper.updates) == ("step", 3)
    after, fresh = guided(paper)
    assert torch.equal(after, fresh)
    # kept within: the second update is 1 / sqrt(2) of the first where the gradient stays the same
    slope = Guidance(lambda x, s: x.sum((1, 2)), GuidanceConfig(0.0, 0.1, 2, reset="step"))
    x, move = drawn(1)
    moved = slope(x, move, 60) - x
    torch.testing.assert_close(moved, torch.full_like(moved, 0.1 * (1 + 2**-0.5)))


def test_only_never_remembers_the_steps_before() -> None:
    for reset, forgets in (("update", True), ("step", True), ("never", False)):
        after, fresh = guided(GuidanceConfig(fluency=0.01, reset=reset))  # type: ignore[arg-type]
        assert torch.equal(after, fresh) == forgets, reset


# p-values


def one_sample_each(differences: list[float]) -> float:
    """p of two cells with one sample a target, which differ so."""
    first = [[10.0 + d] for d in differences]
    return paired((first, None), ([[10.0]] * len(differences), None)).p


def test_p_of_few_targets_counts_every_exchange() -> None:
    """The share of the sums of +-d that are as far from zero."""
    # +-1 +-2: 3, 1, -1, -3
    assert one_sample_each([1.0, 2.0]) == one_sample_each([-1.0, -2.0]) == 2 / 4
    assert one_sample_each([1.0] * 6) == 2 / 64
    # +-1 +-3: 4, 2, -2, -4, and 2 was seen
    assert one_sample_each([1.0, -3.0]) == 1
    # +-1 +-1 +-3: 1 was seen; all but +1 -1 ... reach it
    assert one_sample_each([1.0, 1.0, -3.0]) == 1
    assert one_sample_each([2.0, 2.0, 3.0]) == 2 / 8


def test_p_of_many_targets_counts_what_was_seen_as_one_more() -> None:
    assert one_sample_each([1.0] * 60) == 2 / 10_000


def test_p_of_one_target_shuffles_its_samples() -> None:
    """1, 1, 1 against 0, 0, 0: two of the twenty choices of three are as far apart."""
    found = paired(([[1.0, 1.0, 1.0]], None), ([[0.0, 0.0, 0.0]], None))
    assert found.p == pytest.approx(0.1, abs=0.02)


# repeats

TASK = TaskTraits(
    "length",
    "Length",
    metrics={"exact": "same length"},
    headlines=("exact",),
    paper_metrics=frozenset(),
)


def fill(cell: Path, texts: dict[str, list[str]]) -> None:
    places = [(t, i, text) for t, row in texts.items() for i, text in enumerate(row)]
    write_lines(
        cell / "scores.jsonl",
        [{"target": t, "index": i, "scores": {"exact": 1.0}} for t, i, _ in places],
    )
    write_lines(
        cell / "samples.jsonl",
        [{"target": t, "index": i, "words": text.split(), "nfe": 1.0} for t, i, text in places],
    )


def test_repeats_are_counted_within_each_target(tmp_path: Path) -> None:
    """Texts that two targets share are none; of the floor, which has one stand-in target, all
    equal ones are."""
    fill(tmp_path / "length" / "fudge", {"t1": ["a b", "a b", "a b", "c"], "t2": ["a b"]})
    fill(tmp_path / "unconditional", {"unconditional": ["a", "a", "b", "c"]})
    fill(tmp_path / "length" / "unconditional", {"t1": ["a", "a", "b", "c"]})
    write_lines(tmp_path / "length" / "targets.jsonl", [])
    measured = measure(ResultSet(tmp_path), TASK, ["fudge"], refused={}, corpus="e2e")
    rows = {row.method: row for row in measured.rows}
    assert rows["fudge"].duplicates == 2 / 5
    assert rows["unconditional"].duplicates == 1 / 4
    grid = run_tables(measured)[0]
    column = [column.title for column in grid.columns].index("repeats")
    shown = {plain(row[0]): plain(row[column]) for row in grid.rows}
    assert shown["fudge"] == "40.0 %" and shown["unconditional"] == "25.0 %"
    (line,) = (row for row in markdown(grid).splitlines() if row.startswith("| fudge"))
    assert line.endswith("| 40.0 % | 1.8 |")  # and the length


def test_a_text_that_repeats_itself() -> None:
    """Five characters or more, space included, four times in a row."""
    assert repeats(("four",) * 4) and not repeats(("four",) * 3)
    assert not repeats(("abc",) * 7)  # units of 4 are too short, and of 8 there are three
    assert repeats(("abc",) * 8)
