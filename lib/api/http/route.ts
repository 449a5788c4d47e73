/**
 * What a room of the service declares of each of its operations: where it is, who may use it, what it takes and gives. The router finds
 * handlers by it, `validate.ts` refuses by it what does not fit, and `openapi/` publishes it: one declaration, so that they cannot differ.
 *
 * Imports types only. Written by the `routes.ts` of each room.
 */

import type { Handler } from './exchange.js';

/** JSON Schema, dialect 2020-12, which OpenAPI 3.1 shares. References go to `#/components/schemas/<name>`: see `schemas.ts`. */
export type Schema = Readonly<Record<string, unknown>>;

/** What a token must allow. `public` needs none. */
export type Scope = 'public' | 'read' | 'write' | 'delete' | 'retain' | 'release' | 'admin';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

/** A parameter of path, query or header. In a query its schema's type is `string`, `integer` or `boolean`, and the handler gets that. */
export interface Parameter {
  readonly schema: Schema;
  /** One sentence for people; part of the message when a value is refused. */
  readonly description: string;
}

export type Parameters = Readonly<Record<string, Parameter>>;

/** A body by media type. A schema that is undefined means bytes, whatever they are. */
export type Content = Readonly<Record<string, Schema | undefined>>;

/** An answer that is no problem. */
export interface AnswerDescription {
  readonly description: string;
  readonly content?: Content;
  /** Header fields beyond those of HTTP itself: name and meaning. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Operation {
  /** Its name in OpenAPI, metrics and the access log. Unique in the service. */
  readonly id: string;
  /** Any one of them is enough. */
  readonly scope: Scope | readonly Scope[];
  /**
   * Whether it is also for those who are bounded to namespaces, although its path names none. Where the path has a parameter `namespace`, they
   * may use it for their own.
   */
  readonly isShared?: true;
  readonly handler: Handler;
  /** False for what is answered before the store is open, too. Its handler must not use the exchange's `store`. */
  readonly needsStore?: false;
  /** What it does, in a sentence. */
  readonly summary: string;
  /** Query parameters. Any other is refused, so that a misspelt one is noticed. */
  readonly query?: Parameters;
  /** Header fields of the request that change what it does. */
  readonly headers?: Parameters;
  /** What it takes as body. */
  readonly body?: { readonly description: string; readonly required: boolean; readonly content: Content };
  /** By status, without problems. */
  readonly answers: Readonly<Record<number, AnswerDescription>>;
  /** A browser that has logged in may do it: a page, or what pages need. Its token comes in a cookie. */
  readonly forBrowsers?: true;
  /** Problems, where they are not problem documents as everywhere else. */
  readonly problems?: AnswerDescription;
}

export interface Route {
  /** As in OpenAPI: `/v1/objects/{digest}`. A last segment `{path*}` takes the rest of the path, slashes included. */
  readonly path: string;
  /** Of the path, in its order. */
  readonly parameters?: Parameters;
  /** HEAD is answered by GET unless it stands here. */
  readonly methods: Readonly<Partial<Record<Method, Operation>>>;
}

/** Routes that belong together, and the name of the group in OpenAPI. */
export interface Room {
  readonly name: string;
  readonly description: string;
  readonly routes: readonly Route[];
}
