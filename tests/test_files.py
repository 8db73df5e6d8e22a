from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nawf.errors import InputError, StructureError
from nawf.files import read_text, write_bytes_atomically, write_files_atomically, write_text_atomically


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text_atomically(path, "α\n")
    assert path.read_bytes() == b"\xce\xb1\n"
    write_text_atomically(path, "b\n")
    assert path.read_bytes() == b"b\n"
    write_bytes_atomically(path, b"\0\1")
    assert path.read_bytes() == b"\0\1"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text_atomically(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_links_are_followed_and_devices_written_to(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_text_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    write_text_atomically(Path("/dev/null"), "gone")
    assert not Path("/dev/null").is_file()


def test_standard_output_as_a_file() -> None:
    code = "from nawf.files import write_text_atomically as w; w('/dev/stdout', 'hello\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n"
    assert Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no/such/file", "cannot be written: no such file or directory"),
        ("file/below", "cannot be written: not a directory"),
        ("folder", "is a folder, not a file"),
        ("x" * 300, "cannot be written: file name too long"),
    ],
)
def test_impossible_places_give_one_line(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError) as caught:
        write_text_atomically(tmp_path / name, "text")
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert words in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(InputError, match="cannot be written: permission denied"):
            write_text_atomically(tmp_path / "a", "text")
    finally:
        tmp_path.chmod(0o755)


def test_read_only_file_system() -> None:
    with pytest.raises(InputError, match=r"^/proc/nawf-test: cannot be written: "):
        write_text_atomically("/proc/nawf-test", "text")


def test_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    """The kernel itself stops the write: no file of this process may pass 10 kB."""
    (tmp_path / "a").write_text("old")
    code = (
        "import resource, signal, sys\n"
        "from nawf.errors import InputError\n"
        "from nawf.files import write_text_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try: write_text_atomically(sys.argv[1], 'x' * 100_000)\n"
        "except InputError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'a'}: cannot be written: file too large\n"
    assert (tmp_path / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_several_files_are_written_all_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contents = {tmp_path / "a": b"1", tmp_path / "b": b"2"}
    replace, calls = Path.replace, []

    def failing_replace(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing_replace)
    with pytest.raises(InputError, match="b: cannot be written: no space left on device"):
        write_files_atomically(contents)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    write_files_atomically(contents)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"1", "b": b"2"}


def test_reads_text(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text(path) == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\xff\xfe", "is not a UTF-8 text file"),
        (b"a\0b", "is not a text"),
    ],
)
def test_unreadable_text_gives_one_line_of_the_wanted_kind(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(StructureError) as caught:
        read_text(path, error=StructureError)
    assert str(caught.value).startswith(f"{path}: {words}")


def test_missing_folder_and_huge_files_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: no such file"):
        read_text(tmp_path / "none")
    with pytest.raises(InputError, match="cannot be read: is a directory"):
        read_text(tmp_path)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(30_000_000)
    with pytest.raises(InputError, match="is larger than 20 MB"):
        read_text(tmp_path / "huge")
