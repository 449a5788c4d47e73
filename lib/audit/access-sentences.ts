/** What happened to tokens and policies, in sentences. Imports types, digest text and formatting. `explain.ts` puts it beside the others. */

import { formatBlake3 } from '../digest-name.js';
import type { AccessEventData } from '../events/access-kinds.js';
import { formatTime } from '../format.js';
import { because, list, type Sentences } from './sentences.js';

export const ACCESS_SENTENCES: Sentences<AccessEventData> = {
  'token.created': ({ holder, scopes, expires, namespaces }, { actor }) => {
    const where = namespaces === undefined ? '' : ` in ${list(namespaces)}`;
    const allowed = scopes.length === 0 ? 'nothing' : `${list(scopes)}${where}`;
    const until = expires === undefined ? 'without end' : `until ${formatTime(expires)}`;
    return `${actor} made the token for ${holder}; it allows ${allowed}, ${until}.`;
  },
  'token.revoked': ({ reason }, { actor }) => `${actor} revoked the token${because(reason)}.`,
  'policy.changed': ({ to, from, reason }, { actor }) => `${actor} ${change(to, from)}${because(reason)}.`,
};

function change(to: Uint8Array | null, from: Uint8Array | null): string {
  if (to === null) return 'removed the policy';
  return from === null
    ? `set the policy to ${formatBlake3(to)}`
    : `changed the policy from ${formatBlake3(from)} to ${formatBlake3(to)}`;
}
