"""Stand-ins for the services that run our CI files: expressions, steps, and an API for comments."""

import json
import os
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml

ROOT = Path(__file__).parents[1]
PYTHON = """#!/bin/bash
# Makes an environment that holds the harness of the clone; records what pip is asked for.
if [[ "$1 $2" == "-m venv" ]]; then
  mkdir -p "$3/bin"
  cp "$0" "$3/bin/python"
  printf '#!/bin/sh\\nPYTHONPATH="{root}" exec "{python}" -m harness "$@"\\n' > "$3/bin/harness"
  chmod +x "$3/bin/harness"
elif [[ "$1 $2" == "-m pip" ]]; then
  printf '%s\\n' "$@" >> "$RECORD"
else
  exec "{python}" "$@"
fi
"""


def read_yaml(path):
    """A document as data; YAML 1.1 takes the key `on` for a truth value."""
    (document,) = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))[-1:]
    return {("on" if key is True else key): value for key, value in document.items()}


def value_of(expression, contexts):
    """The value of a GitHub expression of the kind that our files use."""
    text = expression.strip().replace("&&", " and ").replace("||", " or ")
    text = re.sub(r"!(?=\w)", " not ", text)
    names = {name: _Names(value) for name, value in contexts.items()}
    functions = {
        "cancelled": lambda: False,
        "contains": lambda items, item: item in items,
        "fromJSON": json.loads,
    }
    text = re.sub(r"\.([a-z]+(?:-[a-z]+)+)", r"['\1']", text)
    return eval(text, {"__builtins__": {}}, names | functions)


class _Names(dict):
    """A context: `a.b`, and nothing where there is none."""

    def __getattr__(self, name):
        return self[name]

    def __missing__(self, name):
        return ""

    def __getitem__(self, name):
        value = super().__getitem__(name)
        return _Names(value) if isinstance(value, dict) else value


def filled(text, contexts):
    """A text with its expressions filled in."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda m: str(value_of(m[1], contexts)), str(text))


def holds(condition, contexts):
    """Whether a step or job runs."""
    inner = re.fullmatch(r"\s*\$\{\{(.*)\}\}\s*", condition, re.DOTALL)
    return bool(value_of(inner[1] if inner else condition, contexts))


@dataclass
class Runner:
    """Runs the steps of a composite action in a folder, as a job does."""

    work: Path
    temp: Path
    event: dict
    api: str = "http://127.0.0.1:1"
    token: str = "secret"
    repository: str = "owner/zoo"
    python: str = ""
    uploaded: dict = field(default_factory=dict)
    outputs: dict = field(default_factory=dict)
    printed: str = ""

    def __post_init__(self):
        self.temp.mkdir(parents=True, exist_ok=True)
        if not self.python:
            shim = self.temp / "python"
            shim.write_text(PYTHON.format(root=ROOT, python=sys.executable))
            shim.chmod(0o755)
            self.python = str(shim)

    def run(self, path, **given):
        """The exit status of an action: that of the first step that fails."""
        action = read_yaml(path)
        contexts = {
            "inputs": {},
            "steps": self.outputs,
            "github": {
                "token": self.token,
                "action_path": str(path.parent),
                "event_name": self.event_name,
            },
        }
        for name, one in action["inputs"].items():
            contexts["inputs"][name] = given.get(name, filled(one.get("default", ""), contexts))
        assert set(given) <= set(action["inputs"])
        for step in action["runs"]["steps"]:
            if not holds(step.get("if", "!cancelled()"), contexts):
                continue
            status = self.step(step, contexts)
            if status and not step.get("continue-on-error"):
                return status
        return 0

    @property
    def event_name(self):
        known = ("pull_request", "workflow_run")
        return next((name for name in known if name in self.event), "push")

    def step(self, step, contexts):
        if "uses" in step:
            return self.use(step["uses"], step.get("with", {}), contexts, step.get("id"))
        files = {name: self.temp / name for name in ("event.json", "output", "summary.md")}
        files["event.json"].write_text(json.dumps(self.event))
        files["output"].write_text("")
        outer = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("GITHUB_", "CI", "HARNESS", "PYTHON"))
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.work,
            env=outer
            | {name: filled(value, contexts) for name, value in step.get("env", {}).items()}
            | {
                "GITHUB_ACTIONS": "true",
                "GITHUB_API_URL": self.api,
                "GITHUB_EVENT_PATH": str(files["event.json"]),
                "GITHUB_OUTPUT": str(files["output"]),
                "GITHUB_REPOSITORY": self.repository,
                "GITHUB_STEP_SUMMARY": str(files["summary.md"]),
                "GITHUB_WORKSPACE": str(self.work),
                "RECORD": str(self.temp / "record"),
                "RUNNER_TEMP": str(self.temp),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.printed += done.stdout + done.stderr
        lines = files["output"].read_text().splitlines()
        if "id" in step:
            self.outputs[step["id"]] = {"outputs": dict(line.split("=", 1) for line in lines)}
        return done.returncode

    def use(self, action, options, contexts, name):
        given = {key: filled(value, contexts) for key, value in options.items()}
        if action.startswith("actions/setup-python@"):
            self.outputs[name] = {"outputs": {"python-path": self.python}}
        elif action.startswith("actions/upload-artifact@"):
            self.uploaded[given["name"]] = self.work / given["path"]
        else:
            raise AssertionError(f"no stand-in for {action}")
        return 0


@dataclass
class Service:
    """What GitHub knows: the comments of pull requests, and the open pull requests."""

    comments: dict = field(default_factory=dict)
    pulls: list = field(default_factory=list)
    readonly: bool = False
    calls: list = field(default_factory=list)
    address: str = ""

    def answer(self, method, path, query, content):
        place = path.removeprefix("/repos/owner/zoo/").split("/")
        if method != "GET" and self.readonly:
            return 403, {"message": "Resource not accessible by integration"}
        if place == ["pulls"]:
            return 200, [p for p in self.pulls if p["head"]["label"] == query["head"][0]]
        if place[:2] == ["issues", "comments"]:
            for comments in self.comments.values():
                for comment in comments:
                    if comment["id"] == int(place[2]):
                        comment["body"] = content["body"]
                        return 200, comment
        if place[0] == "issues" and place[2] == "comments":
            listed = self.comments.setdefault(int(place[1]), [])
            if method == "POST":
                made = remark(content["body"], id=1000 + len(listed))
                listed.append(made)
                return 201, made
            page, size = int(query["page"][0]), int(query["per_page"][0])
            return 200, listed[(page - 1) * size : page * size]
        return 404, {}


def remark(body, *, id=1, login="github-actions[bot]"):  # noqa: A002  (GitHub's name)
    return {"id": id, "body": body, "user": {"login": login}, "html_url": f"https://x/{id}"}


@contextmanager
def serving(service):
    """The service on a free port, which `address` then names."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self):
            parts = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            content = json.loads(self.rfile.read(size) or "null")
            service.calls.append((self.command, parts.path))
            if self.headers.get("Authorization") != "Bearer secret":
                status, answer = 401, {}
            else:
                asked = parse_qs(parts.query)
                status, answer = service.answer(self.command, parts.path, asked, content)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = handle_any  # noqa: N815  (the library's names)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    service.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
