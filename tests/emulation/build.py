"""Builds the stand-in for libcuda once a run, with a stub for every other function that pycuda is linked to."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("libcuda.c")
STUB = 'int {name}() {{ return fault(801, "{name} is not emulated"); }}\n'


def wanted(driver: Path) -> set[str]:
    """The driver functions that pycuda's extension module is linked to."""
    symbols = subprocess.run(["nm", "-D", "--undefined-only", str(driver)], capture_output=True, text=True, check=True)
    words = (line.split()[-1].split("@")[0] for line in symbols.stdout.splitlines())
    return {word for word in words if word.startswith("cu") and word[2:3].isupper()}


def build(folder: Path, pycuda: Path) -> Path:
    """libcuda.so.1 in `folder`. `pycuda`: the folder that holds the package."""
    (driver,) = pycuda.glob("pycuda/_driver*.so")
    source = SOURCE.read_text()
    lacking = sorted(name for name in wanted(driver) if f"int {name}(" not in source)
    whole = folder / "libcuda.c"
    whole.write_text(source + "".join(STUB.format(name=name) for name in lacking))
    library = folder / "libcuda.so.1"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-g", "-Wl,-soname,libcuda.so.1", str(whole), "-o", str(library)]
    subprocess.run([*command, "-ldl", "-lpthread"], check=True)
    return library


def load(library: Path) -> ctypes.CDLL:
    """Loaded first and for all: whoever asks for libcuda.so.1 later, by that name, gets this one."""
    found = ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    found.emu_last_fault.restype = ctypes.c_char_p
    found.emu_gpu_reads.argtypes = [ctypes.c_uint64, ctypes.c_size_t]
    found.emu_report.argtypes = [ctypes.c_char_p]
    found.cuLaunchHostFunc.argtypes = [ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p]
    return found
