/**
 * `artifactstore serve`: the store over HTTP. The one file of the command line that imports another door.
 */

import { Command } from 'commander';
import { HTTP_PORT_DEFAULT } from '../../limits.js';
import { integer, option } from '../options.js';
import { runCommand, type Session } from '../session.js';

interface ServeFlags {
  host: string;
  port: number;
}

export function serveCommand(): Command {
  return new Command('serve')
    .description('Serve the store over HTTP until interrupted.')
    .addOption(option('--host <address>', 'address to listen on').default('127.0.0.1'))
    .addOption(
      option('--port <number>', 'port to listen on; 0 takes any that is free')
        .default(HTTP_PORT_DEFAULT)
        .argParser(integer(0, 65_535)),
    )
    .action((flags: ServeFlags, command: Command) => runCommand(command, (session) => serve(session, flags)));
}

async function serve(session: Session, { host, port }: ServeFlags): Promise<void> {
  const { startServer } = await import('../../api/http/server.js');
  const store = await session.openStore({ create: true });
  const server = await startServer(store, { host, port });
  try {
    await session.output.result(greeting(server.url, store.path), { url: server.url, store: store.path });
    await stopped(session.signal);
    session.output.note('stopping: waiting for requests under way; interrupt again to stop at once', {
      stopping: true,
    });
  } finally {
    await server.close();
  }
}

function greeting(url: string, path: string): string {
  const base = url.replace(/\/$/, '');
  return [
    `artifactstore serves ${path}`,
    `listening on ${base}`,
    `try: curl --data-binary @/etc/hostname ${base}/v1/objects`,
  ].join('\n');
}

/** A signal is how a service is ended, so it is no failure. */
function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
