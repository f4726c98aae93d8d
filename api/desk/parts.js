// Pieces that several views use.

import { h } from './dom.js';
import { label, lang, t } from './i18n.js';
import { decimal, time } from './format.js';
import { named } from './people.js';
import { get, lastAsked } from './api.js';
import { errorWords } from './errors.js';

export const severity = (code) => h('span', { class: `sev ${code.toLowerCase()}` }, code);
export const state = (code, tone = '') => h('span', { class: `state ${tone || code.toLowerCase()}` }, t(code));
export const summary = (alert) => (lang() === 'zh' ? alert.summary_zh : alert.summary);
export const goodsLink = (id) => h('a', { href: `#/goods/${encodeURIComponent(id)}` }, id);
export const facilityLink = (id) => h('a', { href: `#/facilities/${encodeURIComponent(id)}` }, id);
export const figure = (name, value, note) => h('div', { class: 'figure' }, h('dt', {}, name), h('dd', {}, value), note ? h('small', {}, note) : null);

// A refusal in words: what it means, then what the API says of this case, with people by their names.
export function problem(error) {
  const wrong = (error.details?.fields || []).map((f) => `${f.at}: ${f.why}`);
  const said = wrong.length ? wrong.join('; ') : error.details?.retry_after_s ? `${error.details.retry_after_s} s` : named(error.message || '');
  return h('p', { class: 'problem', role: 'alert' }, h('b', {}, errorWords(error.code)), said ? h('span', { class: 'said' }, said) : null);
}

// A list that is read page by page, newest first. reload() reads again as many rows as are shown;
// it gives undefined when it was overtaken by another reading.
export function pager(path, filters, size = 50) {
  const list = { rows: [], more: false };
  let cursor = null;
  const ask = lastAsked();
  list.reload = async () => {
    const first = await ask(() => get(path, { ...filters, limit: Math.min(1000, Math.max(size, list.rows.length)) }));
    if (!first) return undefined;
    list.rows = first.items;
    cursor = first.next_cursor;
    list.more = Boolean(cursor);
    return first;
  };
  list.next = async () => {
    const page = await ask(() => get(path, { ...filters, limit: size, cursor }));
    if (!page) return;
    list.rows = [...list.rows, ...page.items];
    cursor = page.next_cursor;
    list.more = Boolean(cursor);
  };
  list.button = (then, key) => (list.more ? h('button', { 'data-key': key, onclick: async (e) => { e.target.disabled = true; await list.next().catch(() => {}); then(); } }, t('load_more')) : null);
  return list;
}

export function table(columns, rows, empty) {
  if (!rows.length) return h('p', { class: 'empty' }, empty);
  return h('div', { class: 'scroll' }, h('table', {},
    h('thead', {}, h('tr', {}, columns.map(([name, kind]) => h('th', { class: kind, scope: 'col' }, name)))),
    h('tbody', {}, rows.map((cells) => h('tr', {}, cells.map((cell, i) => h('td', { class: columns[i][1] }, cell)))))));
}

const ISO = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/;
const DECIMAL = /^-?\d+\.\d+$/;
const ITEMS_MAX = 24;

function scalar(name, value) {
  if (value === null || value === undefined || value === '') return '–';
  if (typeof value === 'boolean') return t(value ? 'yes' : 'no');
  if (typeof value === 'number') return decimal(String(value));
  if (name === 'goods_id' || name === 'goods_ids') return goodsLink(value);
  if (name === 'facility_id') return facilityLink(value);
  if (ISO.test(value)) return time(value.replace(' ', 'T'));
  if (DECIMAL.test(value)) return decimal(value);
  return t(named(value));
}

// Evidence as people read it: names in words, ids as links, times in the bank's zone, lists cut with their length said.
export function facts(object, depth = 0) {
  const rows = Object.entries(object).filter(([, v]) => v !== null && v !== undefined && !(Array.isArray(v) && !v.length));
  const nests = ([, v]) => (v && typeof v === 'object' && !(Array.isArray(v) && v.every((x) => typeof x !== 'object')) ? 1 : 0);
  rows.sort((a, b) => nests(a) - nests(b)); // plain facts first, groups of them below
  if (!rows.length) return h('span', { class: 'muted' }, '–');
  return h('dl', { class: `facts depth${depth}` }, rows.map(([name, value]) => [h('dt', {}, label(name)), h('dd', {}, one(name, value, depth))]));
}

function one(name, value, depth) {
  if (Array.isArray(value)) {
    const shown = value.slice(0, ITEMS_MAX);
    const rest = value.length > shown.length ? h('li', { class: 'muted' }, `… ${value.length}`) : null;
    const nested = shown.some((v) => v && typeof v === 'object');
    return h('ul', { class: nested ? 'nested' : 'chips' }, shown.map((v) => h('li', {}, one(name, v, depth + 1))), rest);
  }
  if (value && typeof value === 'object') return depth > 3 ? JSON.stringify(value) : facts(value, depth + 1);
  return scalar(name, value);
}

