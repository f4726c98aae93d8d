// The API of the same origin. The token lives in sessionStorage: it goes with the tab.

const BASE = '/api/v1';
const KEY = 'chuantou.token';

// fetch, with a server that is away told as a problem like any other.
async function ask(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { code: 'unreachable', detail: '' });
  }
}

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? String(status));
    this.status = status;
    this.code = body.code;
    this.details = body.details || {};
  }
}

export const session = { user: null, offset: 0, wall: 0, speed: 1 };
let onSignedOut = () => {};
export const whenSignedOut = (f) => { onSignedOut = f; };
export const token = () => sessionStorage.getItem(KEY);

async function answer(response) {
  const text = await response.text();
  let body = {};
  try { body = text ? JSON.parse(text) : {}; } catch { body = { detail: response.statusText }; }
  if (response.ok) return body;
  if (response.status === 401 && token()) signOut('expired');
  throw new Problem(response.status, body);
}

export async function signIn(username, password) {
  const form = new URLSearchParams({ username, password });
  const got = await answer(await ask(`${BASE}/auth/token`, { method: 'POST', body: form }));
  sessionStorage.setItem(KEY, got.access_token);
  return whoAmI();
}

export async function whoAmI() {
  session.user = await get('/me');
  session.speed = session.user.clock_speed;
  session.wall = Date.now();
  session.at = Date.parse(session.user.now);
  return session.user;
}

// The business clock, which runs faster than the wall in a simulation.
export const now = () => new Date(session.at + (Date.now() - session.wall) * session.speed);

export function tick(iso) {
  session.at = Date.parse(iso);
  session.wall = Date.now();
}

// reason: a code of errors.js when it was not the user's own wish.
export function signOut(reason = null) {
  sessionStorage.removeItem(KEY);
  session.user = null;
  onSignedOut(reason);
}

export const may = (permission) => Boolean(session.user?.permissions.includes(permission));

export async function get(path, params = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== undefined && v !== null && v !== ''));
  const url = `${BASE}${path}${query.size ? `?${query}` : ''}`;
  return answer(await ask(url, { headers: { Authorization: `Bearer ${token()}` } }));
}

// Of several questions asked in turn only the last one's answer counts: answers may come in another order than they were asked.
// ask(question) gives the answer, or undefined when it was asked again meanwhile; then an error is not told either.
export function lastAsked() {
  let asked = 0;
  return async (question) => {
    const mine = ++asked;
    try {
      const got = await question();
      return mine === asked ? got : undefined;
    } catch (error) {
      if (mine === asked) throw error;
      return undefined;
    }
  };
}

export async function post(path, body) {
  const headers = { Authorization: `Bearer ${token()}`, 'Idempotency-Key': crypto.randomUUID() };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  return answer(await ask(`${BASE}${path}`, { method: 'POST', headers, body: body === undefined ? undefined : JSON.stringify(body) }));
}

// Server-sent events over fetch, so that the token travels in a header. Reconnects with the last id until stop() is called.
export function listen({ onEvent, onState }) {
  const control = new AbortController();
  let last = null;
  let wait = 500;
  async function once() {
    const headers = { Authorization: `Bearer ${token()}` };
    if (last !== null) headers['Last-Event-ID'] = last;
    const response = await fetch(`${BASE}/stream`, { headers, signal: control.signal });
    if (response.status === 401) { if (!control.signal.aborted) signOut('expired'); return; }
    if (!response.ok) throw new Error(String(response.status));
    onState('live', last !== null);
    wait = 500;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      let end;
      while ((end = text.indexOf('\n\n')) >= 0) {
        frame(text.slice(0, end));
        text = text.slice(end + 2);
      }
    }
  }
  function frame(block) {
    let event = 'message';
    let data = '';
    let id = null;
    for (const line of block.split('\n')) {
      if (line.startsWith('event: ')) event = line.slice(7);
      else if (line.startsWith('data: ')) data += line.slice(6);
      else if (line.startsWith('id: ')) id = line.slice(4);
    }
    if (id !== null) last = id;
    if (data) onEvent(event, JSON.parse(data));
  }
  (async () => {
    while (!control.signal.aborted && token()) {
      try { await once(); } catch { /* the store or the server is away: try again */ }
      if (control.signal.aborted) return;
      onState('reconnecting');
      await new Promise((go) => setTimeout(go, wait));
      wait = Math.min(wait * 2, 8000);
    }
  })();
  return { stop: () => control.abort() };
}
