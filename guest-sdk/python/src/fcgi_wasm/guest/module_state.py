"""Undoes what the warm-up did to the variables of the application's modules.

A request made at build time must not be seen at run time: a module-level
counter would begin at 1. Names, and what lists, dictionaries and sets hold,
go back to what they were. Objects of other kinds are not looked into.
"""

import sys
import types

_CONTAINERS = (list, dict, set, bytearray)

# Containers in containers are followed this far.
_DEPTH_MAX = 4


class ModuleState:
    """What the modules below a folder hold now."""

    def __init__(self, folder: str) -> None:
        self.names: list[tuple[types.ModuleType, dict]] = []
        self.contents: dict[int, tuple] = {}
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None) or ""
            if isinstance(module, types.ModuleType) and file.startswith(folder + "/"):
                self.names.append((module, dict(vars(module))))
                for value in vars(module).values():
                    self._remember(value, 0)

    def _remember(self, value, depth: int) -> None:
        # A subclass may have ideas of its own about copying.
        if type(value) not in _CONTAINERS or id(value) in self.contents or depth > _DEPTH_MAX:
            return
        self.contents[id(value)] = (value, value.copy())
        inner = value.values() if isinstance(value, dict) else value
        if not isinstance(value, bytearray):
            for item in list(inner):
                self._remember(item, depth + 1)

    def restore(self) -> None:
        for module, names in self.names:
            for name in vars(module).keys() - names.keys():
                # A submodule that was imported meanwhile stays imported.
                if not isinstance(vars(module)[name], types.ModuleType):
                    delattr(module, name)
            vars(module).update(names)
        for value, content in self.contents.values():
            if value == content:
                continue
            if isinstance(value, (list, bytearray)):
                value[:] = content
            else:
                value.clear()
                value.update(content)
