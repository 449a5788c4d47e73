/** The data plane in memory, which other tests stand on: the conformance kit. */

import t from 'tap';
import { MemoryPlane } from '../support/memory-plane.js';
import { conformance } from './conformance.js';

conformance(t, {
  name: 'memory',
  many: 300,
  open: async () => {
    const plane = new MemoryPlane();
    return {
      plane,
      close: () => plane.close(),
      damage: async (address, offset) => plane.damage(address, offset),
      sync: () => plane.sync(),
    };
  },
});
