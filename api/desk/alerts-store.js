// Alerts known to this tab, newest first. The stream and the pages of the list both feed it; the higher version wins.
// How many are open is asked of the API, because this tab does not hold them all.

import { get, may } from './api.js';

const byId = new Map();
const watchers = new Set();
const lists = new Map(); // which + severity -> where its next page begins
const ENDED = new Set(['CLOSED', 'RESOLVED']);
const PAGE_ROWS = 100;
const COUNT_EVERY_MS = 1000;
let counts = { P1: 0, P2: 0, P3: 0, P4: 0 };
let planned = false;
let counting = null;
let counted = 0;

export const isOpen = (alert) => !ENDED.has(alert.status);
export const alertsChanged = (f) => { watchers.add(f); return () => watchers.delete(f); };
export const alertById = (id) => byId.get(id);
export const openCounts = () => counts;
const later = (a, b) => (b.opened_at > a.opened_at ? 1 : b.opened_at < a.opened_at ? -1 : b.alert_id > a.alert_id ? 1 : -1);

// Those known that fit a filter: which is open, ended or all; severity may be empty.
export const matching = ({ which, severity }) =>
  [...byId.values()].filter((a) => (which === 'all' || isOpen(a) === (which === 'open')) && (!severity || a.severity === severity)).sort(later);

const keyOf = ({ which, severity }) => `${which}/${severity}`;
export const hasMore = (filter) => lists.get(keyOf(filter))?.cursor !== null;

function changed() {
  if (planned) return;
  planned = true;
  setTimeout(() => { planned = false; for (const f of watchers) f(); }, 60);
}

// At most once a second, however fast alerts come; the last change is always counted.
function recount() {
  if (counting) return;
  counting = setTimeout(async () => {
    counting = null;
    counted = Date.now();
    try {
      if (may('read')) { counts = await get('/alerts/counts'); changed(); }
    } catch { /* the next change asks again */ }
  }, Math.max(50, counted + COUNT_EVERY_MS - Date.now()));
}

// Takes in an alert; true when it is new or newer than what was known.
export function apply(alert) {
  const old = byId.get(alert.alert_id);
  if (old && old.version > alert.version) return false;
  byId.set(alert.alert_id, { ...alert, arrived: !old && alert.event ? Date.now() : old?.arrived });
  if (!old || isOpen(old) !== isOpen(alert) || old.severity !== alert.severity) recount();
  changed();
  return true;
}

// Reads the next page of a list; the first one when none was read.
export async function loadMore(filter) {
  const key = keyOf(filter);
  const at = lists.get(key);
  if (at?.cursor === null || at?.loading) return;
  lists.set(key, { ...at, loading: true });
  try {
    const open = filter.which === 'all' ? undefined : filter.which === 'open';
    const page = await get('/alerts', { open, severity: filter.severity, limit: PAGE_ROWS, cursor: at?.cursor });
    lists.set(key, { cursor: page.next_cursor });
    for (const alert of page.items) apply(alert);
  } catch (error) {
    lists.set(key, { cursor: at?.cursor });
    throw error;
  }
  changed();
}

// Begins anew. forget: the stream did not resume, so what is known may be out of date.
export async function reloadAlerts(filter, { forget = false } = {}) {
  if (forget) { byId.clear(); lists.clear(); }
  recount();
  lists.delete(keyOf(filter));
  await loadMore(filter);
}

// Somebody else may sign in to this tab.
export function forgetAlerts() {
  byId.clear();
  lists.clear();
  counts = { P1: 0, P2: 0, P3: 0, P4: 0 };
}
