"""How a trial says what it found."""

import sys


def conclude(trial: str, findings: list[str], **figures: object) -> int:
    """Print the findings, then `trial  key=value …  failures=N`. Returns the exit status: 1 where there are any."""
    for finding in findings:
        print(f"FINDING {finding}")
    words = [f"{key}={value:.1f}" if isinstance(value, float) else f"{key}={value}" for key, value in figures.items()]
    print("  ".join([trial, *words, f"failures={len(findings)}"]), flush=True)
    return 1 if findings else 0


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
