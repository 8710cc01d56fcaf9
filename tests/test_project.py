"""The project's own rules: packaging, rooms, documents, what may not stand in the source."""

import ast
import json
import re
import shlex
import subprocess
import sys
import tokenize
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cli.main import parsed
from facts.version import VERSION
from hardware_db import load_hardware
from model_db import load_models

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


@cache
def committed() -> tuple[Path, ...]:
    """The files of the repository: what git tracks, or everything but the usual leftovers where there is no git."""
    run = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = [name for name in run.stdout.split("\0") if name]
    assert run.returncode == 0, "these tests read the list of files from git"
    return tuple(path for name in names if (path := ROOT / name).is_file())


def text_files() -> Iterator[tuple[str, str]]:
    for path in committed():
        if path.suffix not in {".png", ".ico", ".jpg", ".woff2"}:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def room_modules() -> list[Path]:
    return [*sorted(ROOT.glob("*.py")), *sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


# Rooms and packaging


def test_every_room_is_packaged_typed_and_held_by_the_import_contracts():
    rooms = sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests")
    assert sorted(ROOMS) == rooms
    assert sorted(PROJECT["tool"]["mypy"]["packages"]) == rooms
    assert sorted(PROJECT["tool"]["importlinter"]["root_packages"]) == rooms


def test_every_room_and_module_says_what_it_is():
    silent = [path for path in room_modules() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert silent == []
    placeholders = [path for path in room_modules() if "Placeholder" in path.read_text(encoding="utf-8")]
    assert placeholders == []


def test_the_change_log_has_this_version():
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_dependency_is_pinned_within_its_range_and_without_an_address():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    pins: dict[str, set[str]] = {}
    for line in text.splitlines():
        pin = Requirement(line)
        pins.setdefault(pin.name.lower(), set()).add(str(pin.specifier).removeprefix("=="))
    extras = PROJECT["project"]["optional-dependencies"].values()
    for wanted in map(Requirement, (*PROJECT["project"]["dependencies"], *(line for extra in extras for line in extra))):
        versions = pins[wanted.name.lower().replace("_", "-")]
        assert all(wanted.specifier.contains(version) for version in versions), wanted


def test_the_makefile_takes_the_pythons_of_the_project():
    versions = [
        version
        for version in ("3.10", "3.11", "3.12", "3.13", "3.14")
        if SpecifierSet(PROJECT["project"]["requires-python"]).contains(version)
    ]
    assert versions == ["3.11", "3.12", "3.13"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in makefile


@pytest.mark.slow
def test_an_installed_wheel_plans_outside_the_checkout(tmp_path):
    """Built and installed without an index; the environment borrows this one's dependencies, not its checkout."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"], cwd=ROOT, check=True, capture_output=True
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    packaged = {path.relative_to(ROOT).as_posix() for path in committed() if path.relative_to(ROOT).parts[0] in ROOMS}
    assert packaged <= names
    assert {f"dashboard/{path.name}" for path in ROOT.glob("*.py")} | {"dashboard/.streamlit/config.toml"} <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "examples/", "benchmarks/", "scripts/"))]

    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    place = json.loads(run(python, "-c", "import json, sysconfig; print(json.dumps(sysconfig.get_path('purelib')))", cwd=tmp_path))
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (Path(place) / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")

    assert Path(run(python, "-c", "import cli.main; print(cli.main.__file__)", cwd=tmp_path).strip()).is_relative_to(tmp_path)
    command = python.with_name("rackwright")
    assert run(command, "--version", cwd=tmp_path).strip() == f"rackwright {VERSION}"
    answer = json.loads(run(command, "plan", ROOT / "examples" / "finetune-8b.yaml", "--format", "json", cwd=tmp_path))
    assert answer["recommendations"]
    assert answer["version"] == VERSION
    assert "微调" in run(command, "plan", ROOT / "examples" / "finetune-8b.yaml", "--lang", "zh", cwd=tmp_path)


def run(*command: object, cwd: Path) -> str:
    result = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


# What may not stand in the source


def code_strings(path: Path) -> Iterator[tuple[int, str]]:
    """String constants of a module that are not docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def catalog_ids() -> set[str]:
    """Ids of accelerators, servers, parts and models. Ids that are also plain words (a vendor, a file system) say nothing."""
    hardware = load_hardware()
    ids = set(load_models().entries)
    for table in (hardware.accelerators, hardware.servers, hardware.cpus, hardware.nics, hardware.switches):
        ids |= set(table)
    return {name for name in ids if re.search(r"[0-9]", name)}


def test_no_catalog_id_stands_in_the_code():
    ids = catalog_ids()
    assert len(ids) > 150, "hardly any ids were found: the catalogs changed their form"
    word = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
    found = [
        f"{path.relative_to(ROOT)}:{line}: {token}"
        for path in room_modules()
        for line, text in code_strings(path)
        for token in word.findall(text)
        if token in ids
    ]
    assert found == []


def telling(value: float) -> str:
    """The significant digits of a figure, whatever its unit's power of ten; "" if they are found anywhere.

    Fewer than three digits, halvings and doublings of ten, multiples of 128 and of 360, and years tell nothing.
    """
    digits = f"{abs(value):.5e}".split("e")[0].replace(".", "").rstrip("0")
    whole = int(digits or 0)
    common = {f"{10.0**9 * 2.0**power:.5e}".split("e")[0].replace(".", "").rstrip("0") for power in range(-12, 13)}
    plain = len(digits) < 3 or digits in common or whole % 128 == 0 or whole % 36 == 0 or 1990 <= whole <= 2100 or whole % 125 == 0
    return "" if plain else digits


def figures() -> dict[str, str]:
    """The telling figures of the accelerators (peaks, bandwidths, capacity, power, prices), with where each stands."""
    found: dict[str, str] = {}

    def collect(value: object, name: str) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[telling(value)] = name
        elif hasattr(value, "__dataclass_fields__"):
            for field in value.__dataclass_fields__.keys() - {"values"}:  # all figures of an entry, image sizes and dates among them
                collect(getattr(value, field), f"{name}.{field}")
        elif hasattr(value, "items"):
            for key, item in value.items():
                collect(item, f"{name}.{key}")

    for accelerator in load_hardware().accelerators.values():
        collect(accelerator, accelerator.id)
    found.pop("", None)
    return found


def code_numbers(path: Path) -> Iterator[tuple[int, float]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            yield node.lineno, node.value


def is_quantity(number: float) -> bool:
    """Small whole numbers are sizes of formats and counts, small fractions are factors."""
    return abs(number) >= (1000 if number == int(number) else 10)


def test_no_figure_of_the_hardware_stands_in_the_code():
    known = figures()
    assert len(known) > 50, "hardly any figures were found: the records changed their form"
    found = [
        f"{path.relative_to(ROOT)}:{line}: {number} ({known[telling(number)]})"
        for path in room_modules()
        for line, number in code_numbers(path)
        if is_quantity(number) and telling(number) in known
    ]
    assert found == []


FOREIGN = {
    "the host of a package registry": re.compile(r"p[y]pi\.org|p[y]thonhosted|registry\.n[p]mjs|conda\.a[n]aconda"),
    "a directory of one machine": re.compile(r"(?<![\w.:/-])/(?:root|home|Users|work|opt|mnt)/\w"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_the_repository_speaks_of_itself_alone(what):
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in text_files()
        for number, line in enumerate(text.splitlines(), start=1)
        if FOREIGN[what].search(line)
    ]
    assert found == []


def comments(path: Path) -> list[tuple[int, str]]:
    with path.open("rb") as file:
        return [(token.start[0], token.string) for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]


def test_type_and_style_exceptions_name_what_they_except():
    bare = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in room_modules()
        for line, comment in comments(path)
        if re.search(r"type: ignore(?!\[)|noqa(?!:)", comment)
    ]
    assert bare == []


# Documents


def test_every_link_between_documents_resolves():
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_document_is_reached_from_the_front_page():
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.exists():
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)#\s]+\.md)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        waiting += [(page.parent / target).resolve() for target in targets if "://" not in target]
    assert sorted(set(pages()) - reached) == []


CITED = re.compile(r"\bequations?:?\s+'?((?:\d+(?:\.\d+)*)(?:(?:\s*,\s*|\s+and\s+|\s+to\s+)\d+(?:\.\d+)*)*)")
NUMBERED = re.compile(r"^#{2,4} (\d+(?:\.\d+)*)\b", re.MULTILINE)


def cited_equations() -> dict[str, str]:
    """Number of each equation that the code or the defaults cite, with one place."""
    places = {}
    for path in [*room_modules(), *sorted((ROOT / "planner").rglob("*.yaml"))]:
        for group in CITED.findall(path.read_text(encoding="utf-8")):
            for number in re.findall(r"\d+(?:\.\d+)*", group):
                places[number] = path.relative_to(ROOT).as_posix()
    return places


def numbered_equations() -> dict[str, str]:
    return {
        number: page.relative_to(ROOT).as_posix()
        for page in sorted((ROOT / "docs" / "method").glob("*.md"))
        for number in NUMBERED.findall(page.read_text(encoding="utf-8"))
    }


def test_every_cited_equation_stands_in_the_method():
    numbered = numbered_equations()
    assert {number: place for number, place in cited_equations().items() if number not in numbered} == {}


def test_every_numbered_equation_is_cited_by_the_code():
    cited = cited_equations()
    assert {number: page for number, page in numbered_equations().items() if number not in cited} == {}


def test_no_equation_number_is_given_twice():
    numbers = [number for page in (ROOT / "docs" / "method").glob("*.md") for number in NUMBERED.findall(page.read_text(encoding="utf-8"))]
    assert sorted(numbers) == sorted(set(numbers))


def test_every_function_that_the_method_names_exists():
    defined = set()
    for path in room_modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        defined |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    unknown = {
        f"{page.name}: {name}"
        for page in (ROOT / "docs" / "method").glob("*.md")
        for name in re.findall(r"`([a-z]+(?:_[a-z0-9]+)+)`", page.read_text(encoding="utf-8"))
        if name not in defined and not (ROOT / name).exists()
    }
    assert sorted(unknown) == []


def test_every_decision_is_listed_and_has_its_three_parts():
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    assert [path.name[:4] for path in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert path.name in index
        assert all(part in text for part in ("**Context.**", "**Decision.**", "**Consequences.**")), path.name


def test_the_front_page_states_the_errors_that_calibration_found():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    train, serve = (
        yaml.safe_load((ROOT / "measurements" / "fitted" / f"{kind}.yaml").read_text(encoding="utf-8")) for kind in ("training", "serving")
    )
    step, serving = train["errors_pct"]["family"], serve["errors"]
    rows = [("training step time", step["median"], step["p90"], step["rows"])]
    for name, quantity in (("serving, time per output token", "tpot_s"), ("serving, time to first token", "ttft_s")):
        found = serving[f"serving_latency {quantity} all"]
        rows.append((name, 100 * found["median"], 100 * found["p90"], found["rows"]))
    for name, median, p90, runs in rows:
        assert f"| {name} | {median:.1f} % | {p90:.1f} % | {runs} |" in text


def test_every_command_of_the_front_page_is_understood():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [shlex.split(line.split(" > ")[0], comments=True) for line in re.findall(r"^ {4}(rackwright .*)$", text, re.MULTILINE)]
    assert len(commands) > 5
    for words in commands:
        assert callable(parsed(words[1:]).run)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"^ {4}make ([a-z]+)", text, re.MULTILINE)) <= set(targets)


def test_the_program_of_the_front_page_runs(capsys):
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(program, "README.md", "exec"), {})  # noqa: S102 our own document
    assert len(capsys.readouterr().out.split()) > 2
