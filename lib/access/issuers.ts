/**
 * Who asks by a JWT of a trusted issuer (OpenID Connect): systems that run jobs log in so without a secret of ours.
 *
 * Imports the rules, limits and errors; jose, which checks signatures, is loaded when the first issuer is made. The doors make one for each that is
 * trusted.
 */

import { createHash } from 'node:crypto';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import {
  ISSUER_CLOCK_TOLERANCE_S,
  ISSUER_KEYS_AGE_MS,
  ISSUER_KEYS_COOLDOWN_MS,
  ISSUER_RESPONSE_SIZE_MAX,
  ISSUER_TIMEOUT_MS,
  JWT_LENGTH_MAX,
  PRINCIPAL_NAME_LENGTH_MAX,
} from '../limits.js';
import { allowanceOf, type TrustedIssuer } from './issuer-rules.js';
import type { Principal } from './principal.js';

/** Signatures by a private key alone: with those by a shared secret, whoever can check one could make one, and `none` is not a signature. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];

/** Gets a document. Separate so that a test can stand in for the network. */
export type Fetch = (url: string, options: { signal: AbortSignal }) => Promise<Response>;

type Jose = typeof import('jose');
type KeySet = ReturnType<Jose['createRemoteJWKSet']>;

/**
 * Makes a function that says who asks by a JWT.
 *
 * It throws AS_ERR_UNAUTHENTICATED: not a JWT of an issuer that is trusted, for this audience, now; or no rule is for it. And AS_ERR_ISSUER: the issuer
 * cannot be asked for its keys.
 */
export async function trustIssuers(
  issuers: readonly TrustedIssuer[],
  get: Fetch = fetch,
): Promise<(jwt: string) => Promise<Principal>> {
  const jose = await import('jose');
  const known = new Map(issuers.map((trusted) => [trusted.issuer, new Issuer(jose, trusted, get)]));
  return async (jwt) => {
    const issuer = jwt.length <= JWT_LENGTH_MAX ? known.get(issuerOf(jose, jwt) ?? '') : undefined;
    if (issuer !== undefined) return issuer.identify(jwt);
    throw unauthenticated('The token is neither one of this service nor one of an issuer that it trusts.');
  };
}

/** Who a JWT says that it is from. Nothing is proven by that: it only finds the keys that could prove it. */
function issuerOf(jose: Jose, jwt: string): string | undefined {
  try {
    return jose.decodeJwt(jwt).iss;
  } catch {
    return undefined;
  }
}

class Issuer {
  #keys: Promise<KeySet> | undefined;
  /** Until when, in milliseconds since 1970 UTC, it is not asked again after a failure. */
  #restUntil = 0;

  constructor(
    private readonly jose: Jose,
    private readonly trusted: TrustedIssuer,
    private readonly get: Fetch,
  ) {}

  async identify(jwt: string): Promise<Principal> {
    const { issuer, audience, rules } = this.trusted;
    const claims = await this.#verified(jwt, { issuer, audience });
    const subject = claims.sub ?? '';
    const allowance = allowanceOf(rules, claims);
    if (allowance !== undefined) return { actor: actorOf(issuer, subject), ...allowance };
    throw unauthenticated(`${issuer} says that this is ${subject.slice(0, 200)}, for whom there is no rule here.`);
  }

