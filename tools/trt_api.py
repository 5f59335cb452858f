"""Lists the public API of real TensorRT bindings, without TensorRT's libraries: tests/export/trt_api/<version>.json.

    python tools/trt_api.py 10.3.0 10.16.0.72 11.4.0.106

The bindings' wheel (1 MB) is fetched from PyPI and imported over empty stand-ins for the libraries that it is linked
to: nothing can be built with it, and every class and attribute can be read. Needs gcc and pip.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent.parent / "tests" / "export" / "trt_api"
ENTRY_POINTS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
LIBRARIES = ("nvinfer", "nvonnxparser", "nvinfer_plugin")
READ = """
import json, sys
import tensorrt_bindings as trt
public = lambda thing: sorted(name for name in dir(thing) if not name.startswith("_"))
classes = {name: public(getattr(trt, name)) for name in public(trt) if isinstance(getattr(trt, name), type)}
print(json.dumps({"version": trt.__version__, "module": public(trt), "classes": classes}))
"""


def main(versions: list[str]) -> None:
    if not versions:
        sys.exit(__doc__)
    for version in versions:
        with tempfile.TemporaryDirectory() as folder:
            document = api_of(version, Path(folder))
        path = OUT / f"{version}.json"
        path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{path}: {len(document['classes'])} classes of TensorRT {document['version']}")


def api_of(version: str, folder: Path) -> dict[str, Any]:
    major = version.split(".")[0]
    wheel_command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    subprocess.run([*wheel_command, f"tensorrt-cu12-bindings=={version}"], check=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "package")
    source = folder / "stub.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in ENTRY_POINTS), encoding="ascii")
    for library in LIBRARIES:
        name = f"lib{library}.so.{major}"
        command = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), str(source)]
        subprocess.run(command, check=True)
    environment = {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(folder / "package")}
    read = subprocess.run([sys.executable, "-c", READ], check=True, env=environment, capture_output=True, text=True)
    document: dict[str, Any] = json.loads(read.stdout)
    return document


if __name__ == "__main__":
    main(sys.argv[1:])
