// The desk: signs in, keeps the stream open, shows the view that the address names.

import { h, replace } from './dom.js';
import { listen, now, session, signOut, tick, token, whenSignedOut, whoAmI } from './api.js';
import { clock } from './format.js';
import { lang, setLang, t } from './i18n.js';
import { alertsChanged, apply, openCounts, reloadAlerts } from './alerts-store.js';
import { learnNames } from './people.js';
import { signInView } from './views/sign-in.js';
import { alertsView } from './views/alerts.js';
import { facilitiesView, facilityView } from './views/facilities.js';
import { goodsView, traceView } from './views/goods.js';
import { marginView } from './views/margin.js';
import { ingestView } from './views/ingest.js';

const TABS = ['alerts', 'facilities', 'goods', 'margin', 'ingest'];
const bar = document.getElementById('bar');
const main = document.getElementById('main');
let stream = null;
let streamState = 'connecting';
let view = null;

function route() {
  const [name = 'alerts', ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  return { name: TABS.includes(name) ? name : 'alerts', id: rest.join('/') || null };
}

const VIEWS = {
  alerts: (id) => alertsView(id),
  facilities: (id) => (id ? facilityView(id) : facilitiesView()),
  goods: (id) => (id ? traceView(id) : goodsView()),
  margin: () => marginView(),
  ingest: () => ingestView(),
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

function drawBar() {
  const at = route().name;
  const counts = openCounts();
  document.title = `${counts.P1 ? `(${counts.P1}) ` : ''}Chuantou 穿透 · ${t(at)}`;
  const tabs = TABS.map((name) =>
    h('a', { href: `#/${name}`, 'aria-current': name === at ? 'page' : null, 'data-key': `tab-${name}` },
      t(name),
      name === 'alerts' && counts.P1 ? h('span', { class: 'count p1', title: 'P1' }, counts.P1) : null));
  replace(bar,
    h('a', { class: 'brand', href: '#/alerts', 'data-key': 'brand' }, h('img', { src: '/desk/icon.svg', alt: '', width: 26, height: 26 }), h('b', {}, 'Chuantou'), h('span', { class: 'han' }, '穿透')),
    h('nav', { 'aria-label': t('title') }, tabs),
    h('div', { class: 'right' },
      h('span', { id: 'clock', class: 'clock', title: 'Asia/Shanghai' }, clock(now())),
      h('span', { class: `dot ${streamState}`, role: 'status' }, t(streamState)),
      h('button', { class: 'plain', 'data-key': 'lang', onclick: () => { setLang(lang() === 'zh' ? 'en' : 'zh'); view?.stop?.(); view = null; show(); } }, lang() === 'zh' ? 'English' : '中文'),
      h('span', { class: 'who', title: session.user.roles.join(', ') }, session.user.display_name),
      h('button', { class: 'plain', 'data-key': 'out', onclick: signOut }, t('sign_out'))));
}

function start() {
  bar.hidden = false;
  learnNames().catch(() => {});
  streamState = 'connecting';
  stream = listen({
    onEvent: (event, data) => {
      if (event === 'heartbeat') { tick(data.now); return; }
      if (event === 'alert' && apply(data) && data.severity === 'P1' && data.event.kind === 'OPENED') {
        document.getElementById('live').textContent = `${t('new_p1')}: ${lang() === 'zh' ? data.summary_zh : data.summary}`;
      }
    },
    onState: (state) => {
      const again = state === 'live' && streamState !== 'live';
      streamState = state;
      if (again) reloadAlerts();
      drawBar();
    },
  });
  show();
}

function welcome() {
  stream?.stop();
  stream = null;
  view?.stop?.();
  view = null;
  bar.hidden = true;
  document.title = 'Chuantou 穿透';
  replace(main, signInView(start, () => welcome()));
}

setLang(lang());
whenSignedOut(welcome);
alertsChanged(() => { if (session.user) drawBar(); });
window.addEventListener('hashchange', () => { if (session.user) show(true); });
setInterval(() => { const el = document.getElementById('clock'); if (el && session.user) el.textContent = clock(now()); }, 500);
document.addEventListener('keydown', (e) => {
  if (!session.user || e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName)) return;
  const number = Number(e.key);
  if (number >= 1 && number <= TABS.length) location.hash = `#/${TABS[number - 1]}`;
});
if (token()) whoAmI().then(start, welcome); else welcome();
