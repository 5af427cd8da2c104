"""``python -m eval.hub push|pull key=value ...``: trained artefacts to and from a model hub.

  python -m eval.hub push artefact=results/prebuilt/lm-8b027dada677229b repo=me/name
  python -m eval.hub push artefact=classifier:length preset=small data=DIR repo=me/name
  python -m eval.hub pull repo=me/name

``push`` uploads the files that the artefact was sealed with and a model card made from them
(README.md: settings, corpus, last point of the training curve, digests, how to load it).
``pull`` fetches them, holds them to their digests and puts them into the store, where every
command that asks for this artefact finds it; into=DIR is another folder, to be given as
prebuilt=DIR. No code comes with an artefact, and nothing is unpickled.

Hub and account are those of huggingface_hub: hf auth login, HF_TOKEN, HF_ENDPOINT.

Keys of both:
  repo (str)
      owner/name; to pull, also a local folder
  revision (str) = the main branch
      a branch, which push makes where there is none; to pull, also a tag or a commit
Keys of push:
  artefact (str)
      the folder of an artefact, or a role under the other keys: diffusion, teacher,
      classifier:length
  private (bool) = false
      of a repository that is made now
  message (str) = the artefact's key
      of the commit
  license (str) = apache-2.0
      of the weights, as the hub names it; the corpus that they were trained on has its own
Keys of pull:
  into (str) = the store
      the folder that gets the artefact
and those of python -m eval.run, which say where artefacts lie (store=, prebuilt=) and which
settings a role has.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval.run import guarded
from eval.running.options import explains
from eval.running.values import read
from eval.targets import split
from tasks.common.errors import UserError, unknown

BOTH = ("repo", "revision")
KEYS = {"push": (*BOTH, "artefact", "private", "message", "license"), "pull": (*BOTH, "into")}


def main(given: Sequence[str]) -> None:
    if explains(given, __doc__):
        return
    if not given or "=" in given[0]:
        raise UserError("say push or pull first (see --help)")
    action = given[0]
    if action not in KEYS:
        raise unknown("action", action, KEYS)
    from eval.running.command import parse

    options, rest = split(given[1:], KEYS[action])
    for name in ("repo", "artefact") if action == "push" else ("repo",):
        if name not in options:
            raise UserError(f"{name}= is missing (see --help)")
    config = parse(rest)
    if action == "pull":
        from eval.running.hub import pull

        into = Path(options.get("into", config.store))
        folder = pull(options["repo"], into, options.get("revision"))
        print(f"{folder}  whole, as its digests say")
        if "into" in options:
            print(f"give prebuilt={into} to whatever is to find it")
        return
    from eval.running.hub import find, push

    where = push(
        find(options["artefact"], config),
        options["repo"],
        private=_truth(options, "private"),
        revision=options.get("revision"),
        message=options.get("message", ""),
        license=options.get("license", "apache-2.0"),
        places=[Path(config.store)],
    )
    print(where)


def _truth(options: Mapping[str, str], name: str) -> bool:
    try:
        return bool(read(bool, options.get(name, "false")))
    except ValueError as error:
        raise UserError(f"{name}={options[name]}: {error}") from None


if __name__ == "__main__":
    sys.exit(guarded(main, sys.argv[1:]))
