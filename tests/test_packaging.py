"""What is shipped: the wheel and the sdist, looked into, installed and started."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAPPED = ("pipeline", "detectors", "connectors", "evaluation")
LEFT_OUT = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist", "out")

pytestmark = pytest.mark.slow


def modules() -> set[str]:
    """Every module of the tree by the path it has in a wheel."""
    own = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tocsin").rglob("*.py")}
    mapped = (path for folder in MAPPED for path in (ROOT / folder).rglob("*.py"))
    return own | {f"tocsin/{path.relative_to(ROOT).as_posix()}" for path in mapped}


def run(*command: str | Path, cwd: Path) -> str:
    """The output of a command that must succeed, with no Python settings of ours around it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, check=False, cwd=cwd, env=clean, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build_flags() -> list[str]:
    """Build without fetching anything where setuptools is here and new enough."""
    try:
        major = int(version("setuptools").partition(".")[0])
    except PackageNotFoundError:
        return []
    return ["--no-isolation"] if major >= 77 else []


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it. Only read by the tests."""
    folder = tmp_path_factory.mktemp("build")
    shutil.copytree(ROOT, folder / "tree", symlinks=True, ignore=LEFT_OUT)
    run(
        sys.executable,
        "-m",
        "build",
        *build_flags(),
        "--outdir",
        folder / "dist",
        cwd=folder / "tree",
    )
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    """The names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def sdist_contents(dist: Path) -> list[str]:
    """The names of the files in the sdist, without its top folder."""
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return [m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel; its dependencies are borrowed from ours."""
    home = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "--quiet"]
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=home)
    site = run(
        scripts / "python", "-c", "import sysconfig as s; print(s.get_path('purelib'))", cwd=home
    )
    # A folder named in a .pth is searched, but its own .pth files (our editable install) are not.
    borrowed = sysconfig.get_path("purelib")
    (Path(site.strip()) / "borrowed.pth").write_text(f"{borrowed}\n", encoding="utf-8")
    return scripts


def test_the_wheel_holds_every_module(contents: set[str]) -> None:
    assert {name for name in contents if name.endswith(".py")} == modules()


def test_the_wheel_has_one_top_level_name(contents: set[str]) -> None:
    tops = {name.partition("/")[0] for name in contents}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tocsin"}


def test_the_wheel_says_that_it_is_typed(contents: set[str]) -> None:
    assert {"tocsin/py.typed", *(f"tocsin/{name}/py.typed" for name in MAPPED)} <= contents


def test_the_wheel_carries_its_licence(contents: set[str]) -> None:
    assert [name for name in contents if name.endswith("dist-info/licenses/LICENSE")]


def test_the_sdist_has_tests_and_docker(sdist_contents: list[str]) -> None:
    assert {"tests/test_packaging.py", "docker/Dockerfile", "docker/compose.yaml"} <= set(
        sdist_contents
    )


def test_the_sdist_holds_each_module_once(sdist_contents: list[str]) -> None:
    through_links = [f"tocsin/{name}/" for name in MAPPED]
    assert [name for name in sdist_contents if name.startswith(tuple(through_links))] == []
    assert len(sdist_contents) == len(set(sdist_contents))


def test_the_installed_wheel_is_what_is_imported(installed: Path, tmp_path: Path) -> None:
    code = "import tocsin.pipeline; print(tocsin.pipeline.__file__)"
    found = run(installed / "python", "-I", "-c", code, cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(installed.parent)


def test_every_module_of_the_wheel_can_be_imported(installed: Path, tmp_path: Path) -> None:
    paths = sorted(Path(name) for name in modules() if not name.endswith("__main__.py"))
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    run(installed / "python", "-I", "-c", f"import {', '.join(names)}", cwd=tmp_path)


def test_the_installed_command_starts(installed: Path, tmp_path: Path) -> None:
    assert "demo" in run(installed / "tocsin", "--help", cwd=tmp_path)


def test_the_installed_module_starts(installed: Path, tmp_path: Path) -> None:
    assert "demo" in run(installed / "python", "-I", "-m", "tocsin", "--help", cwd=tmp_path)
