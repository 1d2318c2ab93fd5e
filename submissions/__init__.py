"""From probabilities to files; no TensorFlow."""


class SubmissionError(Exception):
    """A fault of a ledger or an output, as one sentence: what was wrong, what was received, what to do."""

    exit_code = 2


class LockedError(SubmissionError):
    """Another run holds the lock."""

    exit_code = 4


class TooManyRejectsError(SubmissionError):
    """More pictures were rejected than allowed; nothing was published."""

    exit_code = 3


class TooFewFilesError(SubmissionError):
    """Fewer files are there than must be; nothing was published."""

    exit_code = 3


class DriftError(SubmissionError):
    """The new pictures are unlike those that the model was measured on; everything is published."""

    exit_code = 5
