/** Where the package lies. Imports Node's own modules. Called by benchmarks that start its programs or look for what lies beside it. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The nearest folder upwards with a package.json: `dist` has none, so this is the package from sources and compiled files alike. */
export const PACKAGE_ROOT = packageRoot(import.meta.dirname);

/** The command line, to be started with Node. */
export const COMMAND_LINE = join(PACKAGE_ROOT, 'dist/lib/cli/main.cjs');

function packageRoot(from: string): string {
  const above = dirname(from);
  return existsSync(join(from, 'package.json')) || above === from ? from : packageRoot(above);
}
