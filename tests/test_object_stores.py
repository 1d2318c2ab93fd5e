"""Trees of pictures in object stores: listed, read and refused as those in folders are."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from PIL import Image
from s3_server import BUSY, CUT, DROP, HANG, PASS, Proxy, Server, run_proxy

from pipeline import InputError, stores
from pipeline.reading import LIMITS, Limits, Rejected
from pipeline.sources import LocalFolder, Source, open_source

HOUSE = Path(__file__).parent.parent


def picture(shade: int = 100) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (40, 30), (shade, 50, 90)).save(data, "JPEG")
    return data.getvalue()


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    fs = fsspec.filesystem("memory")
    yield fs
    for name in fs.find("/"):
        fs.rm_file(name)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "patience", lambda: stores.Patience(2, tries_again=2, first_pause=0.05))


def names(source: Source, **patterns: list[str]) -> list[bytes]:
    return [entry.path for entry in source.entries(**patterns)]


def reject(source: Source, path: bytes, limits: Limits = LIMITS) -> Rejected:
    with pytest.raises(Rejected) as raised:
        source.read(source.root, path, limits)
    return raised.value


def through(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, address: str = "s3://photos/in") -> Source:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    return open_source(address)


def test_a_tree_is_the_same_in_a_folder_and_in_a_bucket(s3: Server, tmp_path: Path):
    for name in (
        "b.jpg",
        "a/2.jpg",
        "a/10.jpg",
        "a-b.jpg",
        "with space + % # ?.jpg",
        "ü.jpg",
        ".hidden.jpg",
        "a/.x/1.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(picture(len(name)))
    s3.upload(tmp_path, "photos/in")
    s3.put("photos/input/other.jpg", picture())
    here, there = open_source(str(tmp_path)), open_source("s3://photos/in/")
    assert names(there) == names(here)
    assert names(there, include=["a/*"], exclude=["*10*"]) == names(here, include=["a/*"], exclude=["*10*"]) != []
    for path in names(here):
        assert there.read(there.root, path, LIMITS)[:-1] == here.read(here.root, path, LIMITS)[:-1]


def test_an_entry_of_the_listing_tells_the_same_state_as_the_read_object(s3: Server):
    s3.put("photos/in/1.jpg", picture())
    source = open_source("s3://photos/in")
    (entry,) = source.entries()
    assert source.read(source.root, b"1.jpg", LIMITS).state == entry[1:]


def test_another_content_of_the_same_size_is_another_state(s3: Server):
    source = open_source("s3://photos/in")
    s3.put("photos/in/1.bmp", b"BM" + bytes(100))
    before = list(source.entries())
    s3.put("photos/in/1.bmp", b"BM" + bytes(99) + b"1")
    (after,) = source.entries()
    assert after.size == before[0].size
    assert after.inode != before[0].inode


def test_folders_that_a_console_made_are_no_files_and_empty_objects_are_rejects(s3: Server):
    for name in ("in/", "in/full/", "in/full/1.jpg", "in/empty/", "in/nothing.jpg"):
        s3.put(f"photos/{name}", picture() if name.endswith("1.jpg") else b"")
    source = open_source("s3://photos/in")
    assert names(source) == [b"full/1.jpg", b"nothing.jpg"]
    refused = reject(source, b"nothing.jpg")
    assert (str(refused), refused.transient) == ("empty (0 bytes)", False)


@pytest.mark.slow
def test_a_bucket_without_prefix_and_one_with_a_thousand_objects_more_than_a_page(s3: Server):
    for number in range(1003):
        s3.put(f"photos/{number:04}.jpg", b"x")
    assert names(open_source("s3://photos")) == [b"%04d.jpg" % number for number in range(1003)]


def test_an_object_over_the_limit_is_refused_before_it_is_fetched(s3: Server, monkeypatch: pytest.MonkeyPatch):
    s3.put("photos/in/1.jpg", picture() + bytes(4 << 20))
    with run_proxy(s3, lambda *_: PASS) as proxy:
        source = through(proxy, monkeypatch)
        refused = reject(source, b"1.jpg", Limits(file_bytes=1 << 20))
        assert str(refused) == "4 MiB, over the limit of 1 MiB a file"
        assert len(proxy.seen) == 1


def test_a_server_that_fails_every_third_request_loses_nothing(
    s3: Server, impatient: None, monkeypatch: pytest.MonkeyPatch
):
    for number in range(6):
        s3.put(f"photos/in/{number}.jpg", picture(number))
    for fault in (BUSY, DROP, CUT):
        with run_proxy(s3, lambda number, *_, fault=fault: PASS if number % 3 else fault) as proxy:
            source = through(proxy, monkeypatch)
            found = names(source)
            assert len(found) == 6
            assert all(source.read(source.root, path, LIMITS).format == "jpeg" for path in found)
            assert len(proxy.seen) >= 10


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (BUSY, "can't be read: the server answers SlowDown"),
        (HANG, "can't be read: the server does not answer in time"),
        (DROP, "can't be read: the connection to the server breaks off"),
        (CUT, "can't be read: the connection to the server breaks off"),
    ],
)
@pytest.mark.faults
def test_errors_of_the_server_are_errors_of_the_medium(
    s3: Server, impatient: None, monkeypatch: pytest.MonkeyPatch, fault: str, words: str
):
    s3.put("photos/in/1.jpg", picture())
    with run_proxy(s3, lambda *_: fault) as proxy:
        refused = reject(through(proxy, monkeypatch), b"1.jpg")
        assert (str(refused), refused.medium, refused.transient) == (words, True, True)
        assert 2 <= len(proxy.seen) <= 3


def test_a_server_that_is_gone_is_an_error_of_the_medium_and_known_to_be_gone(
    s3: Server, impatient: None, monkeypatch: pytest.MonkeyPatch
):
    s3.put("photos/in/1.jpg", picture())
    with run_proxy(s3, lambda *_: PASS) as proxy:
        source = through(proxy, monkeypatch)
        assert source.read(source.root, b"1.jpg", LIMITS).format == "jpeg"
    refused = reject(source, b"1.jpg")
    assert (str(refused), refused.medium) == ("can't be read: no connection to the server", True)
    assert not source.is_there()


def test_an_object_that_is_gone_or_forbidden_is_transient_and_not_the_mediums_fault(s3: Server):
    source = open_source("s3://photos/in")
    gone = reject(source, b"1.jpg")
    assert (str(gone), gone.medium, gone.transient) == ("gone since the folder was listed", False, True)
    assert source.is_there()


def test_an_object_that_changes_between_two_halves_is_not_mixed(s3: Server, monkeypatch: pytest.MonkeyPatch):
    s3.put("photos/in/1.jpg", picture() + bytes(1 << 20) + picture()[-2:])

    def plan(number: int, *_: str) -> str:
        if number == 2:
            s3.put("photos/in/1.jpg", picture(7) + bytes(1 << 20) + picture()[-2:])
        return CUT if number == 1 else PASS

    with run_proxy(s3, plan) as proxy:
        source = through(proxy, monkeypatch)
        assert reject(source, b"1.jpg").transient
        assert source.read(source.root, b"1.jpg", LIMITS).data.startswith(picture(7))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://not-there/in", "s3://not-there/in cannot be listed (the bucket does not exist)"),
        ("s3://", "the address s3:// names no bucket or host"),
        ("s3://photos//in", "the address s3://photos//in has an empty part"),
        ("s3://photos/../in", "the address s3://photos/../in has an empty part"),
        ("s3://[photos/in", "the address s3://[photos/in names no bucket"),
        ("s3://my photos/in", "the address s3://my photos/in names no bucket"),
        ("s3://key:secret@photos/in", "the address s3://key:***@photos/in holds a password"),
        ("file://here", "holds no absolute path"),
        ("file:///not/there", "no such folder: /not/there"),
        ("nosuch://x/y", "nosuch://x/y can't be opened: Protocol not known: nosuch"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_sentence(s3: Server, address: str, words: str):
    with pytest.raises(InputError) as raised:
        list(open_source(address).entries())
    assert words in str(raised.value)
    assert str(raised.value).endswith(".")


def test_missing_credentials_are_one_sentence(s3: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(InputError, match="only one of the two credentials is set"):
        open_source("s3://photos/in")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match="no credentials found; set AWS_ACCESS_KEY_ID"):
        list(open_source("s3://photos/in").entries())


def test_credentials_of_the_aws_tools_files_are_used(s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = a%b\naws_secret_access_key = c\n[profile x]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    assert names(open_source("s3://photos/in")) == []


def test_a_name_that_is_no_path_is_named_and_not_passed_over(s3: Server):
    s3.put("photos/in/a//b.jpg", picture())
    with pytest.raises(InputError, match=r"the object 'in/a//b.jpg' has a name that is no path; rename it"):
        list(open_source("s3://photos/in").entries())


def test_without_its_package_an_s3_address_is_answered_with_what_to_install():
    code = (
        "import sys; sys.modules['obstore'] = None; from pipeline.sources import open_source; open_source('s3://b/p')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=False)
    assert 'run make setup EXTRAS="cpu s3"' in done.stderr.splitlines()[-1]


def test_a_file_address_is_the_folder_itself(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    source = open_source(f"file://{tmp_path}/link")
    assert isinstance(source, LocalFolder)
    assert source.root == os.fsencode(tmp_path / "real")


def test_any_other_address_goes_through_fsspec(memory: fsspec.AbstractFileSystem):
    memory.pipe_file("/in/a/1.jpg", picture())
    memory.pipe_file("/in/.x/1.jpg", picture())
    memory.pipe_file("/in/empty.jpg", b"")
    source = open_source("memory://in")
    assert source.root == b"memory://in"
    first, second = sorted(source.entries())
    assert (first.path, second.path) == (b"a/1.jpg", b"empty.jpg")
    read = source.read(source.root, b"a/1.jpg", LIMITS)
    assert (read.data, read.state) == (picture(), first[1:])
    assert str(reject(source, b"empty.jpg")) == "empty (0 bytes)"
    assert str(reject(source, b"gone.jpg")) == "gone since the folder was listed"


def test_a_file_that_fsspec_shows_changed_after_reading_is_transient(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
):
    memory.pipe_file("/in/1.jpg", picture())
    whole = type(memory).cat_file

    def and_change(self: fsspec.AbstractFileSystem, path: str, **options: object) -> bytes:
        data = whole(self, path, **options)
        memory.pipe_file(path, picture() + b"more")
        return data

    monkeypatch.setattr(type(memory), "cat_file", and_change)
    refused = reject(open_source("memory://in"), b"1.jpg")
    assert (str(refused), refused.transient) == ("changed while it was read", True)


def test_pictures_of_a_store_are_read_several_at_a_time(s3: Server, monkeypatch: pytest.MonkeyPatch):
    tf = pytest.importorskip("tensorflow")
    from pipeline.images import read_together

    for number in range(12):
        s3.put(f"photos/in/{number}.jpg", picture(number))
    together = threading.Barrier(4, timeout=10)  # broken unless four requests are under way at once

    def plan(number: int, *_: str) -> str:
        del number
        proxy.lock.release()
        try:
            together.wait()
        finally:
            proxy.lock.acquire()
        return PASS

    with run_proxy(s3, plan) as proxy:
        source = through(proxy, monkeypatch)
        paths = [b"%d.jpg" % number for number in range(12)]
        data, *_ = read_together(source.root, tf.constant(paths), LIMITS, source.read, at_once=source.at_once)
    assert data.numpy().tolist() == [picture(number) for number in range(12)]


@pytest.mark.parametrize("given", ["", "0", "-1", "long", "nan", "4000"])
def test_a_patience_that_is_none_is_one_sentence(s3: Server, monkeypatch: pytest.MonkeyPatch, given: str):
    monkeypatch.setenv(stores.PATIENCE, given)
    with pytest.raises(InputError, match=f"{stores.PATIENCE} is '{given}'; give the seconds"):
        open_source("s3://photos/in")
