/** `artifactstore dataplane`: hosts the bytes of a store for other processes of this machine, until it is interrupted. */

import { Command } from 'commander';
import { dataplaneSection } from '../../config/sections/dataplane.js';
import { ArtifactStoreError } from '../../errors.js';
import { inheritedSockets, notifyManager } from '../../listen/systemd.js';
import { settingOptions } from '../options.js';
import { runCommand, type Session, stopped } from '../session.js';
import { settingsOf } from '../settings.js';
import { packageVersion } from '../version.js';

export function dataplaneCommand(): Command {
  const command = new Command('dataplane').description(
    'Host the bytes of the store for other processes, which name the socket by their own --dataplane.',
  );
  for (const one of settingOptions(dataplaneSection)) command.addOption(one);
  return command.action((_flags: object, command: Command) => runCommand(command, (session) => host(session, command)));
}

async function host(session: Session, command: Command): Promise<void> {
  const {
    mode,
    allowUid = [],
    allowRoot = [],
    shared = false,
    closeGraceMs,
    metrics,
    ...settings
  } = settingsOf(command, 'dataplane');
  const { output, options } = session;
  session.requireFolder('Host the bytes where they are.');
  const listen = settings.listen ?? (inheritedSockets().length > 0 ? ['systemd'] : undefined);
  if (listen === undefined) throw invalid('Say where to listen: --listen unix:/path.');
  const { hostStore } = await import('../../store/host.js');
  const daemon = await hostStore({
    path: options.store,
    readOnly: options.readOnly === true,
    ...(options.threads !== undefined && { threads: options.threads }),
    ...{ listen, shared, closeGraceMs, allowRoots: allowRoot },
    ...(metrics !== undefined && { metrics }),
    mode: Number.parseInt(mode, 8),
    allowUids: allowUid.map(Number),
    software: `artifactstore ${packageVersion()}`,
    onError: (error, activity) => output.error(error, { activity }),
  });
  try {
    await notifyManager('ready');
    const urls = daemon.paths.map((path) => `unix:${path}`);
    const { metricsUrl } = daemon;
    const lines = [
      `artifactstore hosts the bytes of ${options.store}`,
      ...(metricsUrl === undefined ? [] : [`metrics at ${metricsUrl}`]),
      ...urls.map((url) => `listening on ${url}`),
    ];
    await output.result(lines.join('\n'), {
      urls,
      ...(metricsUrl !== undefined && { metricsUrl }),
      store: options.store,
    });
    await stopped(session.signal);
    await notifyManager('stopping');
    output.note('stopping: waiting for requests under way; interrupt again to stop at once', { stopping: true });
  } finally {
    await daemon.close();
  }
}

function invalid(message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
}
