// People and systems that sign in: made, locked out, given roles and passwords. For administrators.

import { h, replace } from '../dom.js';
import { post, session } from '../api.js';
import { time } from '../format.js';
import { t } from '../i18n.js';
import { learnNames } from '../people.js';
import { pager, problem, table } from '../parts.js';

const ROLES = ['risk_officer', 'approver', 'warehouse_operator', 'device_admin', 'auditor', 'admin', 'system'];

export function usersView() {
  const said = h('div', { 'aria-live': 'polite' });
  const list = h('div', { class: 'card' }, h('p', { class: 'empty' }, t('loading')));
  const users = pager('/users', {}, 200);

  async function draw() {
    try { if (await users.reload()) show(); } catch (error) { replace(list, problem(error)); }
  }

  function show() {
    replace(list, table([[t('username')], [t('display_name')], [t('roles')], [t('access')], ['']], users.rows.map(row), t('nothing_found')), users.button(show, 'more-users'));
  }

  async function act(path, body, name) {
    try {
      const done = await post(path, body);
      replace(said, h('p', { class: 'done', role: 'status' }, `${t('saved')} ${name || done.username}`));
      learnNames().catch(() => {});
      draw();
      return true;
    } catch (error) { replace(said, problem(error)); return false; }
  }

  function row(u) {
    const path = `/users/${encodeURIComponent(u.user_id)}`;
    if (u.user_id === session.user.user_id) return [h('b', {}, u.username), u.display_name, u.roles.map((r) => t(r)).join(', '), h('span', { class: 'state ok' }, t('may_sign_in')), ''];
    const boxes = roleBoxes(u.roles, u.username);
    const why = h('input', { required: true, placeholder: t('why'), 'aria-label': `${t('why')} ${u.username}`, maxlength: 500 });
    const password = h('input', { type: 'password', required: true, autocomplete: 'new-password', placeholder: t('new_password'), 'aria-label': `${t('new_password')} ${u.username}`, minlength: 12, maxlength: 200 });
    const button = (word, path_, body, needs = [why]) => h('button', { type: 'button', 'data-key': `${word}-${u.user_id}`, onclick: () => needs.every((field) => field.reportValidity()) && act(`${path}/${path_}`, { reason: why.value.trim(), ...body() }) }, t(word));
    return [h('span', {}, h('b', {}, u.username), h('div', { class: 'small muted' }, time(u.created_at))), u.display_name, boxes.element,
      h('span', { class: `state ${u.active ? 'ok' : 'disposal'}` }, t(u.active ? 'may_sign_in' : 'locked_out')),
      h('div', { class: 'acts' }, why, h('div', { class: 'line' }, button('save_roles', 'roles', () => ({ roles: boxes.chosen() })), u.active ? button('deactivate', 'deactivation', () => ({})) : button('activate', 'activation', () => ({}))),
        h('div', { class: 'line' }, password, button('set_password', 'password', () => ({ password: password.value }), [password, why])))];
  }

  const name = h('input', { required: true, pattern: '[a-z0-9][a-z0-9._\\-]{1,63}', 'aria-label': t('username'), placeholder: t('username'), autocomplete: 'off', spellcheck: 'false' });
  const shown = h('input', { required: true, maxlength: 500, 'aria-label': t('display_name'), placeholder: t('display_name') });
  const secret = h('input', { type: 'password', required: true, minlength: 12, maxlength: 200, autocomplete: 'new-password', 'aria-label': t('password'), placeholder: t('password') });
  const chosen = roleBoxes([], 'new');
  const form = h('form', { class: 'card', onsubmit: async (e) => {
    e.preventDefault();
    const body = { username: name.value.trim(), display_name: shown.value.trim(), password: secret.value, roles: chosen.chosen() };
    if (await act('/users', body)) { form.reset(); }
  } }, h('h3', {}, t('new_user')), h('div', { class: 'line' }, name, shown, secret), chosen.element, h('button', { class: 'primary', type: 'submit' }, t('create')));

  draw();
  return { element: h('section', { class: 'page' }, h('h1', {}, t('users')), h('p', { class: 'muted' }, t('users_note')), said, list, form) };
}

function roleBoxes(held, of) {
  const boxes = ROLES.map((r) => h('input', { type: 'checkbox', value: r, checked: held.includes(r), 'aria-label': `${t(r)} ${of}` }));
  const element = h('div', { class: 'roles' }, boxes.map((box) => h('label', { class: 'small' }, box, ` ${t(box.value)} `)));
  return { element, chosen: () => boxes.filter((b) => b.checked).map((b) => b.value) };
}
