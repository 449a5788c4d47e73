/** `artifactstore cat`: one file of a package, verified, to standard output. */

import { Command } from 'commander';
import { runCommand, type Session } from '../session.js';
import { rawPaths } from '../walk.js';

export function catCommand(): Command {
  return new Command('cat')
    .description('Write the verified bytes of one file of a package to standard output.')
    .argument('<package>', 'namespace/name@version, namespace/name:ref, or a digest of a manifest')
    .argument('<path>', 'of the file, as ls <package> shows it')
    .action((name: string, path: string, _flags: object, command: Command) =>
      runCommand(command, (session) => cat(session, name, path)),
    );
}

async function cat(session: Session, name: string, path: string): Promise<void> {
  const store = await session.openStore();
  const [raw = Buffer.from(path)] = rawPaths([path]);
  const file = await store.packages.openFile(name, raw, { signal: session.signal });
  for await (const chunk of file) await session.output.write(chunk);
}
