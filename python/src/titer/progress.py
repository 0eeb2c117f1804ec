"""Who is told how far the work is."""

from __future__ import annotations

import sys
import typing

from ._lab import InputError

Progress = typing.Union[bool, None, typing.Callable[[int, int, str], object]]
"""`True` for a bar, or a function that is called with steps done, of how many, and a message; nobody is told where it is `False` or `None`."""


def told(progress: Progress) -> typing.Callable[[int, int, str], object] | None:
    """The function to call, or none."""
    if callable(progress):
        return progress
    if isinstance(progress, (str, bytes)):
        raise InputError(f"progress is {progress!r}; give True for a bar, or a function")
    return Bar() if progress else None


class Bar:
    """tqdm's bar where that is installed, in notebooks too; else a line in ten per cent."""

    def __init__(self) -> None:
        self.bar: typing.Any = None
        self.tenth = 0
        self.tqdm: typing.Any = None
        try:
            from tqdm.auto import tqdm

            self.tqdm = tqdm
        except ImportError:
            pass

    def __call__(self, done: int, total: int, message: str) -> None:
        if self.tqdm is None:
            if total and 10 * done // total != self.tenth:
                self.tenth = 10 * done // total
                print(f"{10 * self.tenth} %  {message}", file=sys.stderr)
            return
        if self.bar is None or self.bar.total != total:
            self.close()
            self.bar = self.tqdm(total=total, unit="step")
        self.bar.set_postfix_str(message, refresh=False)
        self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """Ends the bar."""
        if self.bar is not None:
            self.bar.close()
