// The audit trail: who did what, to what, when. For those who may read it.

import { h, replace } from '../dom.js';
import { lastAsked } from '../api.js';
import { time } from '../format.js';
import { t } from '../i18n.js';
import { everybody, who } from '../people.js';
import { facts, pager, problem, table } from '../parts.js';

const KINDS = ['alert', 'commodity', 'device', 'disposal', 'document', 'facility', 'goods', 'job', 'margin_call', 'party', 'pledge', 'price', 'receipt', 'release', 'request', 'trip', 'user', 'warehouse', 'zone'];
const DAY_MS = 86400000;
const asked = { user_id: '', action: '', subject_kind: '', subject_id: '', since: '', until: '' };

export function auditView() {
  const found = h('div', { class: 'card' }, h('p', { class: 'empty' }, t('loading')));
  let pages = null;
  const ask = lastAsked();
  const field = (name, el) => h('label', {}, h('span', { class: 'muted small' }, t(`q_${name}`)), keep(name, el));
  function keep(name, el) {
    el.value = asked[name];
    el.setAttribute('data-key', `q-${name}`);
    el.addEventListener('change', () => { asked[name] = el.value.trim(); });
    return el;
  }
  const form = h('form', { class: 'card query', onsubmit: (e) => { e.preventDefault(); search(); } },
    field('user_id', h('select', {}, h('option', { value: '' }, t('anybody')), everybody().map(([id, name]) => h('option', { value: id }, name)))),
    field('action', h('input', { placeholder: 'release.approve_as_maker', maxlength: 128, spellcheck: 'false' })),
    field('subject_kind', h('select', {}, h('option', { value: '' }, t('all')), KINDS.map((k) => h('option', { value: k }, t(`s_${k}`))))),
    field('subject_id', h('input', { maxlength: 128, spellcheck: 'false' })),
    field('since', h('input', { type: 'date' })), field('until', h('input', { type: 'date' })),
    h('button', { class: 'primary', type: 'submit' }, t('search')));

  async function search() {
    const day = (text, plus) => (text ? new Date(Date.parse(`${text}T00:00:00+08:00`) + plus).toISOString() : '');
    const asks = pager('/audit', { ...asked, since: day(asked.since, 0), until: day(asked.until, DAY_MS) });
    try {
      if (!(await ask(() => asks.reload()))) return;
      pages = asks;
      show();
    } catch (error) { replace(found, problem(error)); }
  }

  function show() {
    replace(found, table([[t('happened')], [t('who')], [t('did')], [t('subject')], [t('detail')]], pages.rows.map((e) => [
      time(e.happened_at), who(e.user_id), h('code', {}, e.action), h('span', {}, h('span', { class: 'muted' }, t(`s_${e.subject_kind}`)), ` ${who(e.subject_id)}`),
      Object.keys(e.detail).length ? h('details', {}, h('summary', {}, t('show')), facts(e.detail)) : '']), t('nothing_found')), pages.button(show, 'more-audit'));
  }

  search();
  return { element: h('section', { class: 'page' }, h('h1', {}, t('audit')), h('p', { class: 'muted' }, t('audit_note')), form, found) };
}
