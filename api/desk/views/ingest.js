// What arrives: the conservation of readings, what was refused and why, which devices are silent.

import { h, replace } from '../dom.js';
import { get } from '../api.js';
import { ago, count, time } from '../format.js';
import { t } from '../i18n.js';
import { facts, figure, problem, table } from '../parts.js';

const SILENT_INTERVALS = 3;

export function ingestView() {
  const element = h('section', { class: 'page' }, h('p', { class: 'empty' }, t('loading')));
  async function draw() {
    try {
      const [tally, letters, devices] = await Promise.all([get('/ingest/tally'), get('/dead-letters', { limit: 50 }), all('/devices')]);
      const open = new Set([...element.querySelectorAll('details[open]')].map((d) => d.dataset.key));
      replace(element, page(tally, letters.items, devices, open));
    } catch (error) { replace(element, problem(error)); }
  }
  draw();
  const timer = setInterval(draw, 10000);
  return { element, stop: () => clearInterval(timer) };
}

async function all(path) {
  const rows = [];
  let cursor;
  do { const page = await get(path, { limit: 1000, cursor }); rows.push(...page.items); cursor = page.next_cursor; } while (cursor);
  return rows;
}

function page(tally, letters, devices, open) {
  const heard = devices.map((d) => Date.parse(d.state?.last_received_at)).filter((x) => !Number.isNaN(x));
  const stream = heard.length ? Math.max(...heard) : null;
  const silence = (d) => (d.state?.last_received_at ? stream - Date.parse(d.state.last_received_at) > SILENT_INTERVALS * d.expected_interval_s * 1000 : null);
  const rank = (d) => (silence(d) === true ? 0 : silence(d) === null ? 1 : 2);
  const sorted = [...devices].sort((a, b) => rank(a) - rank(b) || a.device_id.localeCompare(b.device_id));
  const newest = tally.items[0]?.day;
  const x = tally.totals;
  return [
    h('h1', {}, t('ingest')),
    h('p', {}, h('span', { class: `state ${tally.agrees ? 'ok' : 'disposal'}` }, `${tally.agrees ? '✓' : '✗'} ${t(tally.agrees ? 'agrees' : 'disagrees')}`)),
    h('dl', { class: 'figures sum' }, figure(t('received'), count(x.received)), h('span', { class: 'op' }, '='), figure(t('stored'), count(x.stored)), h('span', { class: 'op' }, '+'), figure(t('repeated'), count(x.repeated)), h('span', { class: 'op' }, '+'), figure(t('absorbed_n'), count(x.absorbed)), h('span', { class: 'op' }, '+'), figure(t('refused'), count(x.refused))),
    h('div', { class: 'card' }, h('h3', {}, t('devices')), h('p', { class: 'muted small' }, t('silent_note')),
      table([[t('device')], [''], [t('place')], [t('last_seen')], ['', 'num']], sorted.map((d) => {
        const quiet = silence(d);
        return [h('span', {}, h('b', {}, d.device_id), h('span', { class: 'muted' }, ` ${d.name}`)),
          h('span', { class: `state ${quiet === true ? 'warning' : quiet === null ? '' : 'ok'}` }, t(quiet === true ? 'silent' : quiet === null ? 'never' : 'hearing')),
          d.vehicle_plate || d.warehouse_id || d.site, d.state?.last_received_at ? ago(d.state.last_received_at) : '–', d.state?.presence || ''];
      }), t('nothing_found'))),
    h('div', { class: 'card' }, h('h3', {}, t('dead_letters')), letters.length ? h('ul', { class: 'letters' }, letters.map((l) => h('li', {},
      h('details', { 'data-key': `dl-${l.dead_letter_id}`, open: open.has(`dl-${l.dead_letter_id}`) },
        h('summary', {}, h('b', {}, l.reason), h('span', { class: 'muted' }, ` ${l.topic}`), h('span', {}, ` ×${count(l.times)}`), h('span', { class: 'when' }, time(l.last_received_at))),
        h('p', {}, l.detail), h('pre', {}, l.payload_text), facts({ payload_bytes: l.payload_bytes, payload_sha256: l.payload_sha256, state: l.state }))))) : h('p', { class: 'empty' }, t('no_dead'))),
    h('div', { class: 'card' }, h('h3', {}, `${t('per_device')} ${newest || ''}`), table([[t('device')], [t('received'), 'num'], [t('stored'), 'num'], [t('repeated'), 'num'], [t('absorbed_n'), 'num'], [t('refused'), 'num']],
      tally.items.filter((r) => r.day === newest).map((r) => [r.device_id || t('unknown_device'), count(r.received), count(r.stored), count(r.repeated), count(r.absorbed), count(r.refused)]), t('nothing_found'))),
  ];
}

