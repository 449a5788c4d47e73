/**
 * `/packages`: the packages, one of them, and the directories of a version.
 *
 * Imports the exchange, manifests and the parts of a page. Called by the router and the overview.
 */

import { formatBlake3 } from '../../../digest-name.js';
import { ArtifactStoreError } from '../../../errors.js';
import { formatCount, formatSize } from '../../../format.js';
import { PAGE_MANIFEST_ENTRIES_MAX } from '../../../limits.js';
import type { ManifestEntry } from '../../../packages/manifest.js';
import { showPackagePath } from '../../../packages/path.js';
import type { PackageRecord, RefRecord } from '../../../registry/packages.js';
import type { Answer, Exchange } from '../exchange.js';
import { type Html, html } from './html.js';
import { answerPage } from './layout.js';
import { nextPage, objectLink, shortDigest, table, when } from './parts.js';
import { whyPart } from './why.js';

/** Versions on a page, and rows of a directory. */
const ROWS = 200;
const FILES = 1000;

type Named = Pick<PackageRecord, 'namespace' | 'name' | 'version'>;

export function packageHref({ namespace, name, version }: Named): string {
  return `/packages/${namespace}/${name}/${encodeURIComponent(version)}`;
}

/** GET /packages: all versions, and the refs that point at them. */
export async function packagesPage({ store, query }: Exchange): Promise<Answer> {
  const cursor = query.cursor as string | undefined;
  const page = { limit: ROWS, ...(cursor !== undefined && { cursor }) };
  const { packages, cursor: next } = await store.packages.list(page);
  const { refs } = await store.packages.refs({ limit: ROWS });
  return answerPage(200, {
    title: 'Packages',
    room: '/packages',
    body: html`<h1>Packages</h1>
${versionTable(packages, refs)}
${nextPage(next && `/packages?cursor=${encodeURIComponent(next)}`)}`,
  });
}

/** GET /packages/<namespace>/<name>: its versions and refs. */
export async function packagePage({ store, params: [namespace = '', name = ''] }: Exchange): Promise<Answer> {
  const named = { namespace, name, limit: ROWS };
  const [{ packages }, { refs }] = await Promise.all([store.packages.list(named), store.packages.refs(named)]);
  if (packages.length === 0) {
    throw new ArtifactStoreError('AS_ERR_NOT_FOUND', `There is no package ${namespace}/${name}.`, { namespace, name });
  }
  return answerPage(200, {
    title: `${namespace}/${name}`,
    room: '/packages',
    sought: `${namespace}/${name}`,
    body: html`<h1>${namespace}/${name}</h1>
<h2>Versions</h2>
${versionTable(packages, refs)}
<h2>Refs</h2>
${table(
  ['Ref', 'Points at', 'Moved', 'By', ''],
  refs.map(
    ({ ref, target, movedAt, actor, immutable }) =>
      html`<tr><td>${ref}</td><td>${objectLink(target)}</td><td>${when(movedAt)}</td><td>${actor}</td><td>${immutable && 'immutable'}</td></tr>`,
  ),
  'No ref points at a version of it.',
)}`,
  });
}

/** Versions with the refs that point at them. */
export function versionTable(packages: readonly PackageRecord[], refs: readonly RefRecord[]): Html {
  const rows = packages.map((one) => {
    const here = refs.filter(
      ({ namespace, name, target }) => namespace === one.namespace && name === one.name && target === one.manifest,
    );
    const version = one.version === one.manifest ? shortDigest(one.manifest) : one.version;
    return html`<tr><td><a href="/packages/${one.namespace}/${one.name}">${one.namespace}/${one.name}</a></td>
<td><a href="${packageHref(one)}">${version}</a></td><td>${here.map(({ ref }) => ref).join(', ')}</td>
<td class="number">${formatCount(one.entries)}</td><td class="number">${formatSize(one.size)}</td><td>${when(one.publishedAt)}</td><td>${one.actor}</td></tr>`;
  });
  return table(
    ['Package', 'Version', 'Refs', 'Files', 'Size', 'Published', 'By'],
    rows,
    'No package has been published yet: artifactstore push <folder> namespace/name@version',
  );
}

