# radar-edge on a Jetson: `radar-edge finish` and `radar-edge run`, without PyTorch and without ONNX.
#
#   docker build -f jetson.Dockerfile --build-arg JETPACK=6.2 --target unit .       on or for an aarch64 machine
#   docker run --runtime nvidia --device /dev/ttyUSB0 -v /var/lib/radar-edge:/var/lib/radar-edge \
#       -v /etc/radar-edge:/etc/radar-edge:ro IMAGE run /etc/radar-edge/line.yaml
#
# One base a JetPack, because CUDA and TensorRT of one do not run on another: TensorRT 10.3 is bound to JetPack 6, and
# JetPack 7.2 has no libnvdla_compiler.so, which the former needs. The tags below are those that NVIDIA's documents and
# other projects name; they were not resolved here, and no image was built: say their digests when you pin them, as in
# BASE_6_2_DEVEL=nvcr.io/nvidia/l4t-tensorrt:r10.3.0-devel@sha256:...

ARG JETPACK=6.2
ARG BASE_6_2_DEVEL=nvcr.io/nvidia/l4t-tensorrt:r10.3.0-devel
ARG BASE_6_2=nvcr.io/nvidia/l4t-tensorrt:r10.3.0-runtime
ARG BASE_7_2_DEVEL=nvcr.io/nvidia/cuda:13.2.0-devel-ubuntu24.04
ARG BASE_7_2=nvcr.io/nvidia/cuda:13.2.0-runtime-ubuntu24.04

# --- JetPack 6.2: Ubuntu 22.04, Python 3.10, TensorRT 10.3 of the image (PyPI has none for it)
FROM ${BASE_6_2_DEVEL} AS devel-6.2
FROM ${BASE_6_2} AS base-6.2
ENV TENSORRT_WHEEL=""

# --- JetPack 7.2: Ubuntu 24.04, Python 3.12, TensorRT from PyPI's wheels for arm64 servers, which Orin takes since CUDA 13.2
FROM ${BASE_7_2_DEVEL} AS devel-7.2
FROM ${BASE_7_2} AS base-7.2
ENV TENSORRT_WHEEL="tensorrt-cu13==10.16.1.11"

# --- pycuda is source only and needs nvcc: built here, so that the unit's image carries no compiler
# hadolint ignore=DL3006
FROM devel-${JETPACK} AS wheels
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
       g++ python3-dev python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY setup.py README.md ./
COPY radar_edge radar_edge
COPY engines engines
RUN python3 -m venv /build \
    && /build/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && PATH=/usr/local/cuda/bin:$PATH /build/bin/pip wheel --no-cache-dir --wheel-dir /wheels 'pycuda==2026.1'

# --- the unit
# hadolint ignore=DL3006
FROM base-${JETPACK} AS unit
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# The system's OpenCV has GStreamer, PyPI's has not; gi is for CSI, GigE and USB3 Vision cameras.
# hadolint ignore=DL3008
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
       python3-venv python3-opencv python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-aravis-0.8 \
       gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 970 --home-dir /var/lib/radar-edge --create-home --groups dialout,video radar-edge
COPY constraints/device-py310.txt /tmp/constraints.txt
COPY --from=wheels /wheels /wheels
# With the system's packages: TensorRT's Python module of JetPack 6 comes with the image.
RUN python3 -m venv --system-site-packages /opt/radar-edge \
    && /opt/radar-edge/bin/pip install --no-cache-dir --find-links /wheels --constraint /tmp/constraints.txt \
       "radar-edge[page,telemetry]" pycuda ${TENSORRT_WHEEL:+"$TENSORRT_WHEEL"} \
    && rm -rf /wheels /tmp/constraints.txt
ENV PATH=/opt/radar-edge/bin:$PATH \
    RADAR_EDGE_HOME=/etc/radar-edge \
    PYTHONUNBUFFERED=1
USER 970
WORKDIR /var/lib/radar-edge
VOLUME /var/lib/radar-edge
# state.json is written every second beside the journal; a line that is not READY is not healthy.
HEALTHCHECK --interval=5s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python3", "-m", "radar_edge.runtime.healthcheck", "/var/lib/radar-edge/state.json"]
ENTRYPOINT ["radar-edge"]
CMD ["run", "/etc/radar-edge/line.yaml"]
