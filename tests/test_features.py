"""The feature store: computed once, whole rows only, never another kind's."""

import errno
import hashlib
import os
import random
import shutil
import signal
import time

import numpy as np
import pytest

from pipeline import InputError
from pipeline.feature_space import in_words, measure_space, parse_size, share_space
from pipeline.features import RECORD, FeatureStore, store_folder

KIND = {"backbone": "tiny", "view": "identity"}


def digest_of(number: int) -> bytes:
    # Ends in a zero byte for some: a digest is bytes, not text.
    return hashlib.sha256(str(number).encode()).digest()[:31] + bytes([number % 2])


def rows_of(*numbers: int) -> np.ndarray:
    return np.array([[number, number / 2, -number] for number in numbers], dtype=np.float32)


def open_store(folder, kind=None):
    return FeatureStore(folder, kind or KIND, (3,))


def fill(folder, count=5):
    with open_store(folder) as store:
        store.append([digest_of(number) for number in range(count)], rows_of(*range(count)))


def test_features_come_back_under_their_digest_in_any_order(tmp_path):
    fill(tmp_path)
    with open_store(tmp_path) as store:
        positions = store.positions([digest_of(4), digest_of(1)])
        assert store.features()[positions].tolist() == rows_of(4, 1).tolist()
        assert store.missing([digest_of(1), digest_of(9)]) == {digest_of(9)}


def test_a_picture_twice_makes_one_row(tmp_path):
    with open_store(tmp_path) as store:
        store.append([digest_of(1), digest_of(1), digest_of(2)], rows_of(1, 1, 2))
        store.append([digest_of(2), digest_of(3)], rows_of(2, 3))
        assert len(store) == 3
        assert store.features()[store.positions([digest_of(3)])].tolist() == rows_of(3).tolist()


@pytest.mark.parametrize("name", ["features.bin", "rows.bin"])
@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_end_is_cut_to_whole_rows_and_can_be_appended_to(tmp_path, name, cut):
    fill(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-cut])
    with open_store(tmp_path) as store:
        kept = len(store)
        assert kept < 5
        missing = sorted(store.missing(map(digest_of, range(5))))
        assert len(missing) == 5 - kept
        store.append([digest_of(4)], rows_of(4))
        assert store.features()[store.positions([digest_of(4)])].tolist() == rows_of(4).tolist()
        assert store.features()[store.positions([digest_of(0)])].tolist() == rows_of(0).tolist()
    with open_store(tmp_path) as store:
        assert len(store) == kept + 1
        assert not store.forgotten


@pytest.mark.parametrize(("name", "byte"), [("features.bin", 3 * 6 + 2), ("rows.bin", 3 * 36 + 7)])
def test_a_flipped_bit_is_found_and_the_rows_from_there_are_forgotten(tmp_path, name, byte):
    fill(tmp_path)
    data = bytearray((tmp_path / name).read_bytes())
    data[byte] ^= 1
    (tmp_path / name).write_bytes(data)
    with open_store(tmp_path) as store:
        assert "damaged" in store.forgotten
        assert store.missing(map(digest_of, range(5))) == {digest_of(3), digest_of(4)}


@pytest.mark.parametrize("text", [None, b"", b'{"format": 1}', b"\xff\x00"])
def test_a_store_of_another_version_or_kind_is_begun_anew(tmp_path, text):
    fill(tmp_path)
    if text is None:
        assert store_folder(tmp_path, KIND) != store_folder(tmp_path, {**KIND, "view": "mirrored"})
    else:
        (tmp_path / "store.json").write_bytes(text)
    with open_store(tmp_path, {**KIND, "view": "mirrored"} if text is None else None) as store:
        assert len(store) == 0
        assert "another version" in store.forgotten


def test_a_store_that_cannot_be_used_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "features.bin").mkdir(parents=True)
    with pytest.raises(InputError, match="can't be used"), open_store(tmp_path):
        pass


