// The desk: signs in, keeps the stream open, shows the view that the address names.

import { h, replace } from './dom.js';
import { listen, may, now, session, signOut, tick, token, whenSignedOut, whoAmI } from './api.js';
import { clock } from './format.js';
import { lang, setLang, t } from './i18n.js';
import { alertsChanged, apply, forgetAlerts, openCounts, reloadAlerts } from './alerts-store.js';
import { learnNames } from './people.js';
import { signInView } from './views/sign-in.js';
import { alertsFilter, alertsView } from './views/alerts.js';
import { approvalsView } from './views/approvals.js';
import { auditView } from './views/audit.js';
import { usersView } from './views/users.js';
import { jobsView } from './views/jobs.js';
import { facilitiesView, facilityView } from './views/facilities.js';
import { goodsView, traceView } from './views/goods.js';
import { marginView } from './views/margin.js';
import { ingestView } from './views/ingest.js';

// Tabs, and what one must be allowed (any of these) to see them; the API decides again.
const ALL_TABS = {
  alerts: ['read'], facilities: ['read'], goods: ['read'], margin: ['read'], ingest: ['read'],
  approvals: ['release.request', 'release.make', 'release.check', 'release.cancel', 'pledge.create', 'pledge.approve', 'audit.read'],
  jobs: ['job.run', 'audit.read'], audit: ['audit.read'], users: ['user.manage'],
};
const tabsOf = () => Object.keys(ALL_TABS).filter((name) => ALL_TABS[name].some(may));
const bar = document.getElementById('bar');
const main = document.getElementById('main');
let stream = null;
let streamState = 'connecting';
let view = null;

function route() {
  const [name = 'alerts', ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  return { name: tabsOf().includes(name) ? name : 'alerts', id: rest.join('/') || null };
}

const VIEWS = {
  alerts: (id) => alertsView(id),
  facilities: (id) => (id ? facilityView(id) : facilitiesView()),
  goods: (id) => (id ? traceView(id) : goodsView()),
  margin: () => marginView(),
  ingest: () => ingestView(),
  approvals: () => approvalsView(),
  jobs: () => jobsView(),
  audit: () => auditView(),
  users: () => usersView(),
};

function show(focus = false) {
  const at = route();
  if (view && view.name === at.name && view.open) {
    view.open(at.id);
  } else {
    view?.stop?.();
    view = { name: at.name, ...VIEWS[at.name](at.id) };
    replace(main, view.element);
  }
  if (focus) main.focus({ preventScroll: true });
  drawBar();
}

// The parts of the bar that change. They are changed in place: a click on a link that is replaced between press and release is lost.
let parts = null;

function buildBar() {
  const tabs = Object.fromEntries(tabsOf().map((name) => [name, h('a', { href: `#/${name}`, 'data-key': `tab-${name}` }, t(name))]));
  parts = { tabs, count: h('span', { class: 'count p1', title: 'P1' }), state: h('span', { role: 'status' }) };
  replace(bar,
    h('a', { class: 'brand', href: '#/alerts', 'data-key': 'brand' }, h('img', { src: '/desk/icon.svg', alt: '', width: 26, height: 26 }), h('b', {}, 'Chuantou'), h('span', { class: 'han' }, '穿透')),
    h('nav', { 'aria-label': t('title') }, Object.values(tabs)),
    h('div', { class: 'right' },
      h('span', { id: 'clock', class: 'clock', title: 'Asia/Shanghai' }, clock(now())),
      parts.state,
      h('button', { class: 'plain', 'data-key': 'lang', onclick: () => { setLang(lang() === 'zh' ? 'en' : 'zh'); view?.stop?.(); view = null; parts = null; show(); } }, lang() === 'zh' ? 'English' : '中文'),
      h('span', { class: 'who', title: session.user.roles.join(', ') }, session.user.display_name),
      h('button', { class: 'plain', 'data-key': 'out', onclick: () => signOut() }, t('sign_out'))));
}

function drawBar() {
  if (!parts) buildBar();
  const at = route().name;
  const counts = openCounts();
  document.title = `${counts.P1 ? `(${counts.P1}) ` : ''}Chuantou 穿透 · ${t(at)}`;
  for (const [name, link] of Object.entries(parts.tabs)) {
    if (name === at) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  parts.count.textContent = counts.P1 || '';
  if (counts.P1) parts.tabs.alerts?.append(parts.count); else parts.count.remove();
  parts.state.className = `dot ${streamState}`;
  parts.state.textContent = t(streamState);
}

function start() {
  bar.hidden = false;
  learnNames().catch(() => {});
  streamState = 'connecting';
  stream = listen({
    onEvent: (event, data) => {
      if (event === 'heartbeat') { tick(data.now); return; }
      if (event === 'signed_out') { signOut(data.reason); return; }
      if (event === 'alert' && apply(data) && data.severity === 'P1' && data.event.kind === 'OPENED') {
        document.getElementById('live').textContent = `${t('new_p1')}: ${lang() === 'zh' ? data.summary_zh : data.summary}`;
      }
    },
    onState: (state, resumed) => {
      if (!session.user) return;
      const again = state === 'live' && streamState !== 'live';
      streamState = state;
      if (again) reloadAlerts(alertsFilter, { forget: !resumed }).catch(() => {});
      drawBar();
    },
  });
  show();
}

function welcome(reason = null) {
  stream?.stop();
  stream = null;
  view?.stop?.();
  view = null;
  forgetAlerts();
  parts = null;
  bar.hidden = true;
  document.title = 'Chuantou 穿透';
  replace(main, signInView(start, () => welcome(reason), reason));
}

setLang(lang());
whenSignedOut(welcome);
alertsChanged(() => { if (session.user) drawBar(); });
window.addEventListener('hashchange', () => { if (session.user) show(true); });
setInterval(() => { const el = document.getElementById('clock'); if (el && session.user) el.textContent = clock(now()); }, 500);
document.addEventListener('keydown', (e) => {
  if (!session.user || e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName)) return;
  const number = Number(e.key);
  if (number >= 1 && number <= tabsOf().length) location.hash = `#/${tabsOf()[number - 1]}`;
});
if (token()) whoAmI().then(start, () => { if (token()) welcome('unreachable'); }); else welcome();
