"""When a text has settled, and what is left of a batch then."""

import pytest
import torch
from torch import Tensor

from models.diffusion.config import SamplingConfig
from models.diffusion.gaussian import Gaussian
from models.diffusion.latents.config import DiffusionConfig
from models.diffusion.latents.decoding import InfillingConfig, check_decoding
from models.diffusion.latents.settling import Settling
from models.diffusion.loop import Noise, walk
from models.diffusion.schedule import make_schedule
from models.nets.finite import NotFinite
from tasks.common.errors import UserError

CPU = torch.device("cpu")
STEPS = 20
#: level -> the word of each of three rows of one position; below level 5 signal outweighs noise
SAID = {
    7: (1, 1, 1),
    6: (1, 1, 1),
    5: (1, 2, 1),
    4: (1, 2, 3),
    3: (1, 2, 3),
    2: (1, 3, 3),
    1: (1, 3, 3),
}


def settling(patience: int, costs: list[int]) -> Settling:
    def words(x: Tensor) -> Tensor:
        return x[..., 0].long()

    return Settling(3, patience, make_schedule("sqrt", STEPS), words, lambda: costs[-1])


def latents(words: tuple[int, ...]) -> Tensor:
    return torch.tensor(words, dtype=torch.float32).view(-1, 1, 1)


def test_a_text_ends_when_its_words_were_the_same_for_so_long() -> None:
    schedule = make_schedule("sqrt", STEPS)
    first = max(t for t in range(STEPS) if schedule.alpha_bar[t] > 0.5)
    assert first == 4
    costs, rows, kept = [0], [0, 1, 2], list[list[int]]()
    leave = settling(1, costs)

    class Holder:
        def keep(self, rows: Tensor) -> None:
            kept.append(rows.tolist())

    leave.holders.append(Holder())
    for t, said in SAID.items():
        costs.append(costs[-1] + 3)
        going = leave(latents(tuple(said[row] for row in rows)), t)
        if going is not None:
            rows = [rows[i] for i in going.tolist()]
    # compared from level 4 on: at 3 all three have said the same twice
    assert kept == [] and rows == [] and set(leave.spent) == {0, 1, 2}
    assert leave.costs(3, 99.0) == [STEPS - 3 + 15.0] * 3
    leave, rows = settling(2, [7]), [0, 1, 2]
    for t, said in SAID.items():
        going = leave(latents(tuple(said[row] for row in rows)), t)
        if going is not None:
            rows = [rows[i] for i in going.tolist()]
    assert rows == [1], "its word changed at level 2"
    assert leave.costs(3, 99.0) == [STEPS - 2 + 7.0, 99.0, STEPS - 2 + 7.0]


def test_the_rows_of_a_walk_end_where_their_estimates_stood() -> None:
    """Row i says i + 1 from its own step on; each ends as it would alone, and a row that is not
    finite is named by its place in the whole batch."""
    schedule = make_schedule("sqrt", STEPS)

    def run(rows: list[int], broken: int | None = None) -> Tensor:
        here = list(rows)
        rngs = [torch.Generator().manual_seed(row) for row in rows]
        noise = Noise(rngs, (1, 2))

        def estimate(x: Tensor, t: int, previous: Tensor | None) -> Tensor:
            out = 0.1 * x
            for place, row in enumerate(here):
                out[place, 0, 0] = row + 1 if t < 4 - row else t
                if row == broken and t < 2:
                    out[place] = torch.nan
            return out

        leave = Settling(len(rows), 1, schedule, lambda x: x[..., 0].round().long(), lambda: 0)

        class Here:
            def keep(self, rows: Tensor) -> None:
                here[:] = [here[i] for i in rows.tolist()]

        leave.holders += [noise, Here()]
        return walk(estimate, Gaussian(schedule, "ancestral"), noise, CPU, leave=leave)

    together = run([0, 1, 2, 3])
    for row in range(4):
        assert torch.equal(run([row])[0], together[row])
    with pytest.raises(NotFinite) as caught:
        run([0, 1, 2, 3], broken=3)
    assert caught.value.row == 3


def test_where_nothing_settles() -> None:
    with pytest.raises(UserError, match="ends whole texts"):
        InfillingConfig(sampling=SamplingConfig(settled=2))
    words = DiffusionConfig(
        output="words", reads="latents", normalised=True, objective="words", steps=200
    )
    with pytest.raises(UserError, match=r"x\.settled reads what estimates round to"):
        check_decoding(words, SamplingConfig(steps=20, settled=2), "x")
