"""A language model behind a server with OpenAI's chat interface, asked through OpenAI's client."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import openai
from openai.types.chat import ChatCompletionMessageParam

from baselines.prompted.asked import Said
from baselines.prompted.shots import Messages
from models.base import stream_seed
from models.jobs import Job
from tasks.base import Target
from tasks.common.errors import UserError

#: what the client asks again for, beside a server's own faults
AGAIN = (408, 409, 429)
#: letters of a server's own words that an error quotes
QUOTED = 120
#: servers take seeds of 31 bits
SEEDS = 2**31


class Endpoint:
    """A :class:`baselines.prompted.asked.Asked`; ``settings``: those of its method."""

    def __init__(self, settings: Any) -> None:
        self.settings, self.address = settings, settings.endpoint.rstrip("/")

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
        options = self.settings
        with (
            self._http() as http,
            ThreadPoolExecutor(options.parallel) as pool,
        ):
            client = openai.OpenAI(
                api_key=self._key or "none", base_url=self.address, timeout=options.timeout,
                max_retries=options.retries, http_client=http,
            )  # fmt: skip
            ask = partial(self._answer, client, limit)
            seeds = [stream_seed(seed, name, job.target.id, job.index) % SEEDS for job in jobs]
            waiting = [
                pool.submit(ask, job.given, own) for job, own in zip(jobs, seeds, strict=True)
            ]
            try:
                return [one.result() for one in waiting]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _http(self) -> Any:
        try:
            return openai.DefaultHttpxClient(follow_redirects=False)
        except (ImportError, ValueError) as error:
            raise self._wrong(f"cannot be asked through the proxy that is set ({error})") from None

    @property
    def _key(self) -> str:
        """From the environment and into the request, where nothing shows or stores it."""
        variable = self.settings.key_variable
        key = os.environ.get(variable, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise UserError(f"the environment variable {variable} holds letters that no key has")
        return key

    def _answer(self, client: openai.OpenAI, limit: int, messages: Messages, seed: int) -> Said:
        options = self.settings
        try:
            response = client.chat.completions.with_raw_response.create(
                model=options.model,
                messages=[
                    cast(ChatCompletionMessageParam, {"role": role, "content": said})
                    for role, said in messages
                ],
                temperature=options.temperature,
                top_p=options.top_p,
                max_tokens=limit,
                seed=seed,
                extra_headers={} if self._key else {"Authorization": openai.Omit()},
            ).http_response
        except openai.APITimeoutError:
            tries = f"{options.retries + 1} tries of {options.timeout:g} seconds"
            raise self._wrong(f"gives no answer in {tries} (prompted.timeout)") from None
        except openai.APIConnectionError as error:
            raise self._wrong(f"cannot be reached ({_root(error)})") from None
        except (openai.AuthenticationError, openai.PermissionDeniedError):
            what = "refuses the key in" if self._key else "asks for a key: set"
            raise self._wrong(f"{what} the environment variable {options.key_variable}") from None
        except openai.APIStatusError as error:
            again = error.status_code in AGAIN or error.status_code >= 500
            after = f" after {options.retries + 1} tries" if again else ""
            said = self._quoted(error.response.text)
            raise self._wrong(f"answers {error.status_code}{after}{said}") from None
        try:
            answer = response.json()
            said = answer["choices"][0]["message"]["content"]
            spent = (answer.get("usage") or {}).get("completion_tokens")
        except (ValueError, LookupError, TypeError, AttributeError):
            raise self._wrong(f"answers no chat completion{self._quoted(response.text)}") from None
        if not isinstance(said, str | None):
            raise self._wrong(f"answers no text{self._quoted(response.text)}")
        said = (said or "").encode("utf-8", "replace").decode("utf-8")
        tokens = tuple(said.split())
        if not isinstance(spent, int) or isinstance(spent, bool) or spent < 0:
            spent = len(tokens) + 1
        return Said(said, tokens, float(spent))

    def _quoted(self, text: str) -> str:
        """The beginning of what the server said, the key taken out of it."""
        said = " ".join(text.split())
        said = said.replace(self._key, "...") if self._key else said
        said = "".join(letter if letter.isprintable() else "?" for letter in said[:QUOTED])
        return f" ({said})" if said else ""

    def _wrong(self, what: str) -> UserError:
        return UserError(f"prompted.endpoint={self.address} {what}")


def _root(error: BaseException) -> str:
    """What the system said of it."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    said = " ".join(str(getattr(error, "strerror", None) or error).split())[:QUOTED]
    return said or type(error).__name__
