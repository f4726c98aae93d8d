// Facilities with their coverage against the lines, and one of them in full.

import { h, replace } from '../dom.js';
import { get } from '../api.js';
import { coverageChart, gauge } from '../chart.js';
import { count, decimal, money, ratio, time } from '../format.js';
import { label, lang, t } from '../i18n.js';
import { named } from '../people.js';
import { figure, goodsLink, problem, state, table } from '../parts.js';

const REFRESH_MS = 5000;
const name = (f) => (lang() === 'zh' ? f.name_zh : f.name);

function repeated(draw) {
  let stopped = false;
  let timer = null;
  const run = async () => { await draw(); if (!stopped) timer = setTimeout(run, REFRESH_MS); };
  run();
  return () => { stopped = true; clearTimeout(timer); };
}

export function facilitiesView() {
  const element = h('section', { class: 'page' }, h('p', { class: 'empty' }, t('loading')));
  const stop = repeated(async () => {
    try {
      const { items } = await get('/facilities', { limit: 500 });
      replace(element, h('h1', {}, t('facilities')), items.length ? h('div', { class: 'cards' }, items.map(card)) : h('p', { class: 'empty' }, t('no_facilities')));
    } catch (error) { replace(element, problem(error)); }
  });
  return { element, stop };
}

function card(f) {
  const v = f.latest;
  return h('a', { class: `card facility ${v ? v.line_state.toLowerCase() : ''}`, href: `#/facilities/${encodeURIComponent(f.facility_id)}`, 'data-key': f.facility_id },
    h('b', {}, name(f)),
    h('div', { class: 'muted small' }, `${f.facility_id} · ${f.borrower_party_id}`),
    h('div', { class: 'line' }, h('div', { class: 'big' }, v && v.coverage !== null ? ratio(v.coverage) : '–'), v ? state(v.line_state) : null, f.status !== 'ACTIVE' ? state(f.status) : null),
    gauge(v),
    h('dl', { class: 'mini' }, [['value', v?.collateral_value], ['confirmed', v?.confirmed_value], ['exposure', v?.exposure], ['availability', v?.availability]]
      .map(([k, x]) => h('div', {}, h('dt', {}, t(k)), h('dd', {}, money(x, f.currency))))),
    v ? h('div', { class: 'muted small' }, t('as_of'), ' ', time(v.as_of)) : null);
}

export function facilityView(id) {
  const element = h('section', { class: 'page' }, h('p', { class: 'empty' }, t('loading')));
  const path = `/facilities/${encodeURIComponent(id)}`;
  const stop = repeated(async () => {
    try {
      const [f, p, vs, ledger, goods] = await Promise.all([
        get(path), get(`${path}/position`), get(`${path}/valuations`, { limit: 500 }), get(`${path}/ledger`, { limit: 12 }), get('/goods', { facility_id: id, limit: 12 })]);
      replace(element, page(f, p, vs.items, ledger.items, goods));
    } catch (error) { replace(element, h('a', { href: '#/facilities' }, `← ${t('back')}`), problem(error)); }
  });
  return { element, stop };
}

function page(f, p, valuations, ledger, goods) {
  const m = (x) => money(x, f.currency);
  const reasons = Object.entries(p.ineligible);
  const prices = Object.entries(p.detail.commodities || p.detail.by_commodity || {});
  return [
    h('a', { class: 'back', href: '#/facilities', 'data-key': 'back' }, `← ${t('facilities')}`),
    h('header', { class: 'line title' }, h('h1', {}, name(f)), state(p.line_state), f.status !== 'ACTIVE' ? state(f.status) : null),
    h('p', { class: 'muted' }, `${f.facility_id} · ${t('borrower')} ${f.borrower_party_id} · ${f.product} · ${t('limit')} ${m(f.limit_amount)} · ${t('matures')} ${f.matures_on}`),
    h('div', { class: 'card' },
      h('div', { class: 'cover' }, h('div', {}, h('div', { class: 'muted' }, t('coverage')), h('div', { class: 'big' }, ratio(p.coverage))), h('div', { class: 'wide' }, gauge(p, 560)),
        h('dl', { class: 'mini' }, ['warning_line', 'margin_call_line', 'disposal_line'].map((k) => h('div', {}, h('dt', {}, t(k)), h('dd', {}, ratio(p[k])))))),
      h('h3', {}, t('coverage_through_time')), coverageChart(valuations)),
    h('dl', { class: 'figures' },
      figure(t('value'), m(p.collateral_value), `${t('as_of')} ${p.as_of.slice(0, 16).replace('T', ' ')} UTC`), figure(t('confirmed'), m(p.confirmed_value)), figure(t('held'), m(p.held_value)), figure(t('pending'), m(p.pending_value)),
      figure(t('gross'), m(p.gross_market_value)), figure(t('exposure'), m(p.exposure)), figure(t('principal'), m(p.balance.principal)), figure(t('cash_margin'), m(p.balance.cash_margin)),
      figure(t('borrowing_base'), m(p.borrowing_base)), figure(t('availability'), m(p.availability)), figure(t('releasable'), m(p.releasable_now)), figure(t('min_control'), m(p.min_control_value)),
      figure(t('ltv'), ratio(p.ltv)), figure(t('units'), count(p.units), `${count(p.eligible_units)} ${t('eligible')}`)),
    reasons.length ? h('div', { class: 'card' }, h('h3', {}, t('ineligible')), table([[t('reason')], [t('units'), 'num'], [t('gross'), 'num'], [t('goods')]],
      reasons.map(([r, x]) => [label(r.toLowerCase()), count(x.units), m(x.value), h('span', { class: 'ids' }, x.goods_ids.slice(0, 6).map((g) => [goodsLink(g), ' ']), x.units > 6 ? '…' : '')]))) : null,
    prices.length ? h('div', { class: 'card' }, h('h3', {}, t('prices_used')), table([[t('commodity')], [t('k_price'), 'num'], [t('source')]], prices.map(([c, x]) => [c, x.price ? decimal(x.price) : x.unit_price ? decimal(x.unit_price) : '–', x.source || x.price_id || '–']))) : null,
    h('div', { class: 'card' }, h('h3', {}, t('goods')), table([[t('goods')], [t('commodity')], [t('quantity'), 'num'], [t('place')], [t('state')]],
      goods.items.map((g) => [goodsLink(g.goods_id), g.commodity_code, `${decimal(g.quantity)} ${g.unit}`, g.zone_id || g.warehouse_id || '–', state(g.state)]), t('nothing_found'))),
    h('div', { class: 'card' }, h('h3', {}, t('ledger')), table([['#', 'num'], [t('happened')], [''], [t('reason')], ['', 'num']],
      ledger.map((e) => [e.entry_no, time(e.happened_at), t(e.kind), named(e.reason), amountOf(e)]), t('nothing_found'))),
  ];
}

// Money of an entry, or how many units it moved.
function amountOf(e) {
  const cash = e.postings.find((x) => !x.goods_id && !x.amount.startsWith('-'));
  if (cash) return money(cash.amount, cash.unit);
  return `${count(new Set(e.postings.map((x) => x.goods_id)).size)} ${t('units')}`;
}
