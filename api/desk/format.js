// How numbers, money and times look. Times are shown in the bank's zone, with UTC on hover.

import { h } from './dom.js';
import { lang, t } from './i18n.js';
import { now } from './api.js';

const ZONE = 'Asia/Shanghai';
const locale = () => (lang() === 'zh' ? 'zh-CN' : 'en-GB');

const cache = new Map();
function formatter(options) {
  const key = locale() + JSON.stringify(options);
  if (!cache.has(key)) cache.set(key, new Intl.DateTimeFormat(locale(), { timeZone: ZONE, hourCycle: 'h23', ...options }));
  return cache.get(key);
}

export const stamp = (iso) =>
  formatter({ month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(new Date(iso));
export const clock = (date) =>
  formatter({ weekday: 'short', year: 'numeric', month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit' }).format(date);
export const shortTime = (date, wide) =>
  formatter(wide ? { month: 'short', day: '2-digit' } : { day: '2-digit', hour: '2-digit', minute: '2-digit' }).format(date);

export const time = (iso) => (iso ? h('time', { datetime: iso, title: `${iso} (UTC)` }, stamp(iso)) : '–');

// Decimal strings are grouped as text; they never become floating point.
export function decimal(text, places = null) {
  if (text === null || text === undefined) return '–';
  let [whole, part = ''] = String(text).split('.');
  const sign = whole.startsWith('-') ? '−' : '';
  whole = whole.replace('-', '').replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  if (places !== null) part = part.slice(0, places).padEnd(places, '0');
  else part = part.replace(/0+$/, '');
  return sign + whole + (part ? `.${part}` : '');
}

export const money = (text, currency) => (text === null || text === undefined ? '–' : `${decimal(text, 2)} ${currency || ''}`.trim());
export const ratio = (text) => (text === null || text === undefined ? '–' : `${(Number(text) * 100).toFixed(1)} %`);
export const count = (n) => decimal(String(n));

// A span of business time in words: 5 min, 3 h, 2 d.
export function span(ms) {
  const minutes = Math.abs(ms) / 60000;
  if (minutes < 1) return t('under_a_minute');
  if (minutes < 120) return `${Math.round(minutes)} ${t('min')}`;
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} ${t('h')}`;
  return `${Math.round(minutes / 1440)} ${t('d')}`;
}

export const ago = (iso) => `${span(now() - Date.parse(iso))} ${t('ago')}`;

export function due(iso) {
  if (!iso) return '–';
  const left = Date.parse(iso) - now();
  return h('span', { class: left < 0 ? 'overdue' : 'due', title: stamp(iso) }, left < 0 ? `${t('overdue')} ${span(left)}` : `${span(left)} ${t('left')}`);
}
