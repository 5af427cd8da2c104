"""Prompting a model behind a server with OpenAI's interface, against a stand-in on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from test_prompted import CORPUS, TARGETS
from test_steering import content

from baselines.prompted.card import PromptedSettings
from baselines.prompted.endpoint import Endpoint
from baselines.prompted.method import Prompted
from models.base import stream_seed
from tasks import load_task
from tasks.base import Target
from tasks.common.errors import UserError
from tasks.common.recipe import settings
from tasks.controls import AllOf, FieldValue, Length


class Server:
    """A stand-in on loopback. ``script``: what it answers, in turn, the last again and again: a
    status with a body, or a number of seconds to be silent for. ``asked``: path, headers in small
    letters, body."""

    def __init__(self) -> None:
        self.script: list[Any] = []
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.headers: dict[str, str] = {}
        server, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(data)
                with lock:
                    at = min(len(server.asked), len(server.script) - 1)
                    own = {name.lower(): value for name, value in self.headers.items()}
                    server.asked.append((self.path, own, body))
                    answer = server.script[at] if server.script else said(body)
                if isinstance(answer, float):
                    time.sleep(answer)
                    answer = 200, said(body)[1]
                status, content = answer
                raw = content if isinstance(content, bytes) else json.dumps(content).encode()
                try:
                    self.send_response(status)
                    for name, value in server.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(raw)))
                    self.end_headers()
                    self.wfile.write(raw)
                except OSError:  # who asked has gone
                    pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def said(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Words that follow from the seed."""
    text = f'"It is number {body["seed"] % 1000}."'
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    return 200, {"choices": [choice], "usage": {"completion_tokens": 7}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def elsewhere(server: Server, **options: Any) -> Prompted:
    given = {"endpoint": server.url, "model": "toy", "shots": 1, "retries": 2, **options}
    made = PromptedSettings(**given)
    return Prompted(Endpoint(made), CORPUS, load_task("length"), made)


def sampled(server: Server, targets: Sequence[Target] = TARGETS, **options: Any) -> Any:
    return content(elsewhere(server, **options).generate(targets, 3, seed=0))


def test_a_server_is_asked_with_everything_that_matters(server: Server) -> None:
    generator = elsewhere(server, temperature=0.7, top_p=0.9, endpoint=f"{server.url}/")
    (result,) = generator.generate(TARGETS[:1], 2, seed=5)
    assert len(server.asked) == 2
    by_seed = {body["seed"]: (path, headers, body) for path, headers, body in server.asked}
    for sample in result.samples:
        seed = stream_seed(5, "prompted", "t12", sample.index) % 2**31
        path, headers, body = by_seed[seed]
        assert path == "/v1/chat/completions" and "authorization" not in headers
        assert sample.words == ("It", "is", "number", str(seed % 1000), ".")
        assert (sample.nfe, sample.tokens[:2]) == (7.0, ('"It', "is"))
        assert (body["model"], body["temperature"], body["top_p"]) == ("toy", 0.7, 0.9)
        assert body["max_tokens"] == generator.limit
        wanted = generator.prompts(TARGETS[:1], 5)[0][0]
        assert [(m["role"], m["content"]) for m in body["messages"]] == wanted


def test_batches_and_order_do_not_matter_elsewhere(server: Server) -> None:
    whole = sampled(server)
    assert sampled(server, TARGETS[::-1], parallel=1) == whole
    generator = elsewhere(server)
    assert content(generator.generate(TARGETS, 3, seed=0, batch=2)) == whole


def test_a_busy_server_is_asked_again(server: Server) -> None:
    server.script = [(429, {}), (503, b"busy"), said({"seed": 1})]
    (result,) = elsewhere(server).generate(TARGETS[:1], 1, seed=0)
    assert len(server.asked) == 3 and result.samples[0].words[:2] == ("It", "is")
    server.asked.clear()
    server.script, server.headers = [(429, {"error": "slow down"})], {"Retry-After": "0"}
    with pytest.raises(UserError, match="answers 429 after 3 tries .*slow down") as caught:
        list(elsewhere(server).generate(TARGETS[:1], 1, seed=0))
    assert len(server.asked) == 3 and "\n" not in str(caught.value)


def test_a_server_that_does_not_answer(server: Server) -> None:
    server.script = [0.6, said({"seed": 1})]
    (result,) = elsewhere(server, timeout=0.2).generate(TARGETS[:1], 1, seed=0)
    assert len(server.asked) == 2 and result.samples[0].words
    server.asked.clear()
    server.script = [0.6]
    with pytest.raises(UserError, match=r"gives no answer in 2 tries of 0\.1 seconds"):
        list(elsewhere(server, timeout=0.1, retries=1).generate(TARGETS[:1], 1, seed=0))


def message(content: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": content}}]}


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        ((401, {}), "asks for a key: set the environment variable OPENAI_API_KEY"),
        ((404, {"error": "no model toy"}), "answers 404 .*no model toy"),
        ((302, b""), "answers 302"),
        ((200, b"<html>\nno JSON\x1b[31m"), r"answers no chat completion \(<html> no JSON"),
        ((200, []), "no chat completion"), ((200, {"choices": []}), "no chat completion"),
        ((200, {"choices": [{"message": None}]}), "no chat completion"),
        ((200, message(3)), "answers no text"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_one_line(server: Server, answer: Any, match: str) -> None:
    server.script = [answer]
    with pytest.raises(UserError, match=match) as caught:
        list(elsewhere(server).generate(TARGETS[:1], 1, seed=0))
    assert str(caught.value).startswith(f"prompted.endpoint={server.url} ")
    assert str(caught.value).isprintable()
    assert len(server.asked) == 1


def test_an_answer_without_text_is_an_empty_one(server: Server) -> None:
    server.script = [(200, message(None)), (200, message(""))]
    (result,) = elsewhere(server, parallel=1).generate(TARGETS[:1], 2, seed=0)
    assert [(one.words, one.nfe) for one in result.samples] == [((), 1.0)] * 2


def test_a_server_that_is_not_there(server: Server) -> None:
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(UserError, match=r"cannot be reached \(Connection refused\)") as caught:
        list(elsewhere(server, retries=1).generate(TARGETS[:1], 1, seed=0))
    assert str(caught.value).isprintable()


def test_a_key_comes_from_the_environment_and_goes_nowhere_else(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    generator = elsewhere(server, key_variable="MY_KEY")
    list(generator.generate(TARGETS[:1], 1, seed=0))
    ((_, headers, body),) = server.asked
    assert headers["authorization"] == "Bearer sk-secret" and "sk-secret" not in json.dumps(body)
    assert "secret" not in repr(generator.settings) + repr(vars(generator.asked))
    stored = settings(generator.settings)
    assert stored == {"endpoint": server.url, "model": "toy", "shots": 1}
    for status in (401, 403, 400):
        server.script = [(status, {"error": "wrong key sk-secret"})]
        with pytest.raises(UserError, match="MY_KEY|answers 400") as caught:
            list(generator.generate(TARGETS[:1], 1, seed=0))
        assert "secret" not in str(caught.value)


def test_a_key_or_a_proxy_that_cannot_be_is_one_line(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value, match in (
        ("MY_KEY", "schl\u00fcssel", "MY_KEY holds letters that no key has"),
        ("ALL_PROXY", "nonsense://x", "cannot be asked through the proxy"),
    ):
        with monkeypatch.context() as only:
            only.setenv(variable, value)
            with pytest.raises(UserError, match=match):
                list(elsewhere(server, key_variable="MY_KEY").generate(TARGETS[:1], 1, seed=0))
    assert not server.asked


def test_a_composition_is_asked_for_in_one_sentence(server: Server) -> None:
    made = PromptedSettings(endpoint=server.url, model="toy", shots=2)
    task = load_task("semantic_content+length")
    generator = Prompted(Endpoint(made), CORPUS, task, made)
    pair = AllOf((Length(9), FieldValue("name", "The Mill")))
    list(generator.generate([Target("t", pair)], 1, seed=0))
    ((_, _, body),) = server.asked
    last = body["messages"][-1]["content"]
    assert "The text has 9 words, and the text says that its name is The Mill." in last
    for turn in body["messages"][:-1:2]:
        assert ", and the text says that " in turn["content"]
