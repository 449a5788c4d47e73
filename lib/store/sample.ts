/**
 * Which objects a sample takes: a fixed choice for a seed, spread over all objects whatever their names, order or size.
 *
 * An object's score is the first 48 bits of SHA-256(seed, address) as a fraction; a sample takes those with the smallest scores. So a larger
 * sample with the same seed contains the smaller one, and an object more or less changes nothing for the others.
 *
 * Pure; imports node:crypto. Called by scrub.ts.
 */

import { createHash } from 'node:crypto';

const SCORE_BYTES = 6;

/** A share of all objects, above 0 and at most 1, or a number of them, at least 1. */
export type Sample = { share: number } | { count: number };

/** From 0 up to, not including, 1. */
export function sampleScore(seed: string, address: string): number {
  const digest = createHash('sha256').update(seed).update('\0').update(address).digest();
  return digest.readUIntBE(0, SCORE_BYTES) / 256 ** SCORE_BYTES;
}

/** The smallest of many scores, in memory for twice as many as are wanted. */
export class SmallestScores {
  #scores: number[] = [];

  /** @param most how many are wanted, at least 1 */
  constructor(private readonly most: number) {}

  add(score: number): void {
    this.#scores.push(score);
    if (this.#scores.length >= 2 * this.most + 1) this.#cut();
  }

  /** What the wanted ones are at most; all of them when there are no more than are wanted. */
  get bound(): number {
    this.#cut();
    return this.#scores.length < this.most ? 1 : (this.#scores.at(-1) as number);
  }

  #cut(): void {
    this.#scores.sort((a, b) => a - b);
    this.#scores.length = Math.min(this.#scores.length, this.most);
  }
}
