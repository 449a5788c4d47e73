/**
 * Estimates what the loops of the AVX-512 kernels cost, for want of a machine that runs them: llvm-mca's model of Ice
 * Lake on the assembled code. An estimate of the core alone: no caches, no decoding, no clock that wide code lowers.
 * Imports only Node's own modules. Run by hand: node bench/native/estimate.mjs; needs cc, objdump and llvm-mca.
 *
 * Two things in llvm-mca (14) are put right here. It lets vzeroupper cut the chain of SHA-256 through registers that it
 * in fact leaves alone, so four empty operations stand in for it. And it gives 512-bit work three ports, of which the
 * core has two, so the column `ports` is the time that two would need, and the larger of both columns is the estimate.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FOLDER = 'native/digest/kernels/x86_64';
const FILES = ['dual_avx512_shani.S', 'wide_avx512.S'];
const ITERATIONS = 100;
/** Columns of llvm-mca's resource table in which vector work can go: ports 0, 1 and 5. */
const VECTOR_PORTS = [2, 3, 7];

/** The functions of an object file: name, and instructions with their addresses. */
function disassemble(object) {
  const functions = [];
  for (const line of execFileSync('objdump', ['-d', '--no-show-raw-insn', object], { encoding: 'utf8' }).split('\n')) {
    const name = /^[0-9a-f]+ <(.*)>:$/.exec(line)?.[1];
    const instruction = /^\s*([0-9a-f]+):\s+(.*)$/.exec(line);
    if (name) functions.push({ name, instructions: [] });
    else if (instruction) {
      const text = instruction[2].replace(/#.*|<[^>]*>/g, '').trim();
      functions.at(-1).instructions.push({ at: parseInt(instruction[1], 16), text });
    }
  }
  return functions;
}

/** The innermost loops, which end with a jump back, and what is in no loop. */
function pieces({ name, instructions }) {
  const loops = [];
  for (const { at, text } of instructions) {
    const target = parseInt(/^jne\s+([0-9a-f]+)/.exec(text)?.[1] ?? 'ffffffff', 16);
    if (target < at && !loops.some((loop) => loop.from >= target)) loops.push({ from: target, to: at });
  }
  const within = (loop) => instructions.filter(({ at }) => at >= loop.from && at < loop.to);
  const outside = instructions.filter(({ at }) => !loops.some((loop) => at >= loop.from && at <= loop.to));
  return [
    ...loops.map((loop, i) => ({ name: `${name}, loop ${i + 1}`, code: within(loop) })),
    { name: `${name}, the rest`, code: outside },
  ];
}

function estimate(code) {
  const kept = code.map(({ text }) => text).filter((text) => !/^(j|call|ret|endbr|cs|data16|nop|xchg)/.test(text));
  const input = kept.map((text) => (text === 'vzeroupper' ? 'nop\nnop\nnop\nnop' : text)).join('\n');
  const options = ['-mcpu=icelake-server', `-iterations=${ITERATIONS}`];
  const report = execFileSync('llvm-mca', options, { input: `${input}\n`, encoding: 'utf8', stdio: 'pipe' });
  const cycles = Number(/Total Cycles:\s+(\d+)/.exec(report)[1]) / ITERATIONS;
  const pressure = /Resource pressure per iteration:\n.*\n(.*)/.exec(report)[1].trim().split(/\s+/);
  const vector = VECTOR_PORTS.reduce((sum, port) => sum + (Number(pressure[port]) || 0), 0);
  const rounds = kept.filter((text) => text.startsWith('sha256rnds2')).length;
  return { instructions: kept.length, rounds, cycles, ports: vector / 2 };
}

const work = mkdtempSync(join(tmpdir(), 'estimate-'));
try {
  console.log('                                         instructions  sha256rnds2  cycles  ports');
  for (const file of FILES) {
    const object = join(work, 'kernel.o');
    execFileSync('cc', ['-c', join(FOLDER, file), '-o', object]);
    for (const { name, code } of disassemble(object).flatMap(pieces)) {
      const { instructions, rounds, cycles, ports } = estimate(code);
      const columns = [
        [instructions, 9],
        [rounds, 13],
        [cycles.toFixed(0), 8],
        [ports.toFixed(0), 7],
      ];
      console.log(name.padEnd(44) + columns.map(([value, width]) => String(value).padStart(width)).join(''));
    }
  }
} finally {
  rmSync(work, { recursive: true });
}
