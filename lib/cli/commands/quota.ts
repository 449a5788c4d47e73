/** `artifactstore quota`: what namespaces may take, and do. */

import { Command } from 'commander';
import { ArtifactStoreError } from '../../errors.js';
import type { QuotaRecord } from '../../registry/quotas.js';
import type { QuotaStatus } from '../../store/quota-reader.js';
import { formatSize, formatTime, printable } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';
import { parseSize } from './token.js';

const NAMESPACE = 'a namespace, or * for each that has no quota of its own';

interface SetFlags {
  logical?: number;
  physical?: number;
  reason?: string;
}

export function quotaCommand(): Command {
  const reason = () => option('--reason <text>', 'why, for the event log');
  const set = new Command('set')
    .description(
      'Set what a namespace may take. Nothing is deleted; where it takes more already, nothing further comes in.',
    )
    .argument('<namespace>', NAMESPACE)
    .addOption(
      option('--logical <size>', 'bytes of files, what two versions have counted twice: 10GB, 500MiB').argParser(
        parseSize,
      ),
    )
    .addOption(
      option('--physical <size>', 'bytes of the objects that its versions need, each once').argParser(parseSize),
    )
    .addOption(reason())
    .action((namespace: string, flags: SetFlags, command: Command) =>
      runCommand(command, (session) => setQuota(session, namespace, flags)),
    );
  const ls = new Command('ls')
    .description('List the quotas, and what their namespaces take.')
    .argument('[namespace]', 'only what bounds this one')
    .action((namespace: string | undefined, _flags: object, command: Command) =>
      runCommand(command, (session) => listQuotas(session, namespace)),
    );
  const rm = new Command('rm')
    .description('Take a quota away; the namespace is under that of * then, if there is one.')
    .argument('<namespace>', NAMESPACE)
    .addOption(reason())
    .action((namespace: string, flags: { reason?: string }, command: Command) =>
      runCommand(command, (session) => removeQuota(session, namespace, flags)),
    );
  return new Command('quota')
    .description('What namespaces may take, and do.')
    .addCommand(set)
    .addCommand(ls)
    .addCommand(rm);
}

async function setQuota(session: Session, namespace: string, flags: SetFlags): Promise<void> {
  if (flags.logical === undefined && flags.physical === undefined) {
    const message = 'How much the namespace may take is missing. Give --logical, --physical, or both.';
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
  }
  const store = await session.openStore({ create: true });
  const set = await store.quotas.set(namespace, flags);
  await session.output.result(ruleLine(set), set);
}

async function listQuotas(session: Session, namespace: string | undefined): Promise<void> {
  const { quotas } = await session.openRegistry();
  const all = namespace === undefined ? await quotas.list() : [await quotas.status(namespace)];
  for (const status of all) await session.output.result(statusLine(status), status);
}

async function removeQuota(session: Session, namespace: string, flags: { reason?: string }): Promise<void> {
  const store = await session.openStore();
  const removed = await store.quotas.remove(namespace, flags);
  await session.output.result(`${ruleLine(removed)}  removed`, { ...removed, removed: true });
}

function ruleLine({ namespace, logical, physical, setAt, actor, seq }: QuotaRecord): string {
  const bounds = [
    ...(logical === undefined ? [] : [`logical ${formatSize(logical)}`]),
    ...(physical === undefined ? [] : [`physical ${formatSize(physical)}`]),
  ];
  return `${namespace}  ${bounds.join(', ')}  ${formatTime(setAt)}  ${printable(actor)}  (event ${seq})`;
}

function statusLine({ namespace, quota, taken }: QuotaStatus): string {
  if (taken === undefined) return quota === undefined ? namespace : ruleLine(quota);
  const part = (name: string, used: number, bound: number | undefined) =>
    `${name} ${formatSize(used)}${bound === undefined ? '' : ` of ${formatSize(bound)}`}`;
  const parts = [part('logical', taken.logical, quota?.logical), part('physical', taken.physical, quota?.physical)];
  const open = taken.reserved === 0 ? '' : `; uploads have ${formatSize(taken.reserved)} reserved`;
  const waiting = taken.waiting === 0 ? '' : `; ${formatSize(taken.waiting)} of it uploaded and in no package`;
  const rule =
    quota === undefined ? '  no quota' : quota.namespace === namespace ? '' : `  by the quota of ${quota.namespace}`;
  return `${namespace}  ${parts.join(', ')}${waiting}${open}${rule}`;
}
