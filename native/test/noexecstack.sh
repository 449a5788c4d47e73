#!/bin/sh
# Every assembly file must end with the note that it needs no executable stack: a single one without it makes the linker
# give the whole addon an executable stack. Reads the source, so that it covers architectures that are not built here.
# First proves on planted files that it tells the right ones from the wrong.
# Usage: noexecstack.sh <native folder>. Run by ctest.
set -eu

# Files whose last line, preprocessor conditionals aside, is not the note.
without_note() {
  note='^[[:space:]]*\.section[[:space:]]+\.note\.GNU-stack,[[:space:]]*"",[[:space:]]*[%@]progbits[[:space:]]*$'
  find "$1" -name '*.[sS]' | while IFS= read -r file; do
    sed -E '/^[[:space:]]*(#[[:space:]]*(if|ifdef|ifndef|endif).*)?$/d' "$file" | tail -n 1 | grep -Eq "$note" ||
      echo "$file"
  done
}

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
code='.text
nop'
right='.section .note.GNU-stack,"",%progbits'
executable='.section .note.GNU-stack,"x",%progbits'
printf '%s\n' "$code" "$right" >"$planted/good.S"
printf '%s\n' "$code" '#if defined(__ELF__)' "$right" '#endif' '' >"$planted/good_conditional.S"
printf '%s\n' "$code" >"$planted/bad_absent.S"
printf '%s\n' "$code" "$executable" >"$planted/bad_executable.S"
printf '%s\n' "$right" "$code" >"$planted/bad_not_last.S"
noticed=$(without_note "$planted" | sed 's:.*/::' | sort | tr '\n' ' ')
if [ "$noticed" != "bad_absent.S bad_executable.S bad_not_last.S " ]; then
  echo "noexecstack.sh is wrong about the planted files: it named '$noticed'" >&2
  exit 1
fi

found=$(without_note "$1")
if [ -n "$found" ]; then
  echo 'These files must end with .section .note.GNU-stack,"",%progbits:' >&2
  echo "$found" >&2
  exit 1
fi
