/** The views that the registry needs, in the order in which they take events in. The composition root passes them to the log. */

import type { View } from '../events/view.js';
import { objects } from './objects-view.js';
import { packagesView } from './packages-view.js';
import { quotasView } from './quotas-view.js';
import { retentionView } from './retention-view.js';
import { tokensView } from './tokens-view.js';
import { usageView } from './usage-view.js';
import { verifications } from './verifications.js';

export const registryViews: readonly View[] = [
  objects,
  verifications,
  packagesView,
  tokensView,
  usageView,
  retentionView,
  quotasView,
];
