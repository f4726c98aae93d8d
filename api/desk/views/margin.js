// Margin calls and disposal cases: what people have to do about value.

import { h, replace } from '../dom.js';
import { get, lastAsked, may, post, session } from '../api.js';
import { due, money, time } from '../format.js';
import { t } from '../i18n.js';
import { facilityLink, problem, state, table } from '../parts.js';

const OPEN_CALLS = new Set(['ISSUED', 'ACKNOWLEDGED', 'PARTLY_CURED']);

export function marginView() {
  const said = h('div', {});
  const body = h('div', {}, h('p', { class: 'empty' }, t('loading')));
  const ask = lastAsked();
  async function draw() {
    try {
      const got = await ask(() => Promise.all([get('/margin-calls', { limit: 200 }), get('/disposals', { limit: 200 })]));
      if (!got) return;
      const [calls, cases] = got;
      replace(body,
        h('div', { class: 'card' }, h('h3', {}, t('calls')), table([[t('facility')], [t('status')], [t('cause')], [t('in_cash'), 'num'], [t('in_goods'), 'num'], [t('issued')], [t('deadline')], ['']],
          calls.items.map((c) => [facilityLink(c.facility_id), state(c.status), t(c.cause), money(c.cash_amount, c.currency), money(c.goods_amount, c.currency), time(c.issued_at),
            OPEN_CALLS.has(c.status) ? due(c.cure_deadline) : time(c.cure_deadline),
            c.status === 'ISSUED' && may('margin.acknowledge') ? h('button', { 'data-key': c.call_id, onclick: () => act(`/margin-calls/${c.call_id}/acknowledge`) }, t('acknowledge')) : '']), t('no_calls'))),
        h('div', { class: 'card' }, h('h3', {}, t('disposals')), table([[t('facility')], [t('status')], [t('trigger')], [t('exposure'), 'num'], [t('value'), 'num'], [t('proposed'), 'num'], [t('opened')], ['']],
          cases.items.map((d) => [facilityLink(d.facility_id), state(d.status), t(d.trigger), money(d.exposure, d.currency), money(d.collateral_value, d.currency), money(d.proposed_sale_value, d.currency), time(d.opened_at), caseActions(d)]), t('no_disposals'))));
    } catch (error) { replace(body, problem(error)); }
  }
  async function act(path, json) {
    try { await post(path, json); replace(said); } catch (error) { replace(said, problem(error)); }
    draw();
  }
  function caseActions(d) {
    if (d.status !== 'DRAFT') return '';
    const mine = d.approved_by === session.user.user_id;
    return h('div', { class: 'line' },
      may('disposal.approve') && !mine ? h('button', { class: 'primary', 'data-key': `a-${d.case_id}`, onclick: () => act(`/disposals/${d.case_id}/approve`) }, d.approved_by ? `${t('approve')} 2/2` : `${t('approve')} 1/2`) : null,
      may('disposal.withdraw') ? h('button', { 'data-key': `w-${d.case_id}`, onclick: () => { const reason = window.prompt(t('reason')); if (reason?.trim()) act(`/disposals/${d.case_id}/withdraw`, { reason }); } }, t('withdraw')) : null);
  }
  draw();
  const timer = setInterval(draw, 5000);
  return { element: h('section', { class: 'page' }, h('h1', {}, t('margin')), said, body), stop: () => clearInterval(timer) };
}
