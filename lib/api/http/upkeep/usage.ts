/**
 * `/v1/usage`: what is stored in all, and what each namespace takes.
 *
 * Imports the exchange. Called by the router.
 */

import type { NamespaceUsage } from '../../../registry/packages.js';
import { type Answer, type Exchange, json } from '../exchange.js';

/** GET /v1/usage: objects and bytes that are live. */
export async function storeUsage({ store }: Exchange): Promise<Answer> {
  return json(200, await store.usage());
}

/** GET /v1/usage/namespaces, or of one of them. */
export async function namespaceUsage({ store, params: [namespace] }: Exchange): Promise<Answer> {
  const namespaces: NamespaceUsage[] = [];
  for await (const usage of store.packages.usage(namespace)) namespaces.push(usage);
  return json(200, { namespaces });
}