def test_a_store_that_is_deleted_while_it_is_read_lasts_until_it_is_closed(tmp_path):
    fill(tmp_path / "store")
    with open_store(tmp_path / "store") as store:
        shutil.rmtree(tmp_path / "store")
        store.append([digest_of(7)], rows_of(7))
        assert store.features()[store.positions([digest_of(3), digest_of(7)])].tolist() == rows_of(3, 7).tolist()


def test_a_full_disk_is_one_error_with_the_store_named_and_what_was_kept_stays(tmp_path, monkeypatch):
    def half_then_full(file, data):
        file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    fill(tmp_path)
    with monkeypatch.context() as patch, open_store(tmp_path) as store:
        patch.setattr(FeatureStore, "_write", staticmethod(half_then_full))
        with pytest.raises(OSError, match="No space") as caught:
            store.append([digest_of(8), digest_of(9)], rows_of(8, 9))
        assert caught.value.filename == str(tmp_path)
    with open_store(tmp_path) as store:
        assert len(store) == 5
        store.append([digest_of(9)], rows_of(9))
        assert store.features()[store.positions([digest_of(9)])].tolist() == rows_of(9).tolist()


@pytest.mark.faults
def test_a_writer_that_is_killed_at_any_moment_leaves_whole_rows(tmp_path):
    width = 50_000  # large rows: most kills hit in the middle of one
    numbers = np.arange(400)

    def row(number: int) -> np.ndarray:
        return np.full((1, width), number, np.float16)

    for _ in range(12):
        pid = os.fork()
        if pid == 0:
            with FeatureStore(tmp_path, KIND, (width,)) as store:
                for number in numbers:
                    store.append([digest_of(number)], row(number))
            os._exit(0)
        time.sleep(random.uniform(0.01, 0.15))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with FeatureStore(tmp_path, KIND, (width,)) as store:
            kept = [number for number in numbers if not store.missing([digest_of(number)])]
            rows = store.features()[store.positions([digest_of(number) for number in kept])]
            assert (rows == np.array(kept)[:, None]).all()
    assert kept


def test_rows_of_pictures_that_are_kept_are_never_more_than_the_space_allows():
    wanted = {"mark": (100, 1000), "head": (50, 10)}
    assert share_space(10**6, wanted) == {"mark": 100, "head": 50}
    assert share_space(10_500, wanted) == {"mark": 10, "head": 50}
    assert share_space(0, wanted) == {"mark": 0, "head": 0}


def test_space_is_half_of_the_free_disk_or_what_was_asked_for(tmp_path, monkeypatch):
    fill(tmp_path / "features" / "one")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10_000, 0, 4_000))
    used = measure_space(tmp_path, None).used
    assert used == sum(path.stat().st_size for path in (tmp_path / "features" / "one").iterdir())
    assert measure_space(tmp_path, None).left == 2_000
    assert measure_space(tmp_path, 10**9).left == 4_000
    assert measure_space(tmp_path, used + 7).left == 7
    assert measure_space(tmp_path, 0).left == 0


def test_sizes_are_read_and_told_as_people_write_them():
    assert [parse_size(text) for text in ("0", "20GB", "1.5 tb", "500M", "7k")] == [0, 2e10, 1.5e12, 5e8, 7e3]
    assert [in_words(size) for size in (0, 999, 3_600_000_000, 5e8)] == ["0 bytes", "999 bytes", "3.6 GB", "500 MB"]
    for text in ("", "many", "-1GB", "1 GiB", "nan"):
        with pytest.raises(InputError, match="features-limit"):
            parse_size(text)


def test_rows_without_a_description_are_not_trusted(tmp_path):
    fill(tmp_path)
    (tmp_path / "store.json").unlink()
    with open_store(tmp_path) as store:
        assert len(store) == 0


def test_values_beyond_float16_stay_finite(tmp_path):
    with open_store(tmp_path) as store:
        store.append([digest_of(1)], np.array([[1e6, -1e6, 1]]))
        assert np.isfinite(store.features()).all()


def test_a_record_is_a_digest_and_a_checksum():
    assert RECORD.itemsize == 36
