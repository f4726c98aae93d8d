// What waits for a second pair of eyes: release orders (maker, checker, second checker) and pledges in draft.

import { h, replace } from '../dom.js';
import { may, post, session } from '../api.js';
import { due, money, time } from '../format.js';
import { t } from '../i18n.js';
import { who } from '../people.js';
import { facilityLink, goodsLink, pager, problem, state, table } from '../parts.js';

// status of an order -> the step that it waits for
const STEPS = {
  REQUESTED: { path: 'maker-approval', permission: 'release.make', word: 'as_maker' },
  MAKER_OK: { path: 'checker-approval', permission: 'release.check', word: 'as_checker' },
  CHECKER_OK: { path: 'second-approval', permission: 'release.check', word: 'as_second' },
};
const GOODS_SHOWN = 4;

export function approvalsView() {
  const said = h('div', { 'aria-live': 'polite' });
  const orders = Object.keys(STEPS).map((status) => pager('/releases', { status }));
  const drafts = pager('/pledges', { status: 'DRAFT' });
  const body = h('div', {}, h('p', { class: 'empty' }, t('loading')));

  async function draw() {
    try {
      await Promise.all([...orders, drafts].map((p) => p.reload()));
      show();
    } catch (error) { replace(body, problem(error)); }
  }

  function show() {
    const releases = orders.flatMap((p) => p.rows);
    replace(body,
      h('div', { class: 'card' }, h('h3', {}, `${t('releases_waiting')} (${releases.length}${orders.some((p) => p.more) ? '+' : ''})`),
        table([[t('k_release')], [t('goods')], [t('vehicle')], [t('value_n'), 'num'], [t('valid_until')], [t('signed_by')], [t('status')], ['']], releases.map(order), t('no_releases')),
        orders.map((p, i) => p.button(show, `more-r${i}`))),
      h('div', { class: 'card' }, h('h3', {}, `${t('pledges_waiting')} (${drafts.rows.length}${drafts.more ? '+' : ''})`),
        table([[t('pledge')], [t('goods')], [t('facility')], [t('created_by')], [t('made_at')], ['']], drafts.rows.map(draft), t('no_pledges')), drafts.button(show, 'more-p')));
  }

  async function act(path, words) {
    try {
      const done = await post(path);
      replace(said, h('p', { class: 'done', role: 'status' }, words, ' ', state(done.status),
        done.pickup_code ? h('span', {}, ` · ${t('pickup_code')} `, h('code', { class: 'pickup' }, done.pickup_code), ` · ${t('shown_once')}`) : null));
    } catch (error) { replace(said, problem(error)); }
    draw();
  }

  function order(r) {
    const step = STEPS[r.status];
    const id = encodeURIComponent(r.release_id);
    const signed = [['requested', r.requested_by], ['as_maker', r.maker_id], ['as_checker', r.checker_id]].filter(([, by]) => by);
    const mine = signed.some(([, by]) => by === session.user.user_id);
    return [h('span', {}, h('code', { title: r.release_id }, r.release_id.slice(0, 16)), h('div', { class: 'small muted' }, facilityLink(r.facility_id), ` · ${r.reason}`)), goods(r.goods_ids), r.vehicle_plate, money(r.value_amount, r.currency), due(r.valid_to),
      h('ul', { class: 'signed' }, signed.map(([k, by]) => h('li', {}, h('span', { class: 'muted' }, t(k)), ` ${who(by)}`))),
      h('span', {}, state(r.status), h('div', { class: 'small muted' }, `${t('waits_for')} ${t(step.word)}${r.needs_second_checker && r.status !== 'CHECKER_OK' ? ` · ${t('three_eyes')}` : ''}`)),
      h('div', { class: 'line acts' },
        may(step.permission) ? h('button', { class: mine ? '' : 'primary', title: mine ? t('you_signed') : null, 'data-key': `ok-${r.release_id}`, onclick: () => act(`/releases/${id}/${step.path}`, t('approved_step')) }, t('approve')) : null,
        may('release.cancel') ? h('button', { 'data-key': `no-${r.release_id}`, onclick: () => { if (window.confirm(t('cancel_sure'))) act(`/releases/${id}/cancel`, t('cancelled_step')); } }, t('cancel_order')) : null)];
  }

  function draft(p) {
    return [h('code', { title: p.pledge_id }, p.pledge_id.slice(0, 16)), goods(p.goods_ids), facilityLink(p.facility_id), who(p.created_by), time(p.created_at),
      may('pledge.approve') ? h('button', { class: p.created_by === session.user.user_id ? '' : 'primary', 'data-key': `ok-${p.pledge_id}`, onclick: () => act(`/pledges/${encodeURIComponent(p.pledge_id)}/approve`, t('approved_step')) }, t('approve')) : ''];
  }

  draw();
  const timer = setInterval(draw, 10000);
  return { element: h('section', { class: 'page' }, h('h1', {}, t('approvals')), h('p', { class: 'muted' }, t('four_eyes')), said, body), stop: () => clearInterval(timer) };
}

const goods = (ids) => h('span', { class: 'ids' }, ids.slice(0, GOODS_SHOWN).map((g) => [goodsLink(g), ' ']), ids.length > GOODS_SHOWN ? `… ${ids.length}` : '');
