"""One file for each baseline, and the registry of all methods."""

from tasks.registry import Registry

METHODS = Registry(
    "method",
    {
        "diffusion_lm": "models.diffusion_lm:DiffusionLM",
        "fudge": "baselines.fudge:Fudge",
        "ft_sample": "baselines.finetuned:FTSample",
        "ft_search": "baselines.finetuned:FTSearch",
    },
)
