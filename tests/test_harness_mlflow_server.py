"""MLflow's server: its pages, its versions, and what else a server may answer."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from harness.errors import ParseError
from harness.storage.inputs import load
from harness.trackers import api, mlflow_rest

LARGEST = 1.7976931348623157e308


class Server:
    """A server whose answers are functions of the question, by path."""

    def __init__(self):
        self.answers, self.seen = {}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = {k: v[0] for k, v in parse_qs(url.query).items()}
                asked |= json.loads(body) if body else {}
                outer.seen.append((url.path, asked, self.headers.get("Authorization")))
                name = url.path.rpartition("/mlflow/")[2]
                status, content = outer.answers.get(name, lambda _: (404, MISSING))(asked)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                if status == 302:
                    self.send_header("Location", "https://elsewhere/login?token=secret")
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_):
                """Nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"


MISSING = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such thing"}
EXPERIMENT = {"experiment": {"experiment_id": "3", "name": "port", "lifecycle_stage": "active"}}
INFO = {"run_id": "a" * 32, "run_name": "seed", "status": "FINISHED", "start_time": "5"}
DATA = {"metrics": [{"key": "loss"}], "params": [{"key": "lr", "value": "0.1"}]}
RUN = {"info": {**INFO, "lifecycle_stage": "active"}, "data": DATA}
POINTS = [{"key": "loss", "value": value, "timestamp": str(i), "step": str(i)}
          for i, value in enumerate([5.0, "NaN", LARGEST, "-Infinity", 3.0])]  # fmt: skip
VALUES = [5.0, np.nan, np.inf, -np.inf, 3.0]


def of_port(asked):
    return (200, EXPERIMENT) if asked["experiment_name"] == "port" else (404, MISSING)


def paged(asked):
    """Two points a page."""
    at = int(asked.get("page_token", 0))
    more = {"next_page_token": str(at + 2)} if at + 2 < len(POINTS) else {}
    return 200, {"metrics": POINTS[at : at + 2], **more}


@pytest.fixture
def server(monkeypatch):
    for name in ("USERNAME", "PASSWORD", "TOKEN", "URI"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    running = Server()
    running.answers = {
        "experiments/get-by-name": of_port,
        "experiments/search": lambda _: (200, {"experiments": [EXPERIMENT["experiment"]]}),
        "runs/search": lambda _: (200, {"runs": [RUN]}),
        "metrics/get-history": paged,
    }
    yield running
    running.http.shutdown()
    running.http.server_close()


def test_a_server_is_read_page_by_page(server):
    (run,) = load(f"mlflow:{server.url}!port/seed")
    assert np.array_equal(run.series[0].values, VALUES, equal_nan=True)
    assert run.facts["learning_rate"] == 0.1
    histories = [asked for path, asked, _ in server.seen if path.endswith("get-history")]
    assert [asked.get("page_token") for asked in histories] == [None, "2", "4"]
    assert {asked["max_results"] for asked in histories} == {str(mlflow_rest.PAGE)}


def test_a_server_of_an_older_version_answers_at_once_and_names_runs_by_tag(server):
    tags = [{"key": "mlflow.runName", "value": "old"}]
    old = {"info": {**RUN["info"], "run_name": None}, "data": {**DATA, "tags": tags}}
    old["info"]["run_uuid"] = old["info"].pop("run_id")
    server.answers["runs/search"] = lambda _: (200, {"runs": [old]})
    server.answers["metrics/get-history"] = lambda _: (200, {"metrics": POINTS})
    (run,) = load(f"mlflow:{server.url}!port/old")
    assert np.array_equal(run.series[0].values, VALUES, equal_nan=True)


def test_credentials_are_sent_and_never_shown(server, monkeypatch):
    load(f"mlflow:{server.url.replace('//', '//ann:pa%3Ass@')}!port/seed")
    assert server.seen[-1][2] == api.basic("ann", "pa:ss")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok")
    load(f"mlflow:{server.url}!port/seed")
    assert server.seen[-1][2] == "Bearer tok"
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "bob")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pw")
    load(f"mlflow:{server.url}!port/seed")
    assert server.seen[-1][2] == api.basic("bob", "pw")
    (run,) = load(f"mlflow:{server.url.replace('//', '//ann:secret@')}!port/seed")
    assert "secret" not in run.source


@pytest.mark.parametrize(
    ("path", "answer", "message"),
    [
        ("runs/search", (401, b""), "answers 401: user, password or token are refused"),
        ("runs/search", (500, {"message": "out of\nmemory"}), r"answers 500 out of\\nmemory"),
        ("runs/search", (302, b""), r"redirects to https://elsewhere/login\?token=\*\*\*; give"),
        ("runs/search", (200, b"<html>"), "not JSON; check that the URL"),
        ("runs/search", (200, b"[" * 100_000), "not JSON; check that the URL"),
        ("runs/search", (200, {"runs": [{}]}), "an answer without 'info'"),
        ("metrics/get-history", (404, MISSING), "was removed while it was read"),
        ("metrics/get-history", (200, {"metrics": [{"value": "x"}]}), "does not write .ValueError"),
        ("metrics/get-history", (200, {"metrics": [{"step": 1}]}), "does not write .KeyError"),
        ("metrics/get-history", (200, {"metrics": 5}), "does not write .TypeError"),
        ("metrics/get-history", (200, {"metrics": [{"value": 1, "step": 1e400}]}), "OverflowErr"),
        ("metrics/get-history", (200, {"metrics": [{"value": 1, "step": 1 << 64}]}), "64 bits"),
        ("runs/search", (200, {"runs": [5]}), "does not write .AttributeError"),
        ("runs/search", (200, {"runs": [{"info": {"start_time": "x"}}]}), "does not write .Value"),
        ("experiments/search", (200, {"experiments": 5}), None),
        ("metrics/get-history", (200, {"metrics": POINTS, "next_page_token": "1"}), "repeats a"),
        ("experiments/get-by-name", (404, MISSING), r"has no experiment 'port/seed'.*: 'port'"),
    ],
)
def test_what_a_server_answers_instead_is_an_error_of_one_line(server, path, answer, message):
    server.answers[path] = lambda _: answer
    if message is None:
        message, server.answers["experiments/get-by-name"] = "TypeError", lambda _: (404, MISSING)
    with pytest.raises(ParseError, match=message) as raised:
        load(f"mlflow:{server.url.replace('//', '//ann:secret@')}!port/seed")
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_server_that_does_not_answer_is_given_up(server, monkeypatch):
    monkeypatch.setattr(api, "WAIT_S", 0.2)
    release = threading.Event()
    server.answers["runs/search"] = lambda _: (release.wait(5), {})
    with pytest.raises(ParseError, match=r"took more than 0\.2 s"):
        load(f"mlflow:{server.url}!port/seed")
    release.set()
    with pytest.raises(ParseError, match="Connection refused"):
        load("mlflow:http://127.0.0.1:9!port/seed")
