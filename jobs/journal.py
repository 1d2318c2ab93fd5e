"""What a scheduled round says of itself: sentences for people, or one JSON object a line for programs."""

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from jobs.summary import show_summary
from pipeline import InputError

FORMS = ("text", "json")


class Journal:
    """Says events as they happen. form: text or json; raises InputError for another."""

    def __init__(self, form: str) -> None:
        if form not in FORMS:
            raise InputError(f"unknown --log '{form}'; choose text or json.")
        self._is_json = form == "json"

    def say(self, event: str, sentence: str = "", **facts: Any) -> None:
        """An event: its facts as JSON, or a sentence where there is one."""
        if self._is_json:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            told = {"text": sentence} if sentence and not facts else facts
            print(json.dumps({"time": now, "event": event, **told}), flush=True)
        elif sentence:
            print(sentence, flush=True)

    def warn(self, sentence: str, **facts: Any) -> None:
        """Something that a person should look at; for people on standard error."""
        if self._is_json:
            self.say("warning", text=sentence, **facts)
        else:
            print(f"Warning: {sentence}", file=sys.stderr, flush=True)

    def show(self, rows: Sequence[tuple[str, str]]) -> None:
        """A table, for people alone."""
        if not self._is_json:
            show_summary(rows)

    @contextlib.contextmanager
    def notes(self) -> Iterator[None]:
        """Lines that others print inside the block become events too."""
        if not self._is_json:
            yield
            return
        with contextlib.redirect_stdout(io.StringIO()) as said:
            yield
        for line in said.getvalue().splitlines():
            self.say("note", line)
