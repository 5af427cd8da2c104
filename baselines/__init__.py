"""One file for each baseline, and the registry of all methods."""

from __future__ import annotations

from baselines.own import MethodRegistry

METHODS = MethodRegistry(
    "method",
    {
        "diffusion_lm": "models.diffusion_lm:DiffusionLM",
        "pplm": "baselines.pplm:PPLM",
        "fudge": "baselines.fudge:Fudge",
        "ft_sample": "baselines.finetuned:FTSample",
        "ft_search": "baselines.finetuned:FTSearch",
        "ft_poe": "baselines.finetuned:FTPoE",
    },
)
