"""Files from the internet, from a server of this machine that can cut off, lie and change its mind."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo.download import DownloadError, fetch, local_file

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves one content.

    Attributes:
        cut: after how many bytes to hang up, at the next request only.
        ranges: whether to send parts.
        asked: the ranges that were asked for.
    """

    content, cut, ranges = CONTENT, None, True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        if "missing" in self.path or start >= len(self.server.content) > 0:
            self.send_error(404 if "missing" in self.path else 416)
            return
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut, self.server.cut = self.server.cut, None
        self.wfile.write(body[:cut])

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "checksum", [f"sha256:{SHA256}", f"sha256:{SHA256[:8]}", f"md5:{hashlib.md5(CONTENT).hexdigest()}"]
)
def test_a_file_comes_whole_and_alone(server: Server, tmp_path: Path, checksum: str) -> None:
    path = fetch([f"{server.address}/file"], tmp_path / "folder" / "file", checksum=checksum)
    assert path.read_bytes() == CONTENT and names(path.parent) == ["file"]


def test_a_file_that_is_there_and_right_is_not_asked_for(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    fetch([f"{server.address}/file"], tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert server.asked == [] and names(tmp_path) == ["file"]


def test_a_file_that_is_there_and_damaged_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT[:-1] + b"x")
    fetch([f"{server.address}/file"], tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_what_was_cut_off_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.cut = 300_000
    fetch([f"{server.address}/file"], tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"] and names(tmp_path) == ["file"]


def test_what_stays_cut_off_is_kept_for_the_next_start(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="refused"):
        fetch(["http://127.0.0.1:1/file"], tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert names(tmp_path) == []
    (tmp_path / ".file.part").write_bytes(CONTENT[:1000])
    with pytest.raises(DownloadError, match="refused"):
        fetch(["http://127.0.0.1:1/file"], tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert names(tmp_path) == [".file.part"]


def test_a_server_that_sends_no_parts_is_asked_for_it_all(server: Server, tmp_path: Path) -> None:
    server.cut, server.ranges = 300_000, False
    fetch([f"{server.address}/file"], tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_the_part_of_a_process_that_was_killed_is_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / ".file.part").write_bytes(CONTENT[:1000])
    fetch([f"{server.address}/file"], tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert (tmp_path / "file").read_bytes() == CONTENT and server.asked == ["bytes=1000-"]


@pytest.mark.parametrize("part", [b"something else", CONTENT + b"more", b"x" * len(CONTENT)])
def test_a_part_of_something_else_is_thrown_away(server: Server, tmp_path: Path, part: bytes) -> None:
    (tmp_path / ".file.part").write_bytes(part)
    fetch([f"{server.address}/file"], tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_the_wrong_content_is_refused_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.content = b"evil"
    with pytest.raises(DownloadError, match="its sha256 differs"):
        fetch([f"{server.address}/file"], tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert names(tmp_path) == [] and server.asked == [None]


def test_the_wrong_content_does_not_replace_a_file_that_is_there(server: Server, tmp_path: Path) -> None:
    server.content = b"evil"
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(DownloadError):
        fetch([f"{server.address}/file"], tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_the_next_address_is_tried(server: Server, tmp_path: Path) -> None:
    addresses = [f"{server.address}/missing", "http://127.0.0.1:1/file", f"{server.address}/file"]
    fetch(addresses, tmp_path / "file", checksum=f"sha256:{SHA256}")
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/file", "data:text/plain,x"])
def test_only_addresses_of_the_web_are_asked(tmp_path: Path, address: str) -> None:
    with pytest.raises(DownloadError, match="no address of the web"):
        fetch([address], tmp_path / "file", checksum="sha256:00")
    assert names(tmp_path) == []


def test_an_option_takes_an_address_with_its_checksum(server: Server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = local_file(f"{server.address}/a/../weights.pth?x=1#sha256={SHA256.upper()}")
    assert path is not None and path.parent == tmp_path / "zoo" and path.name == f"{SHA256[:16]}-weights.pth"
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["..", "%2e%2e%2fx", "a%00b", ".hidden", "", "..%2f..%2fetc"])
def test_no_address_leads_out_of_the_folder(server: Server, tmp_path: Path, monkeypatch, name: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = local_file(f"{server.address}/{name}#sha256={SHA256}")
    assert path is not None and path.resolve().parent == (tmp_path / "zoo").resolve()


@pytest.mark.parametrize(
    "source",
    [
        *("https://host/file.pth", "http://host/file.pth", "https://host/file.pth#sha256=abc", "file:///etc/passwd"),
        *(f"ftp://host/file#sha256={SHA256}", f"https://host/file.pth#md5={SHA256}", "s3://bucket/key"),
    ],
)
def test_an_address_without_a_checksum_is_refused_naming_the_form(source: str) -> None:
    with pytest.raises(
        ValueError, match=r"only with the SHA-256 of its file; write https://HOST/FILE#sha256="
    ) as error:
        local_file(source)
    assert "\n" not in str(error.value)


def test_a_path_and_a_name_stay_what_they_are(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.pth").touch()
    assert local_file("folder/weights.pth") == Path("folder/weights.pth")
    assert local_file("here.pth") == Path("here.pth")
    assert local_file("DEFAULT") is None