  async #verified(jwt: string, wanted: { issuer: string; audience: string }) {
    const keys = await this.#keySet();
    try {
      const { payload } = await this.jose.jwtVerify(jwt, keys, {
        ...wanted,
        algorithms: ALGORITHMS,
        clockTolerance: ISSUER_CLOCK_TOLERANCE_S,
        requiredClaims: ['exp', 'sub'],
      });
      return payload;
    } catch (error) {
      throw this.#told(error);
    }
  }

  /** What was wrong with a JWT, or that its issuer could not be asked. */
  #told(error: unknown): ArtifactStoreError {
    const { errors } = this.jose;
    if (isStoreError(error)) return error;
    if (error instanceof errors.JWTExpired) return unauthenticated('The token has expired. Get another of its issuer.');
    if (error instanceof errors.JWTClaimValidationFailed) {
      return unauthenticated(`The token does not fit this service: its "${error.claim}" is not what it must be.`);
    }
    const isAboutKeys = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid;
    if (isAboutKeys) return this.#unreachable(error);
    return unauthenticated('The token is not signed by its issuer, or not as one that is trusted here.');
  }

  #keySet(): Promise<KeySet> {
    if (Date.now() < this.#restUntil) throw this.#unreachable(undefined);
    this.#keys ??= this.#makeKeySet().catch((error: unknown) => {
      this.#keys = undefined;
      throw error;
    });
    return this.#keys;
  }

  async #makeKeySet(): Promise<KeySet> {
    const { issuer, jwksUri } = this.trusted;
    const { createRemoteJWKSet, customFetch } = this.jose;
    const where = jwksUri ?? (await this.#discover(issuer));
    return createRemoteJWKSet(new URL(where), {
      timeoutDuration: ISSUER_TIMEOUT_MS,
      cooldownDuration: ISSUER_KEYS_COOLDOWN_MS,
      cacheMaxAge: ISSUER_KEYS_AGE_MS,
      [customFetch]: (url: string, options: { signal: AbortSignal }) => this.#fetch(url, options),
    });
  }

  /** Where the keys are (OpenID Connect Discovery 1.0, section 4). */
  async #discover(issuer: string): Promise<string> {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const response = await this.#fetch(url, { signal: AbortSignal.timeout(ISSUER_TIMEOUT_MS) });
    const found = (await response.json().catch(() => undefined)) as
      | { issuer?: unknown; jwks_uri?: unknown }
      | undefined;
    const { issuer: named, jwks_uri: keys } = found ?? {};
    // A document about another issuer would lend that one's keys to this one.
    if (named !== issuer || typeof keys !== 'string' || !isAsSafe(keys, issuer)) throw this.#unreachable(undefined);
    return keys;
  }

  /** A document of bounded size, from where it was asked for and nowhere else. Throws AS_ERR_ISSUER. */
  async #fetch(url: string, options: { signal: AbortSignal }): Promise<Response> {
    try {
      const response = await this.get(url, { ...options, redirect: 'error' } as { signal: AbortSignal });
      if (response.status !== 200) throw new Error(`${url} answers ${response.status}`);
      return new Response(await bounded(response), { status: 200 });
    } catch (cause) {
      throw this.#unreachable(cause);
    }
  }

  #unreachable(cause: unknown): ArtifactStoreError {
    if (cause !== undefined) this.#restUntil = Date.now() + ISSUER_KEYS_COOLDOWN_MS;
    const { issuer } = this.trusted;
    const reason = cause instanceof Error ? `: ${cause.message}` : '';
    const message = `The keys of ${issuer} cannot be had${reason}. Try again in a minute; the operator checks that this host reaches it.`;
    return new ArtifactStoreError('AS_ERR_ISSUER', message, { issuer }, { cause });
  }
}

/** Whether keys come as safely as the issuer's own word. */
function isAsSafe(keys: string, issuer: string): boolean {
  return URL.canParse(keys) && (new URL(keys).protocol === 'https:' || new URL(keys).origin === new URL(issuer).origin);
}

async function bounded(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > ISSUER_RESPONSE_SIZE_MAX) throw new Error(`more than ${ISSUER_RESPONSE_SIZE_MAX} bytes came`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** `oidc:<issuer>:<subject>`; of subjects that are too long for the log, the beginning and a digest. */
function actorOf(issuer: string, subject: string): string {
  const actor = `oidc:${issuer}:${subject}`.normalize('NFC');
  if (actor.length <= PRINCIPAL_NAME_LENGTH_MAX) return actor;
  const digest = createHash('sha256').update(actor).digest('hex');
  const begin = actor.slice(0, PRINCIPAL_NAME_LENGTH_MAX - digest.length - 1).replace(/[\ud800-\udbff]$/, ''); // half a character
  return `${begin}#${digest}`;
}

function unauthenticated(message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_UNAUTHENTICATED', message);
}
