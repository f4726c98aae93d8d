// Alerts as they come, and one of them with its evidence and what to do about it.

import { h, replace } from '../dom.js';
import { get, lastAsked, may, post, session } from '../api.js';
import { alertById, alertsChanged, apply, hasMore, isOpen, loadMore, matching, openCounts, reloadAlerts } from '../alerts-store.js';
import { ago, due, money, time } from '../format.js';
import { t } from '../i18n.js';
import { learnNames, ruleName, who } from '../people.js';
import { facilityLink, facts, goodsLink, problem, severity, state, summary } from '../parts.js';

const filter = { which: 'open', severity: '' };
export const alertsFilter = filter;
const REASONS = ['HANDLED', 'EXPLAINED', 'FALSE_ALARM', 'DEVICE_FAULT', 'DATA_ERROR', 'DUPLICATE'];
const STATUSES = ['INVESTIGATING', 'CONFIRMED', 'EXPLAINED', 'FALSE_ALARM'];
const ROWS_STEP = 100;
export function alertsView(first) {
  const list = h('div', { class: 'list', role: 'region', 'aria-label': t('alerts') });
  const detail = h('section', { class: 'detail', 'aria-live': 'polite' });
  let openId = first;
  let shownKey = null;

  let rowsShown = ROWS_STEP;

  function choose(change) {
    Object.assign(filter, change);
    rowsShown = ROWS_STEP;
    draw();
    loadMore(filter).catch(() => {});
  }

  // Shows more of what is known, and reads on when that is not enough.
  async function more() {
    rowsShown += ROWS_STEP;
    if (matching(filter).length < rowsShown) await loadMore(filter).catch((error) => replace(said, problem(error)));
    draw();
  }
  const said = h('div', {});

  function draw() {
    const counts = openCounts();
    const tabs = h('div', { class: 'filters' },
      ['open', 'ended', 'all'].map((w) => h('button', { class: 'chip', 'aria-pressed': String(filter.which === w), 'data-key': `w-${w}`, onclick: () => choose({ which: w }) }, t(w === 'open' ? 'open_alerts' : w))),
      h('span', { class: 'gap' }),
      ['P1', 'P2', 'P3', 'P4'].map((p) => h('button', { class: `chip ${p.toLowerCase()}`, 'aria-pressed': String(filter.severity === p), 'data-key': `s-${p}`, onclick: () => choose({ severity: filter.severity === p ? '' : p }) }, `${p} ${counts[p]}`)));
    const rows = matching(filter);
    const unread = hasMore(filter);
    const open = filter.severity ? counts[filter.severity] : counts.P1 + counts.P2 + counts.P3 + counts.P4;
    const total = filter.which === 'open' ? Math.max(open, rows.length) : unread ? `${rows.length}+` : rows.length;
    const items = rows.slice(0, rowsShown).map((a) =>
      h('a', {
        class: `row ${a.severity.toLowerCase()} ${isOpen(a) ? '' : 'over'} ${a.arrived && Date.now() - a.arrived < 4000 ? 'fresh' : ''}`,
        href: `#/alerts/${encodeURIComponent(a.alert_id)}`, 'aria-current': a.alert_id === openId ? 'true' : null, 'data-key': a.alert_id,
      },
      h('div', { class: 'line' }, severity(a.severity), h('b', {}, `${a.rule_code} ${ruleName(a.rule_code)}`), h('span', { class: 'when' }, ago(a.opened_at))),
      h('div', { class: 'words' }, summary(a)),
      h('div', { class: 'line small' }, state(a.status), h('span', { class: 'muted' }, a.subject_id), isOpen(a) && a.sla_due_at ? due(a.sla_due_at) : null)));
    replace(list, tabs, items.length ? h('div', { class: 'rows' }, items) : h('p', { class: 'empty' }, t('no_alerts')),
      items.length ? h('p', { class: 'line pad' }, h('span', { class: 'muted small', 'data-key': 'shown' }, `${items.length} / ${total}`),
        unread || rows.length > rowsShown ? h('button', { 'data-key': 'load-more', onclick: more }, t('load_more')) : null) : null, said);
    const now = openId ? alertById(openId) : null;
    if (now && shownKey !== `${openId}:${now.version}`) show(openId);
  }

  const ask = lastAsked();
  async function show(id) {
    openId = id;
    if (!id) { ask(() => null); shownKey = null; replace(detail, h('p', { class: 'empty' }, t('choose_alert'))); return; }
    try {
      const alert = await ask(() => get(`/alerts/${encodeURIComponent(id)}`));
      if (!alert) return;
      apply({ ...alert, event: undefined });
      shownKey = `${id}:${alert.version}`;
      const typed = detail.querySelector('textarea')?.value || '';
      replace(detail, detailOf(alert, typed, () => show(id)));
    } catch (error) {
      replace(detail, problem(error));
    }
  }

  const stopWatching = alertsChanged(draw);
  const redraw = setInterval(draw, 5000);
  draw();
  show(first);
  reloadAlerts(filter).catch(() => {});
  learnNames().then(() => { draw(); if (openId) show(openId); }).catch(() => {});
  const element = h('div', { class: 'split' }, list, detail);
  element.addEventListener('keydown', (e) => {
    if (!['j', 'k', 'ArrowDown', 'ArrowUp'].includes(e.key) || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName)) return;
    const rows = [...list.querySelectorAll('.row')];
    const at = rows.findIndex((r) => r.dataset.key === openId);
    const next = rows[Math.max(0, Math.min(rows.length - 1, at + (e.key === 'j' || e.key === 'ArrowDown' ? 1 : -1)))];
    if (next) { e.preventDefault(); next.focus(); location.hash = next.getAttribute('href'); }
  });
  return {
    element,
    open: (id) => { openId = id; draw(); show(id); },
    stop: () => { stopWatching(); clearInterval(redraw); },
  };
}

