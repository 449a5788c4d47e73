/** Objects and uploads of the service over another data plane; the rest of its tests by `npm run test:dataplanes`. */

import { overDataPlane } from '../api/places.js';

await overDataPlane('remote', [
  new URL('../api/http.test.js', import.meta.url),
  new URL('../api/uploads.test.js', import.meta.url),
]);
