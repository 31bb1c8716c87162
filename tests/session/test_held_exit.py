"""A process that is held ends with no 0 before its run is decided, and with none after it failed."""

import os
import subprocess
import sys

import pytest

import robust.session.held_exit as held

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="exec and the C library are otherwise on Windows")
START = f"""
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("held_exit", {held.__file__!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
HELD = module.HELD
HELD.start()
"""
ENDS = {
    "os._exit": "os._exit(0)",
    "os._exit by another name": "import posix; posix._exit(256)",
    "os.exec": "os.execv('/bin/true', ['true'])",
    "the C library": "import ctypes; ctypes.CDLL(None)._exit(0)",
}


def status(code):
    return subprocess.run([sys.executable, "-c", START + code], check=False, capture_output=True).returncode


@UNIX
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_end_is_an_error_of_the_code_that_asks_for_it(end):
    assert status(f"try:\n    {end}\nexcept RuntimeError:\n    os._exit(7)") == 7


@UNIX
@pytest.mark.parametrize(("decided", "expected"), [("HELD.decide(0)", 0), ("HELD.decide(3)", 3), ("HELD.stop()", 1)])
def test_what_is_called_as_the_process_ends_gets_the_status_of_the_run(decided, expected):
    assert status(f"import atexit; atexit.register(os._exit, 0); {decided}") == expected


@UNIX
def test_a_forked_process_may_end():
    assert status("child = os.fork()\nif not child: os._exit(0)\nos._exit(7 if os.wait()[1] == 0 else 8)") == 7


def test_nothing_is_held_without_a_run():
    assert held.HeldExit()._process != os.getpid()
