/** What happened to a package or ref, in sentences. Imports types, digest text and formatting. `explain.ts` puts it beside the others. */

import { formatBlake3 } from '../digest-name.js';
import type { PackageEventData } from '../events/package-kinds.js';
import { formatCount } from '../format.js';
import { because, exactSize, planned, type Sentences } from './sentences.js';

export const PACKAGE_SENTENCES: Sentences<PackageEventData> = {
  'manifest.indexed': ({ objects }, { actor }) => {
    const count = objects.reduce((sum, length, index) => sum + (index % 2 === 1 ? length : 0), 0);
    const what = count === 1 ? 'one object' : `${formatCount(count)} objects`;
    return `${actor} noted that it is a manifest and needs ${what}, itself among them.`;
  },
  'package.published': ({ manifest, entries, size }, { actor }) => {
    const count = `${formatCount(entries)} ${entries === 1 ? 'entry' : 'entries'}`;
    return `${actor} published it: ${count}, ${exactSize(size)}, manifest ${formatBlake3(manifest)}.`;
  },
  'package.withdrawn': ({ reason, plan }, { actor }) =>
    `${actor} withdrew it${planned(plan)}${because(reason)}; what no other version needs can be collected.`,
  'ref.moved': ({ target, from, immutable }, { actor }) => {
    const moved = from === undefined ? 'set it' : `moved it from ${formatBlake3(from)}`;
    return `${actor} ${moved} to ${formatBlake3(target)}${immutable ? ', for good' : ''}.`;
  },
  'ref.removed': ({ from, reason }, { actor }) =>
    `${actor} removed it; it pointed at ${formatBlake3(from)}${because(reason)}.`,
};
