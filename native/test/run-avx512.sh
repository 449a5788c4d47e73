#!/bin/sh
# Builds the core and its digest tests static and runs them on a PC that Bochs emulates, so that the AVX-512 kernels are
# tested on any x86-64 machine: with every such set forced in turn, guard pages, and the official vectors. Correctness
# only: the time of an emulated instruction says nothing about a real one.
# Usage: run-avx512.sh [--quick] [ctest options], as `-R kernels_x86_test`. Run by `npm run test:avx512`, and with
# --quick, which leaves out what takes minutes, by .ci/run.
set -eu
cd "$(dirname "$0")/../.."
emulated=native/test/emulated
build=out/avx512
tests='^(digest|kernels).*_test$'
left_out='^(kernels_choice_test|digest_dual_test)$' # needs processes and threads; takes far too long for an emulator
if [ "${1:-}" = --quick ]; then
  shift
  tests='^(kernels_registers_test|kernels_test|digest_fuzz_test)$'
fi

for tool in bochs:bochs cc:build-essential cmake:cmake; do
  if ! command -v "${tool%%:*}" >/dev/null; then
    echo "cannot test the AVX-512 kernels: ${tool%%:*} is missing; apt-get install ${tool##*:}" >&2
    exit 1
  fi
done

cmake -S . -B $build -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=x86_64 -DCMAKE_EXE_LINKER_FLAGS=-static \
  -DCMAKE_CROSSCOMPILING_EMULATOR="sh;$PWD/$emulated/bochs.sh;$PWD/$build" \
  -DCMAKE_BUILD_TYPE=Release -DAS_BUILD_ADDON=OFF -DAS_BUILD_TESTS=ON
targets=$(cd native/test && ls digest_*_test.c kernels*_test.c | sed 's/\.c$//')
# shellcheck disable=SC2086 # one word for each target
cmake --build $build --target $targets
cc -nostdlib -static -Wl,-Ttext=0xf0000,-e,0xf0000,--oformat=binary,--build-id=none -o $build/rom.bin $emulated/rom.S
cc -O2 -Wall -Wextra -ffreestanding -fno-pie -no-pie -static -nostdlib -mgeneral-regs-only -fcf-protection=none \
  -fno-stack-protector -fno-asynchronous-unwind-tables \
  -Wl,--build-id=none,-T,$emulated/guest.ld \
  -o $build/guest.elf $emulated/guest_entry.S $emulated/guest.c
objcopy -O binary $build/guest.elf $build/guest.bin

# The other sets run on the machine itself. Few cases, because an emulated one takes two hundred times as long.
export ARTIFACTSTORE_TEST_KERNELS="${ARTIFACTSTORE_TEST_KERNELS:-zen4,avx512_shani,avx512}"
export ARTIFACTSTORE_FUZZ_CASES="${ARTIFACTSTORE_FUZZ_CASES:-300}"
ctest --test-dir $build --no-tests=error --output-on-failure -R "$tests" -E "$left_out" "$@"
