"""A language model behind a server with OpenAI's chat interface."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError, ReadTimeoutError
from urllib3.util.retry import Retry

from baselines.prompted.asked import Said
from baselines.prompted.shots import Messages
from models.base import stream_seed
from models.jobs import Job
from tasks.base import Target
from tasks.common.errors import UserError

#: what a server answers that may answer otherwise a little later
AGAIN = (408, 429, 500, 502, 503, 504)
#: seconds until the second try; each wait is twice the one before, and none is longer than a minute
BACKOFF, LONGEST = 0.5, 60
#: letters of a server's own words that an error quotes
QUOTED = 120
#: servers take seeds of 31 bits
SEEDS = 2**31


class Key(AuthBase):
    """The key, from the environment and into the request, where nothing shows or stores it."""

    def __init__(self, variable: str) -> None:
        self.variable = variable

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if key := os.environ.get(self.variable, "").strip():
            request.headers["Authorization"] = f"Bearer {key}"
        return request


class Endpoint:
    """A :class:`baselines.prompted.asked.Asked`; ``settings``: those of its method."""

    def __init__(self, settings: Any) -> None:
        self.settings, self.address = settings, settings.endpoint.rstrip("/")
        retry = Retry(
            total=settings.retries, connect=0, redirect=0, other=0, allowed_methods=None,
            status_forcelist=AGAIN, raise_on_status=False, backoff_factor=BACKOFF,
            backoff_max=LONGEST, retry_after_max=LONGEST,
        )  # fmt: skip
        self.session = requests.Session()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=256))

    def given(self, ways: Sequence[Messages], target: Target, limit: int) -> Messages:
        """With all examples: how much the model reads is not known."""
        return ways[0]

    def alike(self, given: Messages) -> object:
        return None

    def rows(self, batch: int) -> int:
        return batch

    def answers(
        self, name: str, jobs: Sequence[Job[Messages]], seed: int, limit: int
    ) -> list[Said]:
        """Several are asked at once, each with a seed of the sample's own. Raises ``UserError``, in
        one line, for a server that cannot be reached, refuses or answers something else."""
        with ThreadPoolExecutor(self.settings.parallel) as pool:
            waiting = [
                pool.submit(
                    self._answer,
                    job.given,
                    stream_seed(seed, name, job.target.id, job.index) % SEEDS,
                    limit,
                )
                for job in jobs
            ]
            try:
                return [one.result() for one in waiting]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _answer(self, messages: Messages, seed: int, limit: int) -> Said:
        options = self.settings
        body = {
            "model": options.model,
            "messages": [{"role": role, "content": said} for role, said in messages],
            "temperature": options.temperature,
            "top_p": options.top_p,
            "max_tokens": limit,
            "seed": seed,
        }
        try:
            response = self.session.post(
                f"{self.address}/chat/completions", json=body, timeout=options.timeout,
                auth=Key(options.key_variable), allow_redirects=False,
            )  # fmt: skip
        except requests.RequestException as error:
            raise self._wrong(self._unreached(error)) from None
        if response.status_code in (401, 403):
            there = os.environ.get(options.key_variable, "").strip()
            what = "refuses the key in" if there else "asks for a key: set"
            raise self._wrong(f"{what} the environment variable {options.key_variable}")
        if response.status_code != 200:
            again = f" after {options.retries + 1} tries" if response.status_code in AGAIN else ""
            raise self._wrong(f"answers {response.status_code}{again}{self._quoted(response)}")
        try:
            answer = response.json()
            said = answer["choices"][0]["message"]["content"]
            spent = (answer.get("usage") or {}).get("completion_tokens")
        except (ValueError, LookupError, TypeError, AttributeError):
            raise self._wrong(f"answers no chat completion{self._quoted(response)}") from None
        if not isinstance(said, str | None):
            raise self._wrong(f"answers no text{self._quoted(response)}")
        said = (said or "").encode("utf-8", "replace").decode("utf-8")
        tokens = tuple(said.split())
        if not isinstance(spent, int) or isinstance(spent, bool) or spent < 0:
            spent = len(tokens) + 1
        return Said(said, tokens, float(spent))

    def _unreached(self, error: requests.RequestException) -> str:
        cause = error.args[0] if error.args else None
        reason = cause.reason if isinstance(cause, MaxRetryError) else cause
        if isinstance(error, requests.Timeout) or isinstance(reason, ReadTimeoutError):
            options = self.settings
            tries = f"{options.retries + 1} tries of {options.timeout:g} seconds"
            return f"gives no answer in {tries} (prompted.timeout)"
        root: BaseException = error
        while root.__cause__ or root.__context__:
            root = root.__cause__ or root.__context__ or root
        said = " ".join(str(getattr(root, "strerror", None) or root).split())[:QUOTED]
        return f"cannot be reached ({said or type(root).__name__})"

    def _quoted(self, response: requests.Response) -> str:
        """The beginning of what the server said, the key taken out of it."""
        said = " ".join(response.text.split())
        if key := os.environ.get(self.settings.key_variable, "").strip():
            said = said.replace(key, "...")
        said = "".join(letter if letter.isprintable() else "?" for letter in said[:QUOTED])
        return f" ({said})" if said else ""

    def _wrong(self, what: str) -> UserError:
        return UserError(f"prompted.endpoint={self.address} {what}")
