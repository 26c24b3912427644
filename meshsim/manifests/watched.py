"""Mappings that notice who looks: some of their values are found only when they are asked for."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, final

NOTHING: Final = object()
"""What a key turns out to be that is not there."""


@final
class Watched(dict[Any, Any]):
    """A mapping with open keys, each with a function that is called when somebody first looks: it gives the value, or
    `NOTHING`. Whoever goes over the whole mapping looks at every key. Changing it is refused: it stands for manifests,
    which nobody changes in place.
    """

    __slots__ = ("_open",)

    def __init__(self, held: Mapping[Any, Any], open_keys: Mapping[Any, Callable[[], Any]]) -> None:
        super().__init__((key, value) for key, value in held.items() if key not in open_keys)
        self._open = dict(open_keys)

    def parts(self) -> tuple[dict[Any, Any], dict[Any, Callable[[], Any]]]:
        """What is held already, and the open keys; looking at neither."""
        return dict(super().items()), dict(self._open)

    def _look(self, key: Any) -> None:
        if key in self._open:
            value = self._open.pop(key)()
            if value is not NOTHING:
                super().__setitem__(key, value)

    def _look_at_all(self) -> None:
        for key in tuple(self._open):
            self._look(key)

    def __getitem__(self, key: Any) -> Any:
        self._look(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._look(key)
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        self._look(key)
        return super().__contains__(key)

    def __iter__(self) -> Iterator[Any]:
        self._look_at_all()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Any]:
        self._look_at_all()
        return super().__reversed__()

    def __len__(self) -> int:
        self._look_at_all()
        return super().__len__()

    def __bool__(self) -> bool:
        """What is held already says that it is not empty."""
        return super().__len__() > 0 or len(self) > 0

    def __eq__(self, other: object) -> bool:
        self._look_at_all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def keys(self) -> Any:
        self._look_at_all()
        return super().keys()

    def values(self) -> Any:
        self._look_at_all()
        return super().values()

    def items(self) -> Any:
        self._look_at_all()
        return super().items()

    def copy(self) -> dict[Any, Any]:
        return dict(self.items())

    def __copy__(self) -> dict[Any, Any]:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        from copy import deepcopy

        return deepcopy(self.copy(), memo)

    def __reduce__(self) -> Any:
        return dict, (self.copy(),)

    def __repr__(self) -> str:
        return repr(self.copy())

    def _refuse(self, *_: Any, **__: Any) -> Any:
        msg = "a watched mapping is not changed in place"
        raise TypeError(msg)

    __setitem__ = __delitem__ = __ior__ = update = pop = popitem = clear = setdefault = _refuse
