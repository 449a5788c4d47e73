/**
 * Between routing and handler: who asks, how often, and whether they may do what they ask.
 *
 * Imports who can ask, rates, the challenges and the routes' types. Made by `server.ts`, which asks it for every request. What an operation takes stands
 * in its declaration; one that declares nothing of namespaces is closed to those who are bounded to some.
 */

import type { IncomingMessage } from 'node:http';
import { anonymousPrincipal, type Principal, tokenPrincipal } from '../../../access/principal.js';
import { RateLimiter } from '../../../access/rate.js';
import type { Scope } from '../../../access/scopes.js';
import { isStoreError } from '../../../errors.js';
import type { Store } from '../../../store.js';
import { remoteOf } from '../observe/visit.js';
import type { Operation } from '../route.js';
import {
  credentialsMissing,
  credentialsWrong,
  loginNeeded,
  namespaceForbidden,
  scopeMissing,
  tooOften,
} from './challenge.js';
import { bearerOf, cookieOf } from './credentials.js';

export interface GateOptions {
  /** Whether who presents nothing is refused. */
  isRequired: boolean;
  /** Who asks by a JWT. Throws AS_ERR_UNAUTHENTICATED, AS_ERR_ISSUER. Absent: no issuer is trusted. */
  identify?: (jwt: string) => Promise<Principal>;
  /** Who asks by the certificate of the connection; undefined: nobody. */
  certified?: (request: IncomingMessage) => Principal | undefined;
}

/** How a token of this service begins; whatever else is a JWT, or nothing. */
const OWN_TOKEN = /^as_/;

export class Gate {
  readonly #rates = new RateLimiter();

  constructor(
    private readonly store: Pick<Store, 'tokens'>,
    private readonly options: GateOptions,
  ) {}

  /**
   * Lets a request pass, or not; throws, or rejects where it had to wait.
   *
   * @param namespace the one that the path names, if it names one
   * @throws AS_ERR_UNAUTHENTICATED (401, 400), AS_ERR_FORBIDDEN (403), AS_ERR_RATE (429), AS_ERR_ISSUER (503)
   */
  admit(request: IncomingMessage, operation: Operation, namespace: string | undefined): Principal | Promise<Principal> {
    const anonymous = anonymousPrincipal(anonymousActor(request));
    if (operation.scope === 'public') return anonymous;
    const principal = this.#authenticate(request, operation, anonymous);
    return principal instanceof Promise
      ? principal.then((one) => this.#require(one, operation, namespace))
      : this.#require(principal, operation, namespace);
  }

  #require(principal: Principal, operation: Operation, namespace: string | undefined): Principal {
    this.#requireRate(principal);
    requireScope(principal, operation.scope);
    requireNamespace(principal, operation, namespace);
    return principal;
  }

  #authenticate(
    request: IncomingMessage,
    { forBrowsers }: Operation,
    anonymous: Principal,
  ): Principal | Promise<Principal> {
    const bearer = bearerOf(request) ?? (forBrowsers ? cookieOf(request) : undefined);
    if (bearer !== undefined) return this.#bearer(bearer);
    const certified = this.options.certified?.(request);
    if (certified !== undefined) return certified;
    if (this.options.isRequired) throw forBrowsers && wantsPage(request) ? loginNeeded() : credentialsMissing();
    return anonymous;
  }

  async #bearer(text: string): Promise<Principal> {
    const { identify } = this.options;
    try {
      if (identify === undefined || OWN_TOKEN.test(text)) {
        return tokenPrincipal(await this.store.tokens.authenticate(text));
      }
      return await identify(text);
    } catch (error) {
      throw isStoreError(error, 'AS_ERR_UNAUTHENTICATED') ? credentialsWrong(error.message) : error;
    }
  }

  #requireRate({ actor, rate }: Principal): void {
    if (rate === undefined) return;
    const waitMs = this.#rates.take(actor, rate);
    if (waitMs > 0) throw tooOften(actor, rate, waitMs);
  }
}

function requireScope({ actor, scopes }: Principal, wanted: Operation['scope']): void {
  const any = (typeof wanted === 'string' ? [wanted] : wanted) as readonly Scope[];
  if (!any.some((scope) => scopes.includes(scope))) throw scopeMissing(actor, any);
}

function requireNamespace(
  { actor, namespaces }: Principal,
  { isShared }: Operation,
  namespace: string | undefined,
): void {
  if (namespaces === undefined) return;
  const isAllowed = namespace === undefined ? isShared === true : namespaces.includes(namespace);
  if (!isAllowed) throw namespaceForbidden(actor, namespaces, namespace);
}

/** A browser that goes somewhere, and so can be sent to log in. */
function wantsPage({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.accept?.includes('text/html') === true;
}

/** Who asks, when nobody has to prove it: where the request comes from. */
export function anonymousActor({ socket }: IncomingMessage): string {
  return `http:${remoteOf(socket.remoteAddress)}`;
}
