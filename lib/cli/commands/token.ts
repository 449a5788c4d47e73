/** `artifactstore token`: makes, lists and revokes the tokens by which a service knows who asks. */

import { Command, InvalidArgumentError } from 'commander';
import { requireScopes, SCOPES, type Scope } from '../../access/scopes.js';
import { ArtifactStoreError } from '../../errors.js';
import { TOKEN_RATE_MAX } from '../../limits.js';
import type { TokenRecord } from '../../registry/tokens.js';
import type { TokenGrant } from '../../store/tokens.js';
import { formatSize, formatTime, printable } from '../format.js';
import { parseEnd } from '../moment.js';
import { integer, option } from '../options.js';
import { runCommand, type Session } from '../session.js';
import { parseAge } from './verify.js';

interface CreateFlags {
  scope?: Scope[];
  namespace?: string[];
  expires?: number;
  rate?: number;
  quota?: number;
}

const DURING_SERVICE = `
While a service has the store open, ask it instead: its URL as --store, with a token of
the scope admin; "token ls" works beside it.`;

export function tokenCommand(): Command {
  const create = new Command('create')
    .description('Make a token and print it; this is the only time that it can be read.')
    .argument('<holder>', 'whom it is for')
    .addOption(
      option('--scope <scopes>', `what it allows, with commas between: ${Object.keys(SCOPES).join(', ')}`).argParser(
        parseScopes,
      ),
    )
    .addOption(
      option('--namespace <names>', 'the only namespaces it is for, with commas between (default: all)').argParser(
        words,
      ),
    )
    .addOption(
      option('--expires <moment>', 'when it ends: 90d, 12h, 2027-01-01 (default: never)').argParser(parseExpiry),
    )
    .addOption(
      option('--rate <requests>', 'requests a minute (default: no bound)').argParser(integer(1, TOKEN_RATE_MAX)),
    )
    .addOption(
      option('--quota <size>', 'bytes of objects that may be there by it: 10GB, 500MiB (default: no bound)').argParser(
        parseSize,
      ),
    )
    .addHelpText('after', DURING_SERVICE)
    .action((holder: string, flags: CreateFlags, command: Command) =>
      runCommand(command, (session) => createToken(session, holder, flags)),
    );
  const ls = new Command('ls')
    .description('List tokens without their secrets, those that have ended included.')
    .action((_flags: object, command: Command) => runCommand(command, listTokens));
  const revoke = new Command('revoke')
    .description('End tokens.')
    .argument('<ids...>', 'as "token ls" shows them')
    .addOption(option('--reason <text>', 'why, for the event log'))
    .addHelpText('after', DURING_SERVICE)
    .action((ids: string[], flags: { reason?: string }, command: Command) =>
      runCommand(command, (session) => revokeTokens(session, ids, flags)),
    );
  return new Command('token')
    .description('Make, list and revoke the tokens by which a service knows who asks.')
    .addCommand(create)
    .addCommand(ls)
    .addCommand(revoke);
}

async function createToken(session: Session, holder: string, flags: CreateFlags): Promise<void> {
  const { scope, namespace, ...limits } = flags;
  if (scope === undefined) {
    const message = `What the token allows is missing. Give --scope with one or more of ${Object.keys(SCOPES).join(', ')}.`;
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
  }
  const store = await session.openStore({ create: true });
  const grant: TokenGrant = { holder, scopes: scope, ...(namespace && { namespaces: namespace }), ...limits };
  const made = await store.tokens.create(grant);
  session.output.note('keep it: the token cannot be shown again', { shownOnce: true });
  await session.output.result(made.token, made);
}

async function listTokens(session: Session): Promise<void> {
  const registry = await session.openRegistry();
  let cursor: string | undefined;
  do {
    const page = await registry.tokens.list(cursor === undefined ? {} : { cursor });
    for (const token of page.tokens)
      await session.output.resultSoon(
        () => Buffer.from(`${line(token)}\n`),
        () => token,
      );
    cursor = page.cursor;
  } while (cursor !== undefined);
}

async function revokeTokens(session: Session, ids: string[], flags: { reason?: string }): Promise<void> {
  const store = await session.openStore();
  for (const id of ids) {
    await session.attempt(
      async () => {
        const revoked = await store.tokens.revoke(id, flags);
        await session.output.result(line(revoked), revoked);
      },
      { token: id },
    );
  }
}

function line({ id, holder, scopes, namespaces, expires, rate, quota, used, revoked }: TokenRecord): string {
  const parts = [id, printable(holder), scopes.join(',')];
  if (namespaces !== undefined) parts.push(`in ${namespaces.join(',')}`);
  if (rate !== undefined) parts.push(`${rate} requests a minute`);
  if (quota !== undefined) parts.push(`${formatSize(used)} of ${formatSize(quota)}`);
  if (revoked !== undefined) parts.push(`revoked ${formatTime(revoked.time)}`);
  else if (expires !== undefined) parts.push(`${expires > Date.now() ? 'until' : 'ended'} ${formatTime(expires)}`);
  return parts.join('  ');
}

function words(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

function parseScopes(text: string): Scope[] {
  try {
    return requireScopes(words(text));
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** A time from now, or a moment. */
function parseExpiry(text: string): number {
  if (/^\d+[smhdw]$/.test(text)) return Date.now() + parseAge(text);
  const moment = parseEnd(text);
  if ('time' in moment) return moment.time;
  throw new InvalidArgumentError('Give a time from now or a date: 90d, 12h, 2027-01-01.');
}

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1 };
for (const [power, unit] of ['k', 'm', 'g', 't'].entries()) {
  Object.assign(SIZE_UNITS, { [unit]: 1000 ** (power + 1), [`${unit}i`]: 1024 ** (power + 1) });
}

/** `10GB`, `500MiB`, `1000000`, in bytes. */
/** Bytes as people write them. */
export function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?(|[kmgt]i?)b?$/i.exec(text) ?? [];
  const size = Math.floor(Number(number) * (SIZE_UNITS[unit.toLowerCase()] ?? Number.NaN));
  if (Number.isSafeInteger(size)) return size;
  throw new InvalidArgumentError('Give bytes, or a number with a unit: 10GB, 500MiB.');
}
