"""The run-time check behind every signature, on the first calls of each function in each test.

It is beartype's, for which an int is a float, as Python's own typing rules say. To look at every call takes longer than most
calls do, and a walk calls the same functions with the same shapes a thousand times: so a function's first FIRST calls in
a test are checked, and in each example that hypothesis makes; after these the function is called as it is.
"""

import functools
import inspect

import jaxtyping
from beartype import BeartypeConf, beartype

FIRST = 20
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
_every_call = jaxtyping.jaxtyped
_test = 0  # its number


def begin() -> None:
    "A test begins, or an example of hypothesis: every function is checked again."
    global _test
    _test += 1


def jaxtyped(*, typechecker):
    "In the place of jaxtyping's own decorator, which looks at every call."

    def decorate(fn):
        if not inspect.isfunction(fn):  # a class
            return _every_call(fn, typechecker=typechecker)
        checked, test, calls = None, 0, 0  # checked is made when it is first called

        @functools.wraps(fn)
        def counted(*args, **kwargs):
            nonlocal checked, test, calls
            if jaxtyping.config.jaxtyping_disable:
                return fn(*args, **kwargs)
            if test != _test:
                test, calls = _test, 0
            if calls == FIRST:
                return fn(*args, **kwargs)
            calls += 1
            if checked is None:
                checked = _every_call(fn, typechecker=typechecker)
            return checked(*args, **kwargs)

        return counted

    return decorate


def install(package: str) -> None:
    "Before the package is imported: its functions are checked from then on."
    jaxtyping.jaxtyped = jaxtyped
    jaxtyping.install_import_hook(package, "tests.shapes.check")
