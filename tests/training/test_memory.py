"""Freed memory is kept: in a process of its own, since the setting holds for all of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
import resource
from llm_core.training.memory import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.memset.argtypes, libc.free.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t], [ctypes.c_void_p]

def faults_of_a_large_block():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(2**28)
    libc.memset(block, 1, 2**28)
    libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults_of_a_large_block()
default = faults_of_a_large_block()
assert keep_freed_memory()
faults_of_a_large_block()
print(default, faults_of_a_large_block())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_a_large_block_is_not_fetched_from_the_system_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    default, kept = map(int, done.stdout.split())
    assert default > 1000, "without it, each page of the block is fetched anew"
    assert kept < default / 100
