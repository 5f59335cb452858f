#!/bin/sh
# Builds pycuda from its source for the tests of the TensorRT runner, once: $1 (default
# ~/.cache/radar-edge/pycuda) gets a folder to put on sys.path. Needs nvcc, gcc and PyPI; no GPU, no driver and no curand.
# Exit code 3 if nvcc is not there.
set -eu
VERSION=2026.1
PYTHON=${PYTHON:-python3}
CACHE=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/radar-edge/pycuda}
TAG=$("$PYTHON" -c 'import sys; print(f"cp{sys.version_info[0]}{sys.version_info[1]}")')
OUT=$CACHE/$VERSION-$TAG
mkdir -p "$CACHE"
exec 9> "$CACHE/lock"
flock 9
if [ -d "$OUT" ]; then
    echo "$OUT"
    exit 0
fi
# nvcc on the PATH may be a wrapper that stands elsewhere.
NVCC=$(command -v nvcc || true)
CUDA_ROOT=
for folder in "${CUDA_HOME:-}" /usr/local/cuda "${NVCC%/bin/nvcc}"; do
    if [ -x "$folder/bin/nvcc" ] && [ -f "$folder/include/cuda.h" ]; then
        CUDA_ROOT=$folder
        break
    fi
done
if [ -z "$CUDA_ROOT" ]; then
    echo "error: nvcc and cuda.h are not installed, so pycuda cannot be built" >&2
    exit 3
fi
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cd "$WORK"
"$PYTHON" -m pip download --quiet --no-deps --no-build-isolation --no-binary pycuda "pycuda==$VERSION" >&2 ||
    "$PYTHON" -m pip download --quiet --no-deps --no-binary pycuda "pycuda==$VERSION" >&2
tar -xzf pycuda-*.tar.gz
# The driver's library is the machine's own; to link, its name is enough.
mkdir stub
: | gcc -shared -Wl,-soname,libcuda.so.1 -x c -o stub/libcuda.so -
cd pycuda-*/
"$PYTHON" configure.py --cuda-root="$CUDA_ROOT" --no-cuda-enable-curand --cudadrv-lib-dir="$WORK/stub" \
    --cudart-lib-dir="$CUDA_ROOT/lib" >&2
CFLAGS="-O0 -g0 -w" LDFLAGS="-Wl,--no-as-needed" "$PYTHON" -m pip wheel --quiet --no-deps --wheel-dir "$WORK/wheel" . >&2
"$PYTHON" -m pip install --quiet --no-deps --target "$WORK/site" "$WORK"/wheel/*.whl >&2
# pytools is pycuda's own need; the rest of it is in the environment.
"$PYTHON" -m pip install --quiet --target "$WORK/site" --upgrade --no-deps pytools siphash24 >&2
mv "$WORK/site" "$OUT.part"
mv "$OUT.part" "$OUT"
echo "$OUT"
