/**
 * `artifactstore serve`: the store over HTTP. The one file of the command line that imports another door.
 */

import { resolve } from 'node:path';
import { Command } from 'commander';
import type { RunningServer, ServerOptions } from '../../api/http/server.js';
import { authSection } from '../../config/sections/auth.js';
import { retentionSection } from '../../config/sections/retention.js';
import { serviceSection } from '../../config/sections/service.js';
import { tlsSection } from '../../config/sections/tls.js';
import type { InForce } from '../../config/setting.js';
import { ArtifactStoreError } from '../../errors.js';
import { inheritedSockets, notifyManager } from '../../listen/systemd.js';
import type { Store } from '../../store.js';
import { formatItems, formatSize } from '../format.js';
import { settingOptions } from '../options.js';
import { readIssuers, readTls } from '../serve-files.js';
import { runCommand, type Session, stopped } from '../session.js';
import { heldBy, type Source, settingsOf } from '../settings.js';

export function serveCommand(): Command {
  const command = new Command('serve').description('Serve the store over HTTP until interrupted.');
  for (const section of [serviceSection, authSection, tlsSection, retentionSection]) {
    for (const one of settingOptions(section)) command.addOption(one);
  }
  return command.action((_flags: object, command: Command) =>
    runCommand(command, (session) => serve(session, command, settingsOf(command, 'service'))),
  );
}

async function serve(session: Session, command: Command, settings: InForce<typeof serviceSection>): Promise<void> {
  const { hostNames = [], idleTimeoutMs, drainDelayMs, closeGraceMs, accessLog } = settings;
  const { output, options } = session;
  const auth = settingsOf(command, 'auth');
  const tls = await readTls(settingsOf(command, 'tls'));
  const issuers = auth.issuers === undefined ? [] : await readIssuers(auth.issuers);
  session.requireFolder('Serve the folder where its bytes are.');
  const store = resolve(options.store);
  const { startServer } = await import('../../api/http/server.js');
  const { onStore, stop } = await scheduled(session, settingsOf(command, 'retention'));
  const server = await startServer(() => session.openFolder({ create: true }).then(onStore), {
    ...placeOf(command, settings),
    ...{ hostNames, idleTimeoutMs, drainDelayMs, closeGraceMs, issuers },
    ...(auth.mode !== undefined && { auth: auth.mode }),
    ...(auth.insecureNoAuthentication && { insecureNoAuthentication: true }),
    ...(tls && { tls }),
    ...(accessLog === 'stderr' && { accessLog: output.stderr }),
    onError: (error, activity, requestId) => output.error(error, { activity, ...(requestId && { requestId }) }),
  });
  session.onHangUp(() => void renewCertificates(session, command, server));
  try {
    await tell(session, 'ready');
    await output.result(greeting(server, store), { url: server.url, urls: server.urls, store });
    await stopped(session.signal);
    await tell(session, 'stopping');
    output.note('stopping: waiting for requests under way; interrupt again to stop at once', { stopping: true });
  } finally {
    await stop();
    await server.close();
  }
}

/** Has policies carried out by the service itself, where that is wanted: from the opening of its store until it stops. */
async function scheduled({ output }: Session, { everyMinutes, window, throttle }: InForce<typeof retentionSection>) {
  let schedule: { stop(): Promise<void> } | undefined;
  const { RetentionSchedule } = await import('../../store/retention-schedule.js');
  const onStore = (store: Store): Store => {
    if (everyMinutes === 0 || store.readOnly) return store;
    schedule = new RetentionSchedule(store, {
      everyMinutes,
      throttle,
      ...(window !== undefined && { window }),
      onRun: (run) =>
        output.note(
          `retention: ${formatItems(run.versions, 'version')} and ${formatItems(run.objects, 'object')} gone, ${formatItems(run.swept, 'object')} swept, ${formatSize(run.freedSize)} freed`,
          { retention: run },
        ),
      onError: (error) => output.error(error, { activity: 'retention' }),
    });
    return store;
  };
  return { onStore, stop: async () => schedule?.stop() };
}

/** On SIGHUP: the certificates as they are on disk now. Ones that cannot be used change nothing. */
async function renewCertificates({ output }: Session, command: Command, server: RunningServer): Promise<void> {
  try {
    const tls = await readTls(settingsOf(command, 'tls'));
    if (tls === undefined) return;
    server.changeCertificates(tls);
    output.note('the certificates have been read again', { certificates: 'renewed' });
  } catch (error) {
    output.error(error, { activity: 'reading the certificates again; the old ones stay' });
  }
}

/** Who stands higher decides: addresses to listen on, or host and port. Without either, sockets that were handed over count. */
function placeOf(
  command: Command,
  { listen, host, port }: InForce<typeof serviceSection>,
): Pick<ServerOptions, 'listen' | 'host' | 'port'> {
  const ranks = new Map(heldBy(command).map(({ name, source }) => [name, RANKS[source]]));
  const [ofListen = 0, ofHost = 0, ofPort = 0] = ['listen', 'host', 'port'].map((name) => ranks.get(name));
  const ofBoth = Math.max(ofHost, ofPort);
  if (listen !== undefined && ofListen > ofBoth) return { listen };
  if (ofListen > 0 && ofListen === ofBoth) {
    const message = 'There are addresses to listen on, and a host or port beside them: give one of the two.';
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { listen });
  }
  if (ofBoth === 0 && inheritedSockets().length > 0) return { listen: ['systemd'] };
  return { host, port };
}

const RANKS: Readonly<Record<Source, number>> = { default: 0, file: 1, environment: 2, option: 3 };

/** The service manager may wait for it; that it cannot be told is no reason not to serve. */
async function tell({ output }: Session, state: 'ready' | 'stopping'): Promise<void> {
  const problem = await notifyManager(state);
  if (problem !== undefined)
    output.note(`the service manager could not be told "${state}": ${problem}`, { state, problem });
}

function greeting({ url, urls }: RunningServer, path: string): string {
  const socket = /^unix:(.*)/.exec(url)?.[1];
  const target = socket === undefined ? `${url}/v1/objects` : `--unix-socket ${socket} http://localhost/v1/objects`;
  return [
    `artifactstore serves ${path}`,
    ...urls.map((one) => `listening on ${one}`),
    `try: curl --data-binary @/etc/hostname ${target}`,
  ].join('\n');
}
