#!/bin/sh
# Runs a static x86-64 test program on a PC that Bochs emulates, one whose CPU has AVX-512 and SHA-NI, and ends with the
# program's exit status. The PC has no operating system but guest.c. The program gets the variables ARTIFACTSTORE_… and
# the official vectors, if these lie beside the checkout; it finds them where it would find them outside.
# Usage: bochs.sh <folder with rom.bin and guest.bin> <program>. Called by CTest, as run-avx512.sh tells it to.
set -eu
parts=$1
program=$2
vectors=../shared/vectors
cpu=corei7_icelake_u
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

strip -o "$work/program" "$program"
env | grep '^ARTIFACTSTORE_' >"$work/environment" || true
tar --format=ustar -cf "$work/archive.tar" -C "$work" program environment
if [ -d $vectors ]; then
  tar --format=ustar -P -rf "$work/archive.tar" $vectors/blake3/test_vectors.json $vectors/sha256/*
fi

# The ROM: the guest's 64 KiB, the archive, the last 64 KiB with the reset vector. 2 MiB is the most that Bochs takes.
cp "$parts/guest.bin" "$work/rom"
truncate -s 64K "$work/rom"
room=$((2048 * 1024 - 2 * 64 * 1024))
if [ "$(stat -c %s "$work/archive.tar")" -gt $room ]; then
  echo "$program and the vectors do not fit into a ROM of 2 MiB" >&2
  exit 1
fi
truncate -s $room "$work/archive.tar"
cat "$work/archive.tar" "$parts/rom.bin" >>"$work/rom"

# A display is compulsory; this one waits for a viewer on a port and does without. No BIOS, no disks, no sound.
cat >"$work/bochsrc" <<END
cpu: model=$cpu, count=1, ips=200000000, reset_on_triple_fault=0
memory: guest=512, host=512
romimage: file=$work/rom
display_library: rfb, options="timeout=0"
port_e9_hack: enabled=1
log: $work/log
panic: action=fatal
clock: sync=none
sound: driver=dummy
speaker: enabled=0
plugin_ctrl: unmapped=1, biosdev=0, speaker=0, extfpuirq=1, parallel=0, serial=0, iodebug=0, gameport=0
END

# Debian's Bochs stops in its debugger before the first instruction; where there is none, nobody reads this line. That its display finds none of fifty ports free has been seen, on a
# machine on which none was taken and the next PC found one: it says nothing of the program.
for _ in 1 2 3; do
  echo c | bochs -q -f "$work/bochsrc" >"$work/output" 2>&1 || true
  grep -q 'RFB could not bind any port' "$work/output" || break
  sleep 1
done
sed -n '/^<bochs:1> c/,/^guest: exit/p' "$work/output" | sed '1d; /^guest: exit/d'
status=$(sed -n 's/^guest: exit \([0-9]\).*/\1/p' "$work/output")
if [ -z "$status" ]; then
  echo "the emulated PC ended before the program did:" >&2
  tail -n 20 "$work/output" "$work/log" >&2
  exit 1
fi
exit "$status"
