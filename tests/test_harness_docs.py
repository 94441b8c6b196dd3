"""README and docs: links lead somewhere, quoted commands exist, and examples do what they show.

A fenced block `console` holds commands after `$ ` and what they print; `...` stands for anything.
Each page is run in a folder of its own with our logs, baselines and manifest. A block with a title
is a file that the page's commands find.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest
import typer.main

from harness.__main__ import main
from harness.cli.locate import MODES
from harness.cli.main import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
TITLE = re.compile(r'title="(?P<name>[^"]+)"')
GROUP = typer.main.get_command(app)


def named(path):
    return str(path.relative_to(ROOT))


def text_of(path):
    return path.read_text(encoding="utf-8")


def without_code(text):
    """Prose: blocks and spans of code are taken out, indented blocks too."""
    text = FENCE.sub("", text)
    text = re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`]*`", "", text)


def anchors(path):
    """The anchors of a page's headings, as mkdocs and the forges make them."""
    titles = re.findall(r"^#{1,6} +(.+)$", FENCE.sub("", text_of(path)), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", t.lower()).strip()) for t in titles}


def broken_links(path):
    found = []
    for match in LINK.finditer(without_code(text_of(path))):
        target, _, anchor = match["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            if not re.fullmatch(r"https://[\w.-]+\.[a-z]+(/\S*)?", target):
                found.append(f"{target}: not a whole https address")
            continue
        place = (path.parent / target).resolve() if target else path
        if not place.exists():
            found.append(f"{target}: no such file")
        elif anchor and anchor not in anchors(place):
            found.append(f"{target}#{anchor}: no such heading")
    return found


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_link_leads_somewhere(path):
    assert broken_links(path) == []


def test_a_broken_link_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](#one-two) [b](#three) [c](gone.md) [d](http://x) `[e](gone)`\n")
    assert [line.partition(":")[0] for line in broken_links(page)] == ["#three", "gone.md", "http"]


# Commands


def quoted_commands(text):
    """Every `harness ...` of a page: (its words, whether it is a whole command to be typed)."""
    whole, mentioned = [], []
    for match in FENCE.finditer(text):
        if match["info"].split(" ")[0] in {"console", "sh", "yaml"}:
            whole += re.sub(r"\\\n\s*", " ", match["body"]).splitlines()
    prose = FENCE.sub("", text)
    for line in re.findall(r"^ {4}(.+)$", prose, re.MULTILINE):
        whole += re.split(r"\s{2,}", line)
    mentioned = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    for lines, complete in ((whole, True), (mentioned, False)):
        for line in lines:
            for part in re.split(r"&&|\|\|? |;", line):
                words = re.sub(r"^\s*(\$|-|run:)\s+", "", part).strip()
                found = re.match(r"(?:\.venv/bin/)?harness\s+(.*)", words.split(" #")[0].strip())
                if found:
                    yield found[1], complete


def of_a_mode(words, rest):
    """The same for a mode of `harness locate`, whose parser needs torch; its source names options.

    What follows `--` are the words of another program.
    """
    known = set(re.findall(r'"(--[a-z-]+)"', text_of(ROOT / "harness" / "capture" / "command.py")))
    own = rest[: rest.index("--")] if "--" in rest else rest
    unknown = [w for w in own if w.startswith("--") and w not in known | {"--help"}]
    return f"{words}: no option {', '.join(unknown)}" if unknown else ""


def what_is_wrong(words, *, complete):
    """Why a command line would not be understood; empty if it would."""
    command, rest = GROUP, shlex.split(words)
    while hasattr(command, "commands"):
        if not rest or rest[0].startswith("-") or not re.fullmatch(r"[a-z]+", rest[0]):
            return "" if not complete or rest == ["--help"] else f"{words}: no command"
        if rest[0] not in command.commands:
            return f"{words}: no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    if command.name == "locate" and rest and rest[0] in MODES:
        return of_a_mode(words, rest)
    known = {"--help"} | {name for parameter in command.params for name in parameter.opts}
    unknown = [w for w in rest if re.match(r"--?[a-z]", w) and w.partition("=")[0] not in known]
    if unknown or not complete:
        return f"{words}: no option {', '.join(unknown)}" if unknown else ""
    try:
        command.make_context(command.name, [*rest])
    except Exception as error:  # whatever class typer takes for it
        return f"{words}: {error}"
    return ""


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_quoted_command_is_understood(path):
    quoted = list(quoted_commands(text_of(path)))
    wrong = [what_is_wrong(words, complete=complete) for words, complete in quoted]
    assert [line for line in wrong if line] == []


def test_a_wrong_command_is_noticed():
    page = (
        "`harness cheque` and `harness check --jsonn`\n\n    harness explain one.log\n\n"
        "```sh\n.venv/bin/harness parse a.log --rank 0   # old\n```\n"
        "```console\n$ harness check --quiet && harness history --last no\n```\n"
        "`harness locate replay --reports x -- train.py --any`\n"
    )
    wrong = [what_is_wrong(w, complete=c) for w, c in quoted_commands(page)]
    assert sorted(line.partition(":")[0] for line in wrong if line) == [
        "check --jsonn",
        "cheque",
        "explain one.log",
        "history --last no",
        "locate replay --reports x -- train.py --any",
        "parse a.log --rank 0",
    ]


def test_commands_are_found_where_they_are_quoted():
    counts = {named(path): len(list(quoted_commands(text_of(path)))) for path in PAGES}
    assert counts["README.md"] >= 5
    assert counts["docs/tutorial.md"] >= 6


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_every_quoted_script_and_its_options_exist(path):
    text = re.sub(r"\\\n\s*", " ", text_of(path))
    for module, rest in re.findall(r"python -m ((?:model|benchmarks)[\w.]*)([^`\n|]*)", text):
        place = ROOT / module.replace(".", "/")
        source = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
        assert source.exists(), module
        options = text_of(source)
        if module == "model.train" or "add_cfg_options" in options:
            options += text_of(ROOT / "model/options.py")
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", rest):
            assert f'"{option}"' in options, f"{module} {option}"
    for script, rest in re.findall(r"python (docs/\w+\.py)([^`\n|]*)", text):
        assert (ROOT / script).exists(), script
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", rest):
            assert f'"{option}"' in text_of(ROOT / script), f"{script} {option}"
    for environment in re.findall(r"\btox -e (\w+)", text):
        assert f"[testenv:{environment}]" in text_of(ROOT / "tox.ini")


# What pages show


def steps(text):
    """The commands of a page, each with what it prints, in order; and the files it names."""
    files, commands = {}, []
    for match in FENCE.finditer(text):
        title = TITLE.search(match["info"])
        if title:
            files[title["name"]] = match["body"]
        if match["info"].split(" ")[0] == "console":
            for part in re.split(r"^\$ ", match["body"], flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                commands.append((command, output))
    return files, commands


def fits(shown, printed):
    """Whether the page shows what was printed; blanks and ends of lines are nobody's business."""
    pattern = re.escape("".join(shown.split())).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, "".join(printed.split()), re.DOTALL) is not None


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder like a clone, to work in."""
    for name in ("logs/samples", "baselines", "ports.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, tmp_path / name)
    for name in os.environ:
        if name.startswith(("GITHUB_", "CI", "HARNESS")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if not any(point.name == "harness" for point in metadata.entry_points(group="pytest11")):
        monkeypatch.setenv("PYTEST_PLUGINS", "harness.pytest_plugin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command, capfd, monkeypatch):
    """Status and output of a command. Ours run in this process: their libraries load once."""
    program, *arguments = shlex.split(command)
    capfd.readouterr()
    if program != "harness":
        called = {"python": [sys.executable], "pytest": [sys.executable, "-m", "pytest"]}[program]
        status = subprocess.run([*called, *arguments], check=False).returncode
    else:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        status = ended.value.code
    return status or 0, "".join(capfd.readouterr())


@pytest.mark.extra("history", "plots")
@pytest.mark.parametrize("path", [p for p in PAGES if "```console" in text_of(p)], ids=named)
def test_the_commands_of_a_page_do_what_it_shows(path, clone, capfd, monkeypatch):
    files, commands = steps(text_of(path))
    for name, text in files.items():
        (clone / name).write_text(text, encoding="utf-8")
    status = 0
    for command, shown in commands:
        if command == "echo $?":
            assert shown.strip() == str(status)
            continue
        status, printed = run(command, capfd, monkeypatch)
        assert fits(shown, printed), f"$ {command}\n{printed}\nbut the page has\n{shown}"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("same_start.py", "same_start.py"),
        ("train.py", "same_start_loop.py"),
        ("same_start_trainer.py", "same_start_trainer.py"),
    ],
)
def test_the_page_on_the_same_start_shows_the_examples_to_the_letter(title, name):
    files, _ = steps(text_of(DOCS / "how-to" / "same-start.md"))
    assert files[title] == text_of(ROOT / "examples" / name)


def test_output_that_differs_is_noticed():
    assert fits("a ...\n...\nz", "a   b\nc\nd\nz\n")
    assert not fits("a ...\nz", "a b\nc")
    assert not fits("1.5", "1x5")


# What is filled in from the code


@pytest.fixture
def generate(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    return import_module("generate")


def test_every_part_that_a_page_asks_for_is_made_and_every_part_is_asked_for(generate):
    asked = {m["name"] for path in PAGES for m in generate.ASKED.finditer(text_of(path))}
    assert asked == set(generate.PARTS)
    for make in generate.PARTS.values():
        assert len(make()) > 100


def test_the_reference_has_every_command_option_fact_format_and_key(generate):
    from harness.log.facts import FACTS
    from harness.parse import FORMATS
    from harness.ports.manifest import Port
    from harness.sweep.manifest import EXPECTED, EXPECTED_RECORD, Record, Sweep

    page = generate.command_line()
    for words, command in generate.commands():
        assert f"## {words}\n" in page
        options = [p for p in command.params if p.param_type_name == "option"]
        assert all(p.opts[0] in page and p.help in page for p in options if p.name != "pattern")
    assert all(f"| `{name}` |" in generate.fact_tables() for name in FACTS)
    assert all(kind.example in generate.formats() for kind in FORMATS)
    assert all(f"| `{name}` |" in generate.manifest_keys() for name in Port.model_fields)
    assert set(generate.key_texts(Port)) == set(Port.model_fields)
    for model in (Sweep, Record):
        assert all(f"| `{name}` |" in generate.sweep_keys() for name in model.model_fields)
        assert set(generate.key_texts(model)) == set(model.model_fields)
    assert set(EXPECTED) == set(Sweep.model_fields)
    assert set(EXPECTED_RECORD) == set(Record.model_fields)


@pytest.mark.parametrize("path", sorted((DOCS / "reference").glob("*.md")), ids=named)
def test_a_page_of_the_reference_says_what_the_code_says(generate, path):
    now = generate.written(text_of(path)) == text_of(path)
    assert now, f"{named(path)} differs from the code; refresh it by: python docs/generate.py"


def test_a_page_that_the_code_has_outgrown_is_written_anew(generate, tmp_path, monkeypatch, capsys):
    page = "# Facts\n<!-- generated: facts -->\nof yesterday\n<!-- end -->\nafter\n"
    for name in ("facts.md", "plain.md"):
        (tmp_path / name).write_text(page if name == "facts.md" else "# Plain\n")
    monkeypatch.setattr(generate, "REFERENCE", tmp_path)
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    generate.main()
    assert capsys.readouterr().out == "facts.md\n"
    text = (tmp_path / "facts.md").read_text()
    assert "| `world_size` |" in text
    assert "of yesterday" not in text
    assert text.endswith("after\n")
    generate.main()
    assert capsys.readouterr().out == ""


def test_every_public_name_is_in_the_committed_reference(generate):
    import harness

    text = generate.python_text()
    for name in harness.__all__:
        assert f"## {name}\n" in text
    assert "compare(" in text
    assert "**Raises**" in text


def test_a_page_is_filled_in(generate):
    page = "# Facts\n<!-- generated: facts -->\nsee the site\n<!-- end -->\nafter\n"
    filled = generate.on_page_markdown(page)
    assert "see the site" not in filled
    assert "| `world_size` |" in filled
    assert filled.endswith("after\n")
    with pytest.raises(KeyError):
        generate.on_page_markdown(page.replace("facts", "fax"))


# A built site


def test_a_site_that_fetches_or_misses_something_is_noticed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    site = import_module("check_site")
    (tmp_path / "b.html").write_text('<h1 id="there">x</h1>')
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there">1</a><a href="b.html#gone">2</a><a href="c.html">3</a>'
        '<script src="https://cdn.example.org/x.js"></script><a href="https://example.org/x">5</a>'
        '<link rel="stylesheet" href="https://fonts.example.org/y"><a href="http://example">7</a>'
        '<link rel="canonical" href="https://example.org/a">'
    )
    wrong = [line.split()[-1] for line in site.wrong(tmp_path / "a.html", tmp_path)]
    assert len(wrong) == 5
    assert list(site.wrong(tmp_path / "b.html", tmp_path)) == []
    assert site.main(tmp_path) == 1


def test_compiled_code_in_a_site_is_noticed(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(DOCS))
    site = import_module("check_site")
    (tmp_path / "a.html").write_text("<h1>x</h1>")
    assert site.main(tmp_path) == 0
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "generate.cpython-311.pyc").write_bytes(b"")
    assert site.main(tmp_path) == 1
    assert "generate.cpython-311.pyc: is no part of a site" in capsys.readouterr().out


def test_compiled_code_is_left_out_of_the_site():
    text = text_of(ROOT / "mkdocs.yml").partition("exclude_docs: |\n")[2]
    excluded = [line.strip() for line in text.splitlines() if line.startswith("  ")][:2]
    assert excluded == ["*.py", "__pycache__/"]
