/** `artifactstore diff`: what is different between two packages, path by path. */

import { Command } from 'commander';
import { pathLine } from '../format.js';
import { entryJson, pathBytes, pathJson } from '../record.js';
import { runCommand, type Session } from '../session.js';

export function diffCommand(): Command {
  return new Command('diff')
    .description('Show what turns one package into another: paths added, removed and changed.')
    .argument('<before>', 'namespace/name@version, namespace/name:ref, or a digest of a manifest')
    .argument('<after>', 'likewise')
    .action((before: string, after: string, _flags: object, command: Command) =>
      runCommand(command, (session) => diff(session, before, after)),
    );
}

async function diff(session: Session, before: string, after: string): Promise<void> {
  const store = await session.openStore();
  for (const difference of await store.packages.diff(before, after)) {
    const path = pathBytes(difference.path);
    const { change, before: old, after: fresh } = difference;
    await session.output.resultSoon(
      () => pathLine(change.padEnd('changed'.length), path),
      () => ({
        change,
        ...pathJson(path),
        ...(old && { before: entryJson(old) }),
        ...(fresh && { after: entryJson(fresh) }),
      }),
    );
  }
}
