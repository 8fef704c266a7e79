"""The line that a trial ends with."""

import json
import sys
from pathlib import Path
from typing import Any


def line(trial: str, *, failures: int, **figures: Any) -> str:
    """`trial  key=value …  failures=N`; seconds and megabytes with one digit."""
    words = [f"{key}={value:.1f}" if isinstance(value, float) else f"{key}={value}" for key, value in figures.items()]
    return "  ".join([f"{trial:16s}", *words, f"failures={failures}"])


def conclude(trial: str, findings: list[str], **figures: Any) -> int:
    """Print what was found, then the line. Returns the exit status of the command: 1 where anything was found."""
    for finding in findings:
        print(f"FINDING {finding}", flush=True)
    print(line(trial, failures=len(findings), **figures), flush=True)
    return 1 if findings else 0


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))
