"""The front door: finds commands, loads one alone, never shows a traceback for what a user did."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import main as front
from cli.main import COMMANDS, main
from cli.requests import read_requests
from facts.errors import Fault, RackwrightError
from facts.version import VERSION

ROOT = Path(__file__).resolve().parent.parent.parent
REQUEST = "model: llama3.1-8b\nworkload: {kind: serving, requests_per_s: 1}\n"


def rackwright(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", *words]
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False, timeout=120)


def code(*words: str) -> int:
    """Exit code, of argparse's own refusals too."""
    try:
        return main(words)
    except SystemExit as leaving:
        return int(leaving.code or 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_registers_itself_and_has_help(command, capsys):
    assert code(command, "--help") == 0
    assert f"rackwright {command}" in capsys.readouterr().out


def test_help_names_every_command(capsys):
    assert code("--help") == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


def test_version_is_printed_and_loads_nothing_heavy():
    script = "import sys, cli.main\ntry: cli.main.main(['--version'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    version, modules = shown.split("\n", 1)
    assert version == f"rackwright {VERSION}"
    assert not {"numpy", "scipy", "pandas", "pydantic", "yaml", "streamlit", "altair", "planner"} & set(modules.split())


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "serve"])
def test_no_command_but_serve_loads_the_dashboard(command):
    script = (
        f"import sys, cli.main\ntry: cli.main.main(['{command}', '--help'])\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"streamlit", "altair", "pandas", "dashboard"} & set(run.stderr.split())


@pytest.mark.parametrize(
    "words", [(), ("nope",), ("plan",), ("plan", "--top", "0", "x.yaml"), ("--lang", "xx", "plan"), ("plan", "--format", "pdf")]
)
def test_wrong_usage_is_refused_with_code_2(words, capsys):
    assert code(*words) == 2
    assert "rackwright" in capsys.readouterr().err


FAULTY = {
    "no such file": "/no/such/request.yaml",
    "a folder": "examples",
    "not UTF-8": b"\xff\xfe\x00m",
    "not YAML": b"a: [1, 2",
    "empty": b"",
    "a list": b"- 1\n- 2\n",
    "a bomb": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % ((98 + i, 98 + i) + (97 + i,) * 9) for i in range(8)),
    "too large": b"#" * 1_100_000,
    "a tag": b"!!python/object/apply:os.system ['true']",
    "a duplicate key": b"model: a\nmodel: b\n",
    "unknown model": REQUEST.replace("llama3.1-8b", "lama3.1-8b").encode(),
    "unknown field": (REQUEST + "modle: x\n").encode(),
    "negative": REQUEST.replace("requests_per_s: 1", "requests_per_s: -1").encode(),
    "absurd": REQUEST.replace("requests_per_s: 1", "requests_per_s: 1e300").encode(),
    "not a number": REQUEST.replace("requests_per_s: 1", "requests_per_s: .nan").encode(),
    "unknown accelerator": (REQUEST + "limits: {accelerators: [no-such-chip]}\n").encode(),
    "newer version": (REQUEST + "version: 99\n").encode(),
}


@pytest.mark.parametrize("what", FAULTY)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_faulty_input_gives_one_sentence_and_code_2(what, language, tmp_path, capsys):
    content = FAULTY[what]
    path = tmp_path / "request.yaml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    assert main(["plan", str(path) if isinstance(content, bytes) else content, "--lang", language]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("rackwright: ")
    assert line.endswith({"en": ".", "zh": "。"}[language])
    assert len(line) < 500


LINKS = {
    "a megabyte": "http://localhost:8501/?v=1&c=" + "A" * 1_000_000,
    "truncated": "http://localhost:8501/?v=1&model=llama3.1-8b&task=serving&c=q1YqS8wpTVWyUjA0M",
    "newer": "http://localhost:8501/?v=2&model=llama3.1-8b",
    "no number": "v=1&model=llama3.1-8b&rate=1e999",
    "nothing": "",
    "doubled": "v=1&model=llama3.1-8b&rate=1&rate=2",
}


@pytest.mark.parametrize("what", LINKS)
def test_a_faulty_link_gives_one_sentence_and_code_2(what, capsys):
    assert main(["plan", f"--link={LINKS[what]}"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert [line[:12] for line in shown.err.splitlines()] == ["rackwright: "]


@given(link=st.text(max_size=300))
def test_any_link_is_planned_or_refused_in_words(link):
    try:
        read_requests([], [link])
    except RackwrightError as error:
        assert error.faults


def test_faults_of_all_inputs_are_told_at_once(tmp_path, capsys):
    names = ("a.yaml", "b.yaml")
    for name in names:
        (tmp_path / name).write_text(REQUEST + "modle: x\n", encoding="utf-8")
    assert main(["plan", *(str(tmp_path / name) for name in names), "--link=v=9"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines[:2]] == list(names)
    assert len(lines) == 3


def test_a_fault_found_while_planning_names_its_file(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(REQUEST.replace("llama3.1-8b", "no-such-model"), encoding="utf-8")
    assert main(["plan", str(path)]) == 2
    assert "mine.yaml" in capsys.readouterr().err


class Command:
    """Stands for a command's module."""

    def __init__(self, raised: BaseException) -> None:
        self.raised = raised

    def register(self, commands) -> None:
        commands.add_parser("plan").set_defaults(run=self.run)

    def run(self, _) -> int:
        raise self.raised


@pytest.mark.parametrize(("raised", "expected"), [(RackwrightError(Fault("missing_field", field="model")), 2), (KeyboardInterrupt(), 130)])
def test_what_ends_a_command_becomes_an_exit_code(raised, expected, monkeypatch):
    monkeypatch.setattr(front.importlib, "import_module", lambda _: Command(raised))
    assert main(["plan"]) == expected


def test_a_defect_is_not_hidden(monkeypatch):
    monkeypatch.setattr(front.importlib, "import_module", lambda _: Command(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["plan"])


def test_a_reader_that_leaves_early_is_no_error():
    """As `rackwright --format json | head -1`: the pipe closes while there is more to write."""
    reader = "import sys; sys.stdin.readline()"
    script = f"{sys.executable} -m cli.main plan examples/finetune-8b.yaml --format json; echo $? >&2"
    run = subprocess.run(["sh", "-c", f"({script}) | {sys.executable} -c '{reader}'"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stderr.strip() == "0"


def test_commands_are_modules_of_this_package():
    assert all(importlib.util.find_spec(f"cli.{command}") for command in COMMANDS)


def test_standard_input_is_a_request():
    run = rackwright("plan", "-", "--format", "json", "--top", "1", text=REQUEST)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("{")
