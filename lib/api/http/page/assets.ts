/**
 * The files of the page that are the same for everyone: style, script and icon. Texts in the program, so that no request ever leads to a file.
 *
 * Imports the exchange. Called by the router.
 */

import type { Answer, Handler } from '../exchange.js';
import { ICON } from './icon.js';
import { SCRIPT } from './script.js';
import { STYLE } from './style.js';

/** An hour: long enough to spare requests, short enough that an updated service is seen. */
const CACHE = 'public, max-age=3600';

export const style: Handler = async () => asset('text/css; charset=utf-8', STYLE);
export const script: Handler = async () => asset('text/javascript; charset=utf-8', SCRIPT);
export const icon: Handler = async () => asset('image/svg+xml', ICON);

function asset(type: string, body: string): Answer {
  return { status: 200, headers: { 'Content-Type': type, 'Cache-Control': CACHE }, body };
}