/** GET /packages/<namespace>/<name>/<version>/<path>: a directory of a version. */
export async function directoryPage(exchange: Exchange): Promise<Answer> {
  const { store, params } = exchange;
  const [namespace = '', name = '', version = '', path = ''] = params;
  const record = await store.packages.get(`${namespace}/${name}@${version}`);
  const place = path.replace(/\/+$/, '');
  const top = packageHref(record);
  return answerPage(200, {
    title: `${namespace}/${name}@${version.slice(0, 19)}`,
    room: '/packages',
    body: html`<p class="crumbs"><a href="/packages/${namespace}/${name}">${namespace}/${name}</a> / <a href="${top}">${version}</a>${crumbs(top, place)}</p>
<h1>${place === '' ? `${namespace}/${name}` : place}</h1>
<dl class="figures">
<div><dt>Files, links and empty directories</dt><dd>${formatCount(record.entries)}</dd></div>
<div><dt>Bytes</dt><dd>${formatSize(record.size)}</dd></div>
<div><dt>Published by ${record.actor}</dt><dd><small>${when(record.publishedAt)}</small></dd></div>
</dl>
<p>Manifest: ${objectLink(record.manifest, record.manifest)}</p>
${place === '' && (await whyPart(exchange, `${namespace}/${name}@${record.version}`))}
${await listing(exchange, record, place, top)}`,
  });
}

function crumbs(top: string, place: string): Html[] {
  const names = place === '' ? [] : place.split('/');
  return names.map((name, n) => html` / <a href="${hrefOf(top, names.slice(0, n + 1).join('/'))}">${name}</a>`);
}

function hrefOf(top: string, path: string): string {
  return `${top}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

async function listing({ store }: Exchange, record: PackageRecord, place: string, top: string): Promise<Html> {
  if (record.entries > PAGE_MANIFEST_ENTRIES_MAX) {
    return html`<p class="nothing">It has too many entries to be shown here. Use: artifactstore ls ${record.namespace}/${record.name}@${record.version}</p>`;
  }
  const { entries } = await store.packages.open(`${record.namespace}/${record.name}@${record.version}`);
  const { directories, here } = childrenOf(entries, place);
  if (directories.size === 0 && here.length === 0) {
    const what = `There is no directory ${place} in it.`;
    if (place !== '') throw new ArtifactStoreError('AS_ERR_NOT_FOUND', what, { path: place });
  }
  const rows = [
    ...[...directories].map(([name, count]) => {
      const href = hrefOf(top, place === '' ? name : `${place}/${name}`);
      return html`<tr><td><a href="${href}">${name}/</a></td><td class="number">${formatCount(count)} inside</td><td></td></tr>`;
    }),
    ...here.map(({ name, entry }) => fileRow(name, entry)),
  ];
  const shown = table(['Name', 'Size', 'Content'], rows.slice(0, FILES), 'It is empty.');
  const rest = rows.length - FILES;
  return html`${shown}${rest > 0 && html`<p>And ${formatCount(rest)} more: artifactstore ls shows all.</p>`}`;
}

interface Child {
  name: string;
  entry: ManifestEntry;
}

/** What is directly in a directory: those below, with how many entries they have, and its own entries. */
function childrenOf(entries: readonly ManifestEntry[], place: string) {
  const prefix = place === '' ? '' : `${place}/`;
  const directories = new Map<string, number>();
  const here: Child[] = [];
  for (const entry of entries) {
    const path = showPackagePath(entry.path);
    if (!path.startsWith(prefix)) continue;
    const [name = '', ...below] = path.slice(prefix.length).split('/');
    if (below.length > 0) directories.set(name, (directories.get(name) ?? 0) + 1);
    else here.push({ name, entry });
  }
  return { directories, here };
}

function fileRow(name: string, entry: ManifestEntry): Html {
  if (entry.kind === 'directory') return html`<tr><td>${name}/</td><td class="number">empty</td><td></td></tr>`;
  if (entry.kind === 'symlink')
    return html`<tr><td>${name}</td><td class="number">link</td><td>→ <code>${showPackagePath(entry.target)}</code></td></tr>`;
  const mark = entry.executable && html` <span title="executable">⚙</span>`;
  return html`<tr><td>${objectLink(formatBlake3(entry.blake3), name)}${mark}</td><td class="number">${formatSize(entry.size)}</td><td class="digest">${shortDigest(formatBlake3(entry.blake3))}</td></tr>`;
}
