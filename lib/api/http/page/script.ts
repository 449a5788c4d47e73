/**
 * What the page does beyond reading: it shows events as they happen. Pure text; runs in a browser, and nothing is lost without it.
 *
 * Texts of events go in as text, never as HTML.
 */
export const SCRIPT = `'use strict';
const feed = document.querySelector('[data-feed]');
if (feed) {
  const most = Number(feed.dataset.most);
  const sign = document.querySelector('.watching');
  const say = (text, on) => { sign.textContent = text; sign.classList.toggle('on', on); };
  const source = new EventSource('/v1/events?after=' + feed.dataset.after);
  source.onopen = () => say('watching', true);
  source.onerror = () => say('connection lost, trying again', false);
  source.onmessage = ({ data }) => show(JSON.parse(data));

  const cell = (row, text, kind) => {
    const made = row.insertCell();
    if (kind) made.className = kind;
    made.textContent = text;
    return made;
  };
  const show = (event) => {
    document.querySelector('.nothing')?.remove();
    const row = feed.insertRow(0);
    row.className = 'fresh';
    cell(row, String(event.seq), 'number');
    const time = document.createElement('time');
    time.dateTime = new Date(event.time).toISOString();
    time.textContent = time.dateTime.replace('T', ' ').replace(/\\.\\d+/, '');
    cell(row, '').append(time);
    cell(row, event.kind, 'kind');
    cell(row, event.actor);
    const subject = cell(row, '');
    if (event.kind.startsWith('object.')) {
      const link = document.createElement('a');
      link.className = 'digest';
      link.href = '/objects/' + event.subject;
      link.textContent = event.subject.slice(0, 19);
      subject.append(link);
    } else subject.textContent = event.subject ?? '';
    while (feed.rows.length > most) feed.deleteRow(-1);
  };
}
`;
