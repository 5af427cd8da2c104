"""The cards of fine-tuned language models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from baselines.finetuned.settings import FTPoESettings, FTSampleSettings, FTSearchSettings
from models.base import PROMPTED, Card, of_parts
from models.nets.recipes import FINETUNED
from tasks import parts
from tasks.base import Task


@dataclass(frozen=True)
class SingleCard(Card):
    """Fine-tuned on one control."""

    def refuses(self, task: Task) -> str | None:
        if len(parts(task.name)) > 1:
            return "it is fine-tuned on single controls, which a product of experts composes"
        return super().refuses(task)


@dataclass(frozen=True)
class SearchCard(SingleCard):
    """A search finds one text."""

    def samples(self, settings: Any, asked: int) -> int:
        return min(1, asked)


@dataclass(frozen=True)
class ProductCard(Card):
    """One model for each part of a composition."""

    def refuses(self, task: Task) -> str | None:
        if len(parts(task.name)) < 2:
            return "a product of experts needs two controls"
        return super().refuses(task)

    def needs(self, task: Task | None, settings: Any) -> tuple[str, ...]:
        assert task is not None
        return of_parts("finetuned", task)


#: values that tuning and sweeps try: from few texts to those of the model itself
RANGES = {"temperature": ("0.5", "0.7", "0.85", "1")}
FT_SAMPLE = SingleCard(
    "ft_sample",
    "baselines.finetuned.method:FTSample",
    label="FT-sample",
    paper="Li et al. 2022, Diffusion-LM, section 6.3",
    order=80,
    colour=2,
    Settings=FTSampleSettings,
    uses=("finetuned",),
    brings=(FINETUNED,),
    trained=True,
    corner=("autoregressive", PROMPTED),
    ranges=RANGES,
)
FT_SEARCH = SearchCard(
    "ft_search",
    "baselines.finetuned.method:FTSearch",
    label="FT-search",
    paper="Li et al. 2022, Diffusion-LM, section 6.3",
    order=90,
    colour=3,
    Settings=FTSearchSettings,
    uses=("finetuned",),
    brings=(FINETUNED,),
    trained=True,
)
FT_POE = ProductCard(
    "ft_poe",
    "baselines.finetuned.method:FTPoE",
    label="FT-PoE",
    paper="Li et al. 2022, Diffusion-LM, Table 4",
    order=100,
    colour=5,
    Settings=FTPoESettings,
    brings=(FINETUNED,),
    trained=True,
    ranges=RANGES,
)
CARDS = (FT_SAMPLE, FT_SEARCH, FT_POE)
