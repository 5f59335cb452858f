"""Type-checks every call of TensorRT against its stubs with pyright, in an environment of its own.

    tools/check_trt_types.py [--venv FOLDER]        default: ~/.cache/radar-edge/trt-types

The product takes TensorRT as an untyped module, because it runs with several versions and flavours, and the stubs must
not be installed beside it: they leave an empty package `tensorrt`. Here copies of the modules get the stubs' types
(TYPED). Faults are planted too, and must be found. Exit codes: 0; 1 a fault, or a planted one that was missed; 3 no
environment.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "radar_edge"
MODULES = ("export/engine_build.py", "inference/tensorrt_runner.py", "inference/plans.py")
REQUIREMENTS = ("pyright[nodejs]==1.1.414", "numpy")
STUBS = "tensorrt-stubs==10.13.0.35.1"
TYPED = (
    (r"\btrt: TensorRT\b", "trt: object"),
    (r"\btrt: Any\b", "trt: object"),
    (r"-> TensorRT:", "-> object:"),
    (r"\bself\.trt = trt\b", "self.trt = object()"),
    (r"\b(self\._session|self\._session_here\(\)|session)\.trt\b", "tensorrt"),
    (r"\btrt\.", "tensorrt."),
    (r"\bself\.runtime: Any = ", "self.runtime: tensorrt.Runtime | None = "),
    (r"\bself\._context: Any = None", "self._context: tensorrt.IExecutionContext | None = None"),
    (r"\btuple\[Any, str\]", "tuple[tensorrt.ICudaEngine, str]"),
    (r"\bengine: Any\b", "engine: tensorrt.ICudaEngine"),
    (r"\bbuilder: Any\b", "builder: tensorrt.Builder"),
    (r"\bconfig: Any\b", "config: tensorrt.IBuilderConfig"),
    (r"(def configure\(.*?\)) -> Any:", r"\1 -> tensorrt.IBuilderConfig:"),
)
PLANTED = """
def planted(builder: tensorrt.Builder, context: tensorrt.IExecutionContext, engine: tensorrt.ICudaEngine) -> None:
    builder.max_workspace_size = 1
    engine.num_bindings
    context.set_tensor_address("input", "0x1000")
    context.execute_async_v2([1], 2)
"""
RULES = {"reportAttributeAccessIssue", "reportArgumentType", "reportCallIssue"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "radar-edge" / "trt-types"
    parser.add_argument("--venv", type=Path, default=cache)
    python = environment(parser.parse_args().venv)
    with tempfile.TemporaryDirectory() as folder:
        copies = {name: Path(folder) / name.replace("/", "_") for name in MODULES}
        for name, copy in copies.items():
            copy.write_text(typed((PACKAGE / name).read_text()))
        planted = Path(folder) / "planted.py"
        planted.write_text("import tensorrt\n" + PLANTED)
        found = check(python, [*copies.values(), planted])
    wrong = [fault for name in copies.values() for fault in found.get(name.name, [])]
    caught = len(found.get(planted.name, []))
    wanted = len(PLANTED.strip().splitlines()) - 1
    for fault in wrong:
        print(fault)
    print(f"{len(MODULES)} modules, {len(wrong)} faults; {caught} of {wanted} planted ones found")
    sys.exit(1 if wrong or caught != wanted else 0)


def environment(folder: Path) -> Path:
    """The Python of the lint-only environment, made once."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
            subprocess.run([*pip, *REQUIREMENTS], check=True)
            subprocess.run([*pip, "--no-deps", STUBS], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"error: the environment {folder} cannot be made: {error}", file=sys.stderr)
            sys.exit(3)
        (folder / "ready").touch()
    return python


def typed(source: str) -> str:
    for pattern, replacement in TYPED:
        source = re.sub(pattern, replacement, source, flags=re.DOTALL if "configure" in pattern else 0)
    future = "from __future__ import annotations\n"
    return source.replace(future, f"{future}import tensorrt\n", 1)


def check(python: Path, files: list[Path]) -> dict[str, list[str]]:
    """File name -> its faults. Raises SystemExit if pyright itself fails."""
    command = [str(python.parent / "pyright"), "--pythonpath", str(python), "--outputjson", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        print(f"error: pyright failed: {done.stderr[-500:]}", file=sys.stderr)
        sys.exit(3)
    found: dict[str, list[str]] = {}
    for item in report["generalDiagnostics"]:
        if item.get("rule") in RULES and item["severity"] == "error":
            name = Path(item["file"]).name
            line = item["range"]["start"]["line"] + 1
            found.setdefault(name, []).append(f"{name}:{line}: {item['message'].splitlines()[0]}")
    return found


if __name__ == "__main__":
    main()
