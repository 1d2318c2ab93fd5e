"""Publication: a CSV, its rejects and its manifest, whole or not at all.

All three are written aside and fsynced, then take their names: the CSV, its rejects, its manifest. The first
rename decides: before it the old three stand as they were; after it the CSV is the new one, and the manifest
that still lies aside describes it, so the next start can finish what a killed process had begun
(`clean_leftovers`). In between, `verify` says that the CSV and the manifest do not belong together.
"""

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from submissions import SubmissionError
from submissions.atomic import Written, csv_chunks, sha256_of, sync_folder, write_aside
from submissions.locks import folder_lock
from submissions.lone_rejects import REJECT_COLUMNS, is_lone, reject_rows, write_rejects
from submissions.manifests import (
    Manifest,
    Trio,
    build_manifest,
    describes,
    dump_manifest,
    find_trio,
    read_manifest,
)
from submissions.names import shown, unescape
from submissions.records import Reject
from submissions.recovery import clean_leftovers, recover

__all__ = ["Reject", "check_output", "clean_leftovers", "publish", "write_rejects"]


def check_output(out: Path) -> None:
    """Say before the work what `publish` would say after it.

    Raises SubmissionError when there is no folder for `out`, none that can be written, or `out` is not a
    regular file's name. An output that exists is no fault yet: it may equal what will be written.
    """
    folder = find_trio(out).csv.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SubmissionError(f"the output's folder {shown(folder)} cannot be written; check its permissions.")


def _lasting(card: Manifest) -> Manifest:
    return {key: value for key, value in card.items() if key != "times"}


def _is_published(trio: Trio, card: Manifest) -> bool:
    old = read_manifest(trio.manifest)
    return (
        old is not None
        and _lasting(old) == _lasting(card)
        and describes(card, "csv", trio.csv)
        and describes(card, "rejects", trio.rejects)
    )


def _check_no_other_owner(trio: Trio, old: Manifest) -> None:
    # a.csv and a.txt would share their companions.
    name = Path(os.fsdecode(unescape(old["files"]["csv"]["name"]))).name
    other = trio.csv.with_name(name) if name else trio.csv
    if other != trio.csv and other.is_file() and describes(old, "csv", other):
        raise SubmissionError(f"{shown(trio.manifest)} belongs to {shown(other)}; choose an output with another stem.")


def _check_replaceable(trio: Trio, card: Manifest, overwrite: bool, replace_own: bool) -> None:
    there = sha256_of(trio.csv)
    old = read_manifest(trio.manifest)
    own = old is not None and there == old["files"]["csv"]["sha256"]
    if old is not None and not own:
        _check_no_other_owner(trio, old)
    if overwrite or there == card["files"]["csv"]["sha256"] or (own and replace_own):
        return
    if there is not None and replace_own:
        raise SubmissionError(
            f"{shown(trio.csv)} is not as its manifest says, so it may be someone else's; move it away, or "
            "choose another output with --out."
        )
    taken = [] if is_lone(trio) else [path for path in trio if path.exists()]
    if taken and (there is not None or old is None):
        remedy = "move it away" if replace_own else "add --overwrite to replace it"
        raise SubmissionError(f"{shown(taken[0])} exists; {remedy}, or choose another output with --out.")


def _check_counts(table: Written, rejects: Written, files: int, filled: int) -> None:
    if table.records - filled + rejects.records != files:
        raise SubmissionError(
            f"nothing is published, since {table.records} rows ({filled} of them filled) and "
            f"{rejects.records} rejects do not make the {files} files found; run it again."
        )


def _commit(files: Sequence[Written]) -> None:
    folder = files[0].target.parent
    sync_folder(folder)
    for file in files:
        os.replace(file.aside, file.target)
        sync_folder(folder)


def publish(
    out: Path,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    rejects: Iterable[Reject],
    manifest: Mapping[str, Any],
    *,
    files: int,
    started: datetime,
    filled: int = 0,
    overwrite: bool = False,
    replace_own: bool = False,
) -> Literal["written", "unchanged"]:
    """Write `out`, `STEM.rejects.csv` (also when empty) and `STEM.manifest.json` as one publication.

    rows: cells as text, in their final order, without line breaks. manifest: its `model` (key), `options` and
    `versions`. files: how many were found; rows - filled + rejects must equal it. started: an aware datetime.
    'unchanged' when the three are there already and would differ in their times alone. An `out` of the same
    content gets its companions anew. Any other `out` is replaced with `overwrite`, or with `replace_own` when
    its manifest is this program's and names its SHA-256.
    Raises SubmissionError for all that stands in the way, a full disk included: then the old or the new files
    are whole, and the same call can be made again. LockedError when another run publishes there for a minute.
    """
    trio = find_trio(out)
    try:
        with folder_lock(trio.csv.parent):
            recover(trio)
            try:
                table = write_aside(trio.csv, csv_chunks(columns, rows))
                bad = write_aside(trio.rejects, csv_chunks(REJECT_COLUMNS, reject_rows(rejects)))
                _check_counts(table, bad, files, filled)
                card = build_manifest(table, bad, columns, filled, manifest, started)
                if _is_published(trio, card):
                    return "unchanged"
                _check_replaceable(trio, card, overwrite, replace_own)
                _commit([table, bad, write_aside(trio.manifest, [(dump_manifest(card), 0)])])
            finally:
                # After a fault it depends on what is there: the same question as after a kill.
                with contextlib.suppress(OSError):
                    recover(trio)
    except OSError as error:
        raise SubmissionError(
            f"{shown(trio.csv)} could not be published ({error.strerror}), and no file is half-written; free "
            "some space or check the folder, then run it again."
        ) from error
    return "written"
