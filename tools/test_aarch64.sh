#!/bin/sh
# The device install on arm64, and its tests, in an emulated Debian: is everything that runs on a unit there for aarch64?
#
#   test_aarch64.sh [FOLDER]        default: ~/.cache/radar-edge/arm64; needs root, debootstrap, qemu-user-static
#
# Resumable: what is there is used again. Under binfmt where the kernel has it, else with proot. Slow: an hour is not much.
# The log goes to FOLDER/log.txt. Exit codes: 0; 1 a test failed; 3 this machine cannot emulate arm64.
set -eu
FOLDER=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/radar-edge/arm64}
ROOT=$FOLDER/root
REPO=$(cd "$(dirname "$0")/.." && pwd)
MIRROR=${MIRROR:-http://deb.debian.org/debian}
QEMU=$(command -v qemu-aarch64-static || true)
[ -n "$QEMU" ] || { echo "error: qemu-user-static is not installed" >&2; exit 3; }
mkdir -p "$FOLDER"

if [ ! -f "$FOLDER/bootstrapped" ]; then
    command -v debootstrap > /dev/null || { echo "error: debootstrap is not installed" >&2; exit 3; }
    rm -rf "$ROOT"
    debootstrap --foreign --arch=arm64 --variant=minbase \
        --include=python3,python3-venv,python3-dev,ca-certificates,libgl1,libglib2.0-0 bookworm "$ROOT" "$MIRROR"
    cp "$QEMU" "$ROOT/usr/bin/"
    touch "$FOLDER/bootstrapped"
fi

if chroot "$ROOT" /bin/true 2> /dev/null; then
    inside() { chroot "$ROOT" /usr/bin/env HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
elif command -v proot > /dev/null && PROOT_NO_SECCOMP=1 proot -q "$QEMU" -r "$ROOT" /bin/true 2> /dev/null; then
    export PROOT_NO_SECCOMP=1
    inside() { proot -q "$QEMU" -0 -w / -r "$ROOT" -b /dev -b /proc /usr/bin/env HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
else
    echo "error: arm64 programs run neither through binfmt nor through proot here" >&2
    exit 3
fi

if [ ! -f "$FOLDER/second-stage" ]; then
    inside /debootstrap/debootstrap --second-stage
    touch "$FOLDER/second-stage"
fi
rm -rf "$ROOT/src"
mkdir -p "$ROOT/src"
(cd "$REPO" && git archive HEAD) | tar -x -C "$ROOT/src"
# The wheels come through this machine's pip: the emulated one need not reach the network.
PACKAGES="setuptools wheel numpy pydantic typer rich PyYAML pyserial cryptography opencv-python-headless onnxruntime
    pytest pytest-timeout hypothesis pymodbus"
if [ ! -f "$FOLDER/installed" ]; then
    # shellcheck disable=SC2086
    "${PYTHON:-python3}" -m pip download --quiet --dest "$ROOT/wheels" --python-version 3.11 --only-binary=:all: \
        --platform manylinux_2_36_aarch64 --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
        --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 $PACKAGES
    inside python3 -m venv /venv
    # shellcheck disable=SC2086
    inside /venv/bin/pip install --quiet --no-index --find-links /wheels $PACKAGES
    touch "$FOLDER/installed"
fi
inside /venv/bin/pip install --quiet --no-index --no-deps --no-build-isolation /src
status=0
inside sh -c 'cd /src && uname -m && /venv/bin/pip list 2>/dev/null | grep -iE "torch|onnx|numpy|opencv|radar" && \
    /venv/bin/python -m pytest -q -p no:cacheprovider --timeout 1200 tests/bundle tests/test_modality.py \
    tests/test_preprocess.py tests/test_scoring.py tests/runtime/test_health.py tests/runtime/test_pairing.py \
    tests/runtime/test_routing.py tests/runtime/test_slot.py tests/runtime/test_inspector.py tests/runtime/test_journal.py \
    tests/runtime/plc/test_rtu.py tests/inference/test_fake_runner.py && \
    /venv/bin/radar-edge doctor --root tests/boards/thor-jp7.1 && \
    ! /venv/bin/radar-edge doctor --root tests/boards/container-no-dla' > "$FOLDER/log.txt" 2>&1 || status=1
cat "$FOLDER/log.txt"
exit $status
