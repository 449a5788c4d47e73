/** A headless Chromium for tests, where one is installed. */

import { execFileSync } from 'node:child_process';
import { type Browser, launch } from 'puppeteer-core';
import type { Test } from 'tap';

/** Where Chromium is; undefined when it is not installed. */
export function chromiumPath(): string | undefined {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
    } catch {
      // the next name
    }
  }
  return undefined;
}

/** A browser that ends with the test. */
export async function openChromium(t: Test, executablePath: string): Promise<Browser> {
  // Without a sandbox of its own: tests run as root, where it has none, and it sees only pages of this test.
  const browser = await launch({ executablePath, headless: true, args: ['--no-sandbox', '--disable-gpu'] });
  t.teardown(() => browser.close());
  return browser;
}
