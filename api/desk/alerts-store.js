// Alerts known to this tab, newest first. The stream and the list both feed it; the higher version wins.

import { get } from './api.js';

const byId = new Map();
const watchers = new Set();
const ENDED = new Set(['CLOSED', 'RESOLVED']);
let planned = false;

export const isOpen = (alert) => !ENDED.has(alert.status);
export const alertsChanged = (f) => { watchers.add(f); return () => watchers.delete(f); };
export const known = () => [...byId.values()].sort((a, b) => (b.opened_at > a.opened_at ? 1 : b.opened_at < a.opened_at ? -1 : b.alert_id > a.alert_id ? 1 : -1));
export const alertById = (id) => byId.get(id);

function changed() {
  if (planned) return;
  planned = true;
  setTimeout(() => { planned = false; for (const f of watchers) f(); }, 60);
}

// Takes in an alert; true when it is new or newer than what was known.
export function apply(alert) {
  const old = byId.get(alert.alert_id);
  if (old && old.version > alert.version) return false;
  const fresh = !old;
  byId.set(alert.alert_id, { ...alert, arrived: fresh && alert.event ? Date.now() : old?.arrived });
  changed();
  return true;
}

export async function reloadAlerts() {
  const open = await get('/alerts', { open: true, limit: 500 });
  const ended = await get('/alerts', { open: false, limit: 100 });
  for (const alert of [...open.items, ...ended.items]) apply(alert);
  changed();
}

export function openCounts() {
  const counts = { P1: 0, P2: 0, P3: 0, P4: 0 };
  for (const alert of byId.values()) if (isOpen(alert)) counts[alert.severity] += 1;
  return counts;
}
