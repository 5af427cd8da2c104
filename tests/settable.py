"""Every key that any command takes, for tests that try them all."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import is_dataclass
from functools import cache
from typing import Any

import eval as commands
from eval.running.config import RunConfig
from eval.running.keys import Key, keys
from eval.running.presets import preset_config
from slurm.config import SweepConfig


@cache
def configs() -> dict[str, Any]:
    """By its class's name, each config of defaults that a command line overrides."""
    found: dict[str, Any] = {
        RunConfig.__name__: preset_config("demo", None),
        SweepConfig.__name__: SweepConfig(),
    }
    for info in pkgutil.walk_packages(commands.__path__, "eval."):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            own = isinstance(value, type) and value.__module__ == module.__name__
            if own and is_dataclass(value) and name.endswith(("Options", "VerifyConfig")):
                found[name] = value()
    return found


@cache
def every_key() -> list[tuple[str, str, Key]]:
    """(name of the config's class, dotted key, what it is) of each."""
    return [
        (owner, name, key)
        for owner, config in configs().items()
        for name, key in keys(type(config), config).items()
    ]
