"""From batches to probabilities; knows no file layout of pictures."""

import sys

# OpenVINO would tell Google Analytics of each use, from a process that it forks in the midst of ours. It does without
# where that package is missing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


class ModelError(Exception):
    """A fault in a model, its options or files: what was wrong, what was received, what to do."""
