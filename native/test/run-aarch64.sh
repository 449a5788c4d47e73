#!/bin/sh
# Builds the core and its tests of digests and checksums for AArch64 with Debian's cross compiler, static, and runs them
# under qemu-user, so that the AArch64 kernels are tested on any machine: with every set forced in turn, and guard
# pages, which qemu honours. Correctness only: the time of an emulated instruction says nothing about a real one.
# Usage: run-aarch64.sh [ctest options], as `-R kernels_test`. Run by `npm run test:aarch64`.
set -eu
cd "$(dirname "$0")/../.."
prefix=aarch64-linux-gnu
build=out/aarch64

for tool in $prefix-gcc:gcc-aarch64-linux-gnu qemu-aarch64:qemu-user cmake:cmake; do
  if ! command -v "${tool%%:*}" >/dev/null; then
    echo "cannot test the AArch64 kernels: ${tool%%:*} is missing; apt-get install ${tool##*:}" >&2
    exit 1
  fi
done
if ! echo 'int main(void) { return 0; }' | $prefix-gcc -static -x c - -o /dev/null 2>/dev/null; then
  echo "cannot test the AArch64 kernels: $prefix-gcc links no program; apt-get install libc6-dev-arm64-cross" >&2
  exit 1
fi

cmake -S . -B $build -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_C_COMPILER=$prefix-gcc \
  -DCMAKE_EXE_LINKER_FLAGS=-static -DCMAKE_CROSSCOMPILING_EMULATOR=qemu-aarch64 \
  -DCMAKE_BUILD_TYPE=Release -DAS_BUILD_ADDON=OFF -DAS_BUILD_TESTS=ON
targets=$(cd native/test && ls digest_*_test.c kernels*_test.c crc32c_test.c | sed 's/\.c$//')
# shellcheck disable=SC2086 # one word for each target
cmake --build $build --target $targets
# An emulated case takes ten times as long; a quarter of the usual number still meets every path.
export ARTIFACTSTORE_FUZZ_CASES="${ARTIFACTSTORE_FUZZ_CASES:-5000}"
ctest --test-dir $build --no-tests=error --output-on-failure -R '^(digest|kernels|crc32c).*_test$' "$@"
