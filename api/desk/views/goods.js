// Finding goods, and the trace of one unit with both clocks.

import { h, replace } from '../dom.js';
import { get, lastAsked } from '../api.js';
import { decimal, time } from '../format.js';
import { lang, t } from '../i18n.js';
import { facilityLink, facts, goodsLink, problem, severity, state, table } from '../parts.js';

let lastQuery = '';

export function goodsView() {
  const found = h('div', {});
  const input = h('input', { type: 'search', 'aria-label': t('search_goods'), placeholder: t('search_goods'), 'data-key': 'q' });
  input.value = lastQuery;
  let rows = [];
  const ask = lastAsked();
  async function search(cursor) {
    const q = input.value.trim();
    lastQuery = q;
    if (q.length === 1) return;
    try {
      const page = await ask(() => get('/goods', { q: q || undefined, limit: 50, cursor }));
      if (!page) return;
      rows = cursor ? [...rows, ...page.items] : page.items;
      replace(found, table([[t('goods')], [t('commodity')], ['VIN / heat / piece'], [t('quantity'), 'num'], [t('place')], [t('state')]],
        rows.map((g) => [goodsLink(g.goods_id), g.commodity_code, g.vin || [g.heat_no, g.piece_no].filter(Boolean).join(' / ') || '–', `${decimal(g.quantity)} ${g.unit}`, g.zone_id || g.warehouse_id || '–', state(g.state)]), t('nothing_found')),
      page.next_cursor ? h('button', { 'data-key': 'more', onclick: () => search(page.next_cursor) }, t('more')) : null);
    } catch (error) { replace(found, problem(error)); }
  }
  const form = h('form', { class: 'line searchbar', onsubmit: (e) => { e.preventDefault(); search(); } }, input, h('button', { class: 'primary', type: 'submit' }, t('search')));
  search();
  setTimeout(() => input.focus());
  return { element: h('section', { class: 'page' }, h('h1', {}, t('goods')), form, found) };
}

export function traceView(id) {
  const element = h('section', { class: 'page' }, h('p', { class: 'empty' }, t('loading')));
  async function draw() {
    try {
      const [trace, unit] = await Promise.all([get(`/goods/${encodeURIComponent(id)}/trace`), get(`/goods/${encodeURIComponent(id)}`)]);
      replace(element, page(trace, unit));
    } catch (error) { replace(element, h('a', { href: '#/goods' }, `← ${t('back')}`), problem(error)); }
  }
  draw();
  return { element };
}

const MARKS = { read: '•', sighting: '◉', movement: '⇄', declared: '≈', position: '⌖', document: '§', receipt: '§', trip: '▸', pledge: '◆', release: '↗', alert: '!', registration: '+', binding: '∞', unbinding: '∅' };

function page(trace, unit) {
  const g = trace.goods;
  const now = trace.present[0];
  return [
    h('a', { class: 'back', href: '#/goods', 'data-key': 'back' }, `← ${t('goods')}`),
    h('header', { class: 'line title' }, h('h1', {}, g.goods_id), state(g.state)),
    h('p', { class: 'muted' }, [g.commodity_code, `${decimal(g.quantity)} ${g.unit}`, g.vin, g.mill && `${g.mill} ${g.heat_no || ''} ${g.piece_no || ''}`, g.zone_id || g.warehouse_id].filter(Boolean).join(' · ')),
    h('dl', { class: 'facts card' },
      h('dt', {}, t('present')), h('dd', {}, now ? [now.zone_id || now.device_id, ` · ${t('since')} `, time(now.entered_at), ` · ${t('last_seen')} `, time(now.last_seen_at), ` · ${now.reads} ${t('reads')}, ${now.absorbed} ${t('absorbed')}`] : '–'),
      h('dt', {}, 'Tag'), h('dd', {}, unit.tags.filter((x) => !x.valid_to).map((x) => [h('code', {}, x.tag_epc), ' '])),
      h('dt', {}, t('facility')), h('dd', {}, unit.facility_id ? [facilityLink(unit.facility_id), ` · ${unit.pledge_id}`] : '–')),
    h('h3', {}, t('trace')),
    trace.truncated.length ? h('p', { class: 'muted small' }, t('truncated'), ' ', trace.truncated.map((k) => t(`k_${k}`)).join(', ')) : null,
    h('ol', { class: 'timeline' }, grouped([...trace.items].reverse()).map(entry)),
  ];
}

// Neighbouring reads at one place, and neighbouring positions, become one entry that opens.
function grouped(items) {
  const out = [];
  for (const item of items) {
    const last = out[out.length - 1];
    const folds = (item.kind === 'read' && last?.[0].kind === 'read' && last[0].place === item.place && last[0].device_id === item.device_id)
      || (item.kind === 'position' && last?.[0].kind === 'position' && last[0].device_id === item.device_id);
    if (folds) last.push(item); else out.push([item]);
  }
  return out;
}

function entry(group) {
  const [newest] = group;
  const oldest = group[group.length - 1];
  const late = newest.recorded_at && Math.abs(Date.parse(newest.recorded_at) - Date.parse(newest.occurred_at)) >= 1000;
  const head = h('div', { class: 'line' },
    h('b', {}, t(`k_${newest.kind}`)), group.length > 1 ? h('span', { class: 'muted' }, `×${group.length}`) : null,
    newest.kind === 'alert' ? severity(newest.facts.severity) : null, title(newest),
    newest.place && newest.kind !== 'movement' ? h('span', { class: 'place' }, newest.place) : null, newest.device_id ? h('span', { class: 'muted' }, newest.device_id) : null);
  const when = h('div', { class: 'when' }, group.length > 1 ? [time(oldest.occurred_at), ' – '] : null, time(newest.occurred_at), late ? h('span', { class: 'muted' }, ` · ${t('learnt')} `, time(newest.recorded_at)) : null);
  const body = group.length > 1 ? h('ul', { class: 'reads' }, group.slice(0, 50).map((i) => h('li', {}, time(i.occurred_at), ' ', i.place || '', ' ', i.facts.rssi_dbm !== undefined ? `${i.facts.rssi_dbm} dBm` : ''))) : facts(newest.facts);
  return h('li', { class: `k-${newest.kind} ${newest.kind === 'alert' ? newest.facts.severity.toLowerCase() : ''}` },
    h('span', { class: 'marker', 'aria-hidden': 'true' }, MARKS[newest.kind]), h('details', {}, h('summary', {}, head, when), body));
}

function title(i) {
  const f = i.facts;
  if (i.kind === 'alert') return h('a', { href: `#/alerts/${encodeURIComponent(i.subject_id)}` }, `${f.rule_code} ${lang() === 'zh' ? f.summary_zh : f.summary}`);
  if (i.kind === 'document') return `${t(f.kind)} ${f.number}`;
  if (i.kind === 'movement') return [t(f.kind), f.from_zone_id || f.to_zone_id ? ` ${f.from_zone_id || '…'} → ${f.to_zone_id || '…'}` : ''];
  if (i.kind === 'pledge') return [facilityLink(f.facility_id), ` ${t(f.status)}`];
  if (i.kind === 'release') return `${t(f.status)} · ${f.vehicle_plate}`;
  if (i.kind === 'trip') return `${f.vehicle_plate} · ${t(f.status)}`;
  if (i.kind === 'receipt' || i.kind === 'binding' || i.kind === 'unbinding') return h('code', {}, i.subject_id);
  return '';
}
