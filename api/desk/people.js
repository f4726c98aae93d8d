// Names of users and rules, read once per session.

import { get } from './api.js';
import { lang } from './i18n.js';

const people = new Map();
const rules = new Map();

export async function learnNames() {
  const [found, users] = await Promise.all([get('/rules'), get('/users', { limit: 1000 })]);
  for (const rule of found.items) rules.set(rule.code, rule);
  for (const user of users.items) people.set(user.user_id, user.display_name);
}

export const who = (id) => people.get(id) || id || '–';
export const everybody = () => [...people].sort((a, b) => a[1].localeCompare(b[1]));
export const ruleName = (code) => { const r = rules.get(code); return r ? (lang() === 'zh' ? r.name_zh : r.name) : ''; };
// A sentence in which ids of users stand as names.
export const named = (text) => String(text).replace(/user_[0-9a-f]{32}/g, (id) => who(id));
