"""Leaves out tests that reach a kernel or a browser: a pytest plugin for ``npm run quick``."""

import sys
from types import ModuleType

import pytest

#: What starts kernels, hosts and browsers.
_SLOW_TO_START = {"jupyter_client", "nbclient", "playwright"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect each test whose module or fixtures import, by way of helpers, what is slow."""
    left_out = [item for item in items if any(map(reaches_a_kernel, modules_of(item)))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def modules_of(item: pytest.Item) -> set[ModuleType]:
    """Return the modules of a test and of the fixtures that it uses."""
    fixtures = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009
    names = {fixture.func.__module__ for several in fixtures for fixture in several}
    return {sys.modules[name] for name in (item.module.__name__, *names) if name in sys.modules}


def reaches_a_kernel(module: ModuleType) -> bool:
    """Return whether a module of the tests imports what starts kernels or browsers."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        for name in imported_by(waiting.pop()) - seen:
            seen.add(name)
            if name.split(".")[0] in _SLOW_TO_START:
                return True
            if name.startswith("tests.") and name in sys.modules:
                waiting.append(sys.modules[name])
    return False


def imported_by(module: ModuleType) -> set[str]:
    """Return the names of the modules that a module's globals are, or come from."""
    values = list(vars(module).values())
    modules = {value.__name__ for value in values if isinstance(value, ModuleType)}
    return modules | {str(getattr(value, "__module__", "")) for value in values}
