"""Opening one file of a folder: nothing blocks, nothing outside is read, every refusal has a reason."""

import errno
import io
import os
import pickle
import socket
import threading

import pytest
from PIL import Image

from pipeline import conversion, reading
from pipeline.reading import Limits, Rejected, read_picture


def jpeg(size=(40, 30), **options) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(file, "JPEG", **options)
    return file.getvalue()


def rejected(root, name: bytes, limits: Limits = Limits()) -> Rejected:  # noqa: B008
    with pytest.raises(Rejected) as caught:
        read_picture(os.fsencode(root), name, limits)
    assert str(caught.value)
    return caught.value


def test_a_photo_comes_back_byte_for_byte(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg())
    picture = read_picture(os.fsencode(tmp_path), b"a.jpg")
    assert picture[:-1] == (jpeg(), "jpeg", 40, 30, 1, 1)
    status = os.stat(tmp_path / "a.jpg")
    assert picture.state == (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    assert read_picture(str(tmp_path), b"a.jpg") == picture


def test_content_decides_not_the_name(tmp_path):
    (tmp_path / "photo.txt").write_bytes(jpeg())
    assert read_picture(str(tmp_path), b"photo.txt").format == "jpeg"
    (tmp_path / "page.jpg").write_text("<!DOCTYPE html><html></html>")
    assert "an HTML page" in str(rejected(tmp_path, b"page.jpg"))


def test_odd_names_are_only_names(tmp_path):
    for name in (b"\xff\xfe.jpg", b"new\nline.jpg", b"=1+1.jpg", b" .jpg", b"-rf", b"a" * 251 + b".jpg"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(jpeg())
        assert read_picture(str(tmp_path), name).width == 40


def test_a_name_that_is_too_long_or_holds_a_zero_byte_is_rejected(tmp_path):
    assert not rejected(tmp_path, b"a" * 300).transient
    assert "zero byte" in str(rejected(tmp_path, b"a\0b"))


def test_what_is_no_regular_file_is_rejected_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(".", os.O_RDONLY)
        try:
            os.chdir(tmp_path)  # a socket's path must be short
            server.bind("socket.jpg")
        finally:
            os.fchdir(here)
            os.close(here)
    for name in ("fifo", "folder", "socket"):
        reason = rejected(tmp_path, f"{name}.jpg".encode())
        assert name.lower() in str(reason).lower() and not reason.transient


def test_a_device_is_never_opened(monkeypatch):
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    assert "device" in str(rejected("/dev", b"zero"))


def test_links_inside_the_folder_are_followed(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.jpg").write_bytes(jpeg())
    (tmp_path / "link.jpg").symlink_to("sub/a.jpg")
    assert read_picture(str(tmp_path), b"link.jpg").width == 40


def test_links_out_of_the_folder_are_refused(tmp_path):
    (tmp_path / "out.jpg").write_bytes(jpeg())
    (tmp_path / "root").mkdir()
    (tmp_path / "root2").mkdir()  # its name begins with the root's
    (tmp_path / "root2" / "a.jpg").write_bytes(jpeg())
    (tmp_path / "root" / "file.jpg").symlink_to("../out.jpg")
    (tmp_path / "root" / "folder").symlink_to("../root2")
    outside = os.fsencode(tmp_path / "out.jpg")
    for name in (b"file.jpg", b"folder/a.jpg", b"../out.jpg", b"../root2/a.jpg", outside):
        assert "out of the folder" in str(rejected(tmp_path / "root", name))


def test_the_folder_itself_may_be_reached_by_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jpg").write_bytes(jpeg())
    (tmp_path / "link").symlink_to("real")
    assert read_picture(str(tmp_path / "link"), b"a.jpg").width == 40


def test_link_loops_and_dangling_links_are_named(tmp_path):
    (tmp_path / "a.jpg").symlink_to("b.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "c.jpg").symlink_to("nothing.jpg")
    assert str(rejected(tmp_path, b"a.jpg")) == "link loop"
    assert "nowhere" in str(rejected(tmp_path, b"c.jpg"))


def test_empty_and_too_large_files_are_refused_before_reading(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert str(rejected(tmp_path, b"empty.jpg")) == "empty (0 bytes)"
    with open(tmp_path / "sparse.jpg", "wb") as file:
        file.truncate(2**40)
    assert "over the limit of 256 MiB" in str(rejected(tmp_path, b"sparse.jpg"))
    (tmp_path / "a.jpg").write_bytes(jpeg())
    assert "over the limit" in str(rejected(tmp_path, b"a.jpg", Limits(file_bytes=100)))


def test_a_large_file_of_another_kind_is_refused_by_its_beginning(tmp_path, monkeypatch):
    with open(tmp_path / "film.jpg", "wb") as file:
        file.write(b"\0\0\0\x18ftypmp42")
        file.truncate(100 * 2**20)
    sizes = []
    monkeypatch.setattr(os, "read", lambda fd, size, read=os.read: sizes.append(size) or read(fd, size))
    assert "a video" in str(rejected(tmp_path, b"film.jpg"))
    assert sum(sizes) <= 65536


def test_a_missing_file_may_come_back(tmp_path):
    reason = rejected(tmp_path, b"a.jpg")
    assert str(reason).startswith("gone") and reason.errno == errno.ENOENT
    assert reason.transient and not reason.medium


@pytest.mark.parametrize(
    ("number", "medium", "transient"),
    [
        (errno.EIO, True, True),
        (errno.ESTALE, True, True),
        (errno.ENOTCONN, True, True),
        (errno.ETIMEDOUT, True, True),
        (errno.EACCES, False, True),
        (errno.EMFILE, False, True),
        (errno.ENAMETOOLONG, False, False),
    ],
)
def test_errors_of_the_medium_are_told_from_others(tmp_path, monkeypatch, number, medium, transient):
    (tmp_path / "a.jpg").write_bytes(jpeg())

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "read", fail)
    reason = rejected(tmp_path, b"a.jpg")
    assert (reason.errno, reason.medium, reason.transient) == (number, medium, transient)
    assert os.strerror(number) in str(reason)


def test_bad_content_is_final(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg()[:-200])
    reason = rejected(tmp_path, b"a.jpg")
    assert str(reason) == "JPEG is cut off"
    assert reason.errno is None and not reason.medium and not reason.transient


@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite"])
def test_a_file_that_changes_while_it_is_read_is_named(tmp_path, monkeypatch, change):
    file = tmp_path / "a.jpg"
    file.write_bytes(jpeg() + bytes(100_000))

    def read_after_change(descriptor, size, read=os.read):
        match change:
            case "grow":
                file.write_bytes(file.read_bytes() + b"more")
            case "shrink":
                os.truncate(file, 80_000)
            case "rewrite":
                os.utime(file, ns=(1, 1))
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", read_after_change)
    reason = rejected(tmp_path, b"a.jpg")
    assert str(reason) == "changed while it was read" and reason.transient and not reason.medium


def test_no_descriptor_stays_open(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    (tmp_path / "good.jpg").write_bytes(jpeg())
    before = os.open(os.devnull, os.O_RDONLY)
    os.close(before)
    for _ in range(10):
        rejected(tmp_path, b"bad.jpg")
        read_picture(str(tmp_path), b"good.jpg")
    after = os.open(os.devnull, os.O_RDONLY)
    os.close(after)
    assert after == before


def test_no_memory_is_a_reason_to_try_again(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(jpeg())

    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(reading, "check_header", fail)
    reason = rejected(tmp_path, b"a.jpg")
    assert reason.transient and not reason.medium


def test_a_reject_survives_the_way_between_processes():
    sent = pickle.loads(pickle.dumps(Rejected("no", errno=errno.EIO)))
    assert (str(sent), sent.errno, sent.medium, sent.transient) == ("no", errno.EIO, True, True)


def test_photos_over_4_megapixels_are_decoded_smaller_but_never_under_1024(tmp_path):
    for size, reduction in (
        ((2000, 2000), 1),  # 4.0
        ((2002, 2002), 1),  # half would be 1001
        ((2050, 2050), 2),
        ((4096, 4200), 4),
        ((8200, 1100), 1),
    ):
        (tmp_path / "a.jpg").write_bytes(jpeg(size))
        assert read_picture(str(tmp_path), b"a.jpg").reduction == reduction, size


def test_heavy_pictures_are_made_smaller_one_at_a_time(tmp_path, monkeypatch):
    sizes = {b"a.png": (5000, 3300), b"b.png": (3300, 5000), b"c.gif": (17000, 1000)}
    for name, size in sizes.items():
        Image.linear_gradient("L").resize(size).save(tmp_path / name.decode())
    inside, most, results = [], [], {}

    def watched(data, header, heavy, convert=conversion._convert):
        inside.append(header)
        most.append(len(inside))
        try:
            return convert(data, header, heavy)
        finally:
            inside.pop()

    def read(name):
        results[name] = read_picture(str(tmp_path), name)[1:4]

    monkeypatch.setattr(conversion, "_convert", watched)
    threads = [threading.Thread(target=read, args=(name,)) for name in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[b"a.png"] == ("bmp", 1250, 1100)
    assert results[b"b.png"] == ("bmp", 1100, 1250)
    assert results[b"c.gif"] == ("bmp", 1063, 1000)
    assert most == [1, 1, 1]


def test_heavy_progressive_jpegs_become_small_too(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg((4100, 4000), progressive=True))
    assert read_picture(str(tmp_path), b"a.jpg")[1:4] == ("bmp", 1025, 2000)
