/**
 * Where credentials come from: the first place that has some. They are kept, and asked for anew before they end.
 *
 * Imports the places. Called by the request layer for every request.
 */

import { ArtifactStoreError } from '../../../../errors.js';
import { S3_CREDENTIALS_EARLY_MS } from '../../../../limits.js';
import { fromContainer } from './container.js';
import { fromEnvironment } from './environment.js';
import { fromInstance } from './instance.js';
import { fromProfile } from './profile.js';
import type { Environment, Provider, TimedCredentials } from './provider.js';
import { fromWebIdentity } from './web-identity.js';

/** Every place, in the order in which they are asked. */
export function providersOf(environment: Environment, region: string): Provider[] {
  return [
    fromEnvironment(environment),
    fromWebIdentity(environment, region),
    fromProfile(environment),
    fromContainer(environment),
    fromInstance(environment),
  ];
}

export class CredentialChain {
  #known: { credentials: TimedCredentials; provider: Provider } | undefined;
  #asking: Promise<TimedCredentials> | undefined;

  /** @param now milliseconds since 1970; for tests */
  constructor(
    private readonly providers: readonly Provider[],
    private readonly now: () => number = Date.now,
  ) {}

  /** Where those in use came from. */
  get source(): string | undefined {
    return this.#known?.provider.name;
  }

  /**
   * Credentials that count for some time yet.
   *
   * @throws AS_ERR_UNAUTHENTICATED: there are none, or the place that should have them fails
   */
  async get(): Promise<TimedCredentials> {
    const known = this.#known?.credentials;
    const left = (known?.expires ?? Number.POSITIVE_INFINITY) - this.now();
    if (known !== undefined && left > S3_CREDENTIALS_EARLY_MS) return known;
    this.#asking ??= this.#load().finally(() => {
      this.#asking = undefined;
    });
    // Those that still count are used while new ones are fetched, and when that fails.
    if (known !== undefined && left > 0) return this.#asking.catch(() => known);
    return this.#asking;
  }

  /** The server has refused those in use as ended: the next call asks anew. */
  forget(): void {
    this.#known = undefined;
  }

  async #load(): Promise<TimedCredentials> {
    const before = this.#known?.provider;
    for (const provider of before ? [before] : this.providers) {
      const credentials = await provider.load();
      if (credentials === undefined) continue;
      this.#known = { credentials, provider };
      return credentials;
    }
    throw new ArtifactStoreError(
      'AS_ERR_UNAUTHENTICATED',
      `No credentials for S3 were found in ${this.providers.map(({ name }) => name).join(', ')}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.`,
    );
  }
}
