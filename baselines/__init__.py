"""One file for each baseline, and the registry of all methods."""

from __future__ import annotations

from collections.abc import Sequence

from baselines.own import MethodRegistry

METHODS = MethodRegistry(
    "method",
    {
        "diffusion_lm": "models.diffusion_lm.method:DiffusionLM",
        "pplm": "baselines.pplm.method:PPLM",
        "fudge": "baselines.fudge.method:Fudge",
        "ft_sample": "baselines.finetuned.method:FTSample",
        "ft_search": "baselines.finetuned.method:FTSearch",
        "ft_poe": "baselines.finetuned.method:FTPoE",
        "ar_infilling": "baselines.ar_infilling.method:ARInfilling",
        "left_only": "baselines.left_only.method:LeftOnly",
        "delorean": "baselines.delorean.method:Delorean",
        "cold": "baselines.cold.method:Cold",
    },
)
#: the methods of the paper's Table 5; those of the control tasks are the others and Diffusion-LM
INFILLERS = ("left_only", "delorean", "cold", "diffusion_lm", "ar_infilling")


def suited(tasks: Sequence[str]) -> list[str]:
    """The methods that ``method=all`` stands for under these tasks."""
    infilling = [task == "infilling" for task in tasks]
    if all(infilling):
        return list(INFILLERS)
    if any(infilling):
        return list(METHODS)
    return [name for name in METHODS if name == "diffusion_lm" or name not in INFILLERS]
