/** `artifactstore policy`: how long the versions of a namespace are kept. */

import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { ArtifactStoreError } from '../../errors.js';
import { POLICY_SIZE_MAX } from '../../limits.js';
import type { PolicyRecord } from '../../registry/retention.js';
import { policyJson } from '../../retention/policy.js';
import { formatTime, printable } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';

const NAMESPACE = 'a namespace, or * for all that have no policy of their own';

interface Flags {
  reason?: string;
}

export function policyCommand(): Command {
  const reason = () => option('--reason <text>', 'why, for the event log');
  const set = new Command('set')
    .description('Set the retention policy of a namespace. Nothing goes before a plan is carried out.')
    .argument('<namespace>', NAMESPACE)
    .argument('<file>', 'the policy as JSON; - for standard input')
    .addOption(reason())
    .action((namespace: string, file: string, flags: Flags, command: Command) =>
      runCommand(command, (session) => setPolicy(session, namespace, file, flags)),
    );
  const ls = new Command('ls')
    .description('List the policies.')
    .action((_flags: object, command: Command) => runCommand(command, listPolicies));
  const show = new Command('show')
    .description('Show a policy, as a file that "policy set" takes.')
    .argument('<namespace>', NAMESPACE)
    .action((namespace: string, _flags: object, command: Command) =>
      runCommand(command, (session) => showPolicy(session, namespace)),
    );
  const rm = new Command('rm')
    .description('Take a policy away; what it was for is under that of * then, if there is one, or stays.')
    .argument('<namespace>', NAMESPACE)
    .addOption(reason())
    .action((namespace: string, flags: Flags, command: Command) =>
      runCommand(command, (session) => removePolicy(session, namespace, flags)),
    );
  return new Command('policy')
    .description('How long the versions of a namespace are kept.')
    .addCommand(set)
    .addCommand(ls)
    .addCommand(show)
    .addCommand(rm);
}

async function setPolicy(session: Session, namespace: string, file: string, flags: Flags): Promise<void> {
  const policy = await readPolicyFile(file);
  const store = await session.openStore({ create: true });
  const set = await store.retention.setPolicy(namespace, policy, flags);
  await session.output.result(line(set), shown(set));
}

async function listPolicies(session: Session): Promise<void> {
  const registry = await session.openRegistry();
  for (const policy of await registry.retention.policies()) await session.output.result(line(policy), shown(policy));
}

async function showPolicy(session: Session, namespace: string): Promise<void> {
  const registry = await session.openRegistry();
  const policy = await registry.retention.policy(namespace);
  await session.output.result(JSON.stringify(policyJson(policy.policy), null, 2), shown(policy));
}

async function removePolicy(session: Session, namespace: string, flags: Flags): Promise<void> {
  const store = await session.openStore();
  const removed = await store.retention.removePolicy(namespace, flags);
  await session.output.result(`${line(removed)}  removed`, { ...shown(removed), removed: true });
}

function line({ namespace, policy, setAt, actor, seq }: PolicyRecord): string {
  const classes = Object.keys(policy.classes).join(',') || 'no rules';
  const fallback = policy.defaultClass === undefined ? '' : `  default ${policy.defaultClass}`;
  return `${namespace}  ${classes}${fallback}  ${formatTime(setAt)}  ${printable(actor)}  (event ${seq})`;
}

function shown({ policy, ...rest }: PolicyRecord) {
  return { ...rest, policy: policyJson(policy) };
}

/** Throws AS_ERR_SOURCE_UNREADABLE, AS_ERR_POLICY. */
async function readPolicyFile(file: string): Promise<unknown> {
  let text: string;
  try {
    text = file === '-' ? await standardInput() : await readFile(file, 'utf8');
  } catch (cause) {
    const message = `${file} cannot be read: ${(cause as Error).message}.`;
    throw new ArtifactStoreError('AS_ERR_SOURCE_UNREADABLE', message, { file }, { cause });
  }
  if (text.length > POLICY_SIZE_MAX) {
    const message = `${file} is no policy: it has ${text.length} characters, and a policy up to ${POLICY_SIZE_MAX}.`;
    throw new ArtifactStoreError('AS_ERR_POLICY', message, { file });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `${file} is no policy: it is not JSON (${(cause as Error).message}).`;
    throw new ArtifactStoreError('AS_ERR_POLICY', message, { file }, { cause });
  }
}

async function standardInput(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}
