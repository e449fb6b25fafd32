"""The cases: functions that take machines, each in a file of the folder cases."""

import dataclasses
import importlib
import pathlib
import typing

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "cases"
ALL = []


@dataclasses.dataclass
class Case:
    name: str
    run: typing.Callable
    short: bool


def case(function=None, *, short=True):
    """Makes a function a case; one that is not short is left out of the short version."""

    def add(function):
        ALL.append(Case(function.__name__, function, short))
        return function

    return add(function) if function else add


def load(words, short):
    for path in sorted(FOLDER.glob("*.py")):
        importlib.import_module(f"cases.{path.stem}")
    chosen = [case for case in ALL if not words or any(word in case.name for word in words)]
    return [case for case in chosen if case.short or not short]