function subject(a) {
  if (a.subject_kind === 'goods') return goodsLink(a.subject_id);
  if (a.subject_kind === 'facility') return facilityLink(a.subject_id);
  return `${a.subject_kind} ${a.subject_id}`;
}

function detailOf(a, typed, again) {
  const said = h('div', {});
  const act = async (path, body) => {
    try {
      apply({ ...(await post(`/alerts/${encodeURIComponent(a.alert_id)}/${path}`, body)), event: undefined });
      await again();
    } catch (error) {
      replace(said, problem(error));
    }
  };
  return h('article', { class: 'card' },
    h('header', { class: `head ${a.severity.toLowerCase()}` }, h('div', { class: 'line' }, severity(a.severity), h('b', {}, `${a.rule_code} ${ruleName(a.rule_code)}`), state(a.status)), h('h2', {}, summary(a))),
    h('dl', { class: 'facts' },
      [['subject', subject(a)], ['facility', a.facility_id ? facilityLink(a.facility_id) : null], ['warehouse', a.warehouse_id], ['pledge', a.pledge_id],
        ['exposure_at_risk', a.exposure_at_risk ? money(a.exposure_at_risk, a.currency) : null], ['happened', time(a.occurred_at)], ['opened', time(a.opened_at)],
        ['sla', isOpen(a) && a.sla_due_at ? due(a.sla_due_at) : null], ['owner', a.owner ? who(a.owner) : null]]
        .filter(([, v]) => v).map(([k, v]) => [h('dt', {}, t(k)), h('dd', {}, v)])),
    said,
    isOpen(a) ? actions(a, typed, act) : null,
    h('h3', {}, t('evidence')), facts(a.evidence && typeof a.evidence === 'object' && !Array.isArray(a.evidence) ? a.evidence : { evidence: a.evidence }),
    Object.keys(a.thresholds).length ? [h('h3', {}, t('thresholds')), facts(a.thresholds)] : null,
    h('h3', {}, t('history')), h('ol', { class: 'history' }, history(a.events)));
}

// Runs of "seen again" become one line.
function history(events) {
  const out = [];
  for (const e of events) {
    const last = out[out.length - 1];
    if (e.kind === 'REFRESHED' && last?.kind === 'REFRESHED') { last.times += 1; last.happened_at = e.happened_at; } else out.push({ ...e, times: 1 });
  }
  return out.reverse().map((e) => h('li', {},
    h('span', { class: 'when' }, time(e.happened_at)), h('b', {}, t(e.kind)), e.times > 1 ? h('span', { class: 'muted' }, ` ×${e.times}`) : null, ' ',
    h('span', { class: 'muted' }, who(e.actor)),
    e.kind === 'COMMENTED' ? h('p', {}, e.detail.text) : noted(e)));
}

function noted(e) {
  const words = ['status', 'was', 'reason', 'owner', 'note', 'closing'].filter((k) => e.detail[k] && !(k === 'was' && e.kind === 'ASSIGNED'))
    .map((k) => (k === 'owner' ? who(e.detail[k]) : k === 'was' ? `← ${t(e.detail[k])}` : t(e.detail[k])));
  return words.length ? h('p', {}, words.join(' · ')) : null;
}

function actions(a, typed, act) {
  const text = h('textarea', { rows: 2, maxlength: 4000, 'aria-label': t('comment'), placeholder: t('comment'), 'data-key': 'comment-text' });
  text.value = typed;
  const two = a.severity === 'P1' || a.severity === 'P2';
  const reason = h('select', { 'aria-label': t('reason'), 'data-key': 'reason' }, REASONS.map((r) => h('option', { value: r, selected: r === a.closing_reason }, t(r))));
  const status = h('select', { 'aria-label': t('status'), 'data-key': 'status' }, STATUSES.map((r) => h('option', { value: r, selected: r === a.status }, t(r))));
  const mine = a.closing_user === session.user.user_id;
  const closeWord = !two ? 'close' : a.closing_user ? 'confirm_close' : 'ask_close';
  return h('div', { class: 'actions' },
    h('div', { class: 'line' },
      may('alert.work') && a.status === 'OPEN' ? h('button', { class: 'primary', 'data-key': 'ack', onclick: () => act('acknowledge', { version: a.version }) }, t('acknowledge')) : null,
      may('alert.work') ? [status, h('button', { 'data-key': 'set', onclick: () => act('status', { version: a.version, status: status.value }) }, t('set_status'))] : null,
      may('alert.close') && !mine ? [reason, h('button', { class: a.closing_user ? 'primary' : '', 'data-key': 'close', onclick: () => act('close', { version: a.version, reason: reason.value }) }, t(closeWord))] : null),
    two && may('alert.close') ? h('p', { class: 'muted small' }, a.closing_user ? `${t('waits_second')} ${who(a.closing_user)} · ${t(a.closing_reason)}` : t('two_people')) : null,
    may('alert.comment') ? h('div', { class: 'line top' }, text, h('button', { 'data-key': 'add', onclick: () => { if (text.value.trim()) { const said = text.value; text.value = ''; act('comments', { text: said }); } } }, t('add_comment'))) : null);
}
