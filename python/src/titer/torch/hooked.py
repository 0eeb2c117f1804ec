"""Hooks that are taken away where one of them fails."""

from __future__ import annotations

import functools
import typing

Hook = typing.TypeVar("Hook", bound=typing.Callable[..., typing.Any])


class Hooked:
    """Something with hooks on a model, an optimiser or a data loader."""

    def __init__(self) -> None:
        self.handles: list[typing.Callable[[], object]] = []
        """What takes each hook away."""

    def remove(self) -> None:
        """Takes all hooks away."""
        handles, self.handles = self.handles, []
        for handle in handles:
            handle()


def leaves_nothing(hook: Hook) -> Hook:
    """A hook after whose failure none of its object's hooks is left."""

    @functools.wraps(hook)
    def guarded(self: Hooked, *arguments: typing.Any) -> typing.Any:
        try:
            return hook(self, *arguments)
        except BaseException:
            self.remove()
            raise

    return typing.cast(Hook, guarded)
