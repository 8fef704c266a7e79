"""Pictures whose verdict was wrong once: does this model judge them better?

A folder holds them and cases.csv, which says of each what it is; docs/wrong-verdicts.md tells how they come there.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from detector import Detector, ImageError, Result, Verdict
from training.errors import TrainingError

LIST = "cases.csv"
EXPECTED = ("real", "fake", "no_face")


@dataclass(frozen=True)
class Case:
    """One picture: `expected` is one of EXPECTED, `note` says how it is known and where it was reported."""

    file: Path
    expected: str
    note: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a model says of a case: a result, or why there is none."""

    case: Case
    answer: Result | ImageError

    @property
    def is_wrong(self) -> bool:
        """A real face called fake, a fake called neither fake, leaning to it nor uncertain, a face where there is
        none, or none where there is one. That the model abstains is never wrong."""
        if isinstance(self.answer, ImageError):
            return True
        verdict = self.answer.verdict
        match self.case.expected:
            case "real":
                return verdict in (Verdict.LIKELY_FAKE, Verdict.NO_FACE)
            case "fake":
                return verdict not in (Verdict.LIKELY_FAKE, Verdict.LEANS_FAKE, Verdict.UNCERTAIN)
        return verdict is not Verdict.NO_FACE


def run(model: Path, folder: Path) -> int:
    """Print a line for every case and how many are wrong. Returns the exit status: 1 where any is. Raises TrainingError
    for the cases, ModelError for the model folder."""
    outcomes = judge(Detector.load(model), read(folder))
    for outcome in outcomes:
        told = outcome.answer
        said = str(told) if isinstance(told, ImageError) else f"{told.verdict} {_score(told)}"
        print(f"{'WRONG' if outcome.is_wrong else 'ok':5s}  {outcome.case.expected:7s}  {said:22s}  {_name(outcome)}")
    wrong = sum(outcome.is_wrong for outcome in outcomes)
    print(f"{wrong} of {len(outcomes)} wrong")
    return 1 if wrong else 0


def judge(detector: Detector, cases: list[Case]) -> list[Outcome]:
    """An Outcome for each case, in their order."""
    answers = detector.detect_many(case.file for case in cases)
    return [Outcome(case, answer) for case, answer in zip(cases, answers, strict=True)]


def read(folder: Path) -> list[Case]:
    """The cases of a folder. Raises TrainingError where cases.csv cannot be read, names a picture that is not in the
    folder, or says something else than one of EXPECTED."""
    try:
        with open(folder / LIST, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise TrainingError(
            f"{folder.name} has no {LIST} that can be read: make one with file,expected,note."
        ) from None
    cases = []
    for number, row in enumerate(rows, 2):
        name, expected = row.get("file") or "", row.get("expected") or ""
        path = folder / name
        if not name or not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise TrainingError(f"{LIST}, line {number}: there is no picture {name!r} in the folder.")
        if expected not in EXPECTED:
            raise TrainingError(f"{LIST}, line {number}: write {' or '.join(EXPECTED)} under expected.")
        cases.append(Case(path, expected, row.get("note") or ""))
    if not cases:
        raise TrainingError(f"The {LIST} of {folder.name} lists no picture: add a line for each.")
    return cases


def _score(result: Result) -> str:
    return "" if result.score is None else f"{result.score:.3f}"


def _name(outcome: Outcome) -> str:
    return f"{outcome.case.file.name}  {outcome.case.note}".rstrip()
