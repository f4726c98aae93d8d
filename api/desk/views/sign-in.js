import { h } from '../dom.js';
import { signIn } from '../api.js';
import { errorWords } from '../errors.js';
import { lang, setLang, t } from '../i18n.js';

export function signInView(done, redraw, reason = null) {
  const said = h('p', { class: 'problem', role: 'alert', hidden: !reason }, reason ? errorWords(reason) : '');
  const name = h('input', { id: 'username', name: 'username', autocomplete: 'username', required: true, autocapitalize: 'none', spellcheck: 'false' });
  const word = h('input', { id: 'password', name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const go = h('button', { type: 'submit', class: 'primary' }, t('sign_in'));
  const form = h('form', {
    class: 'card signin',
    onsubmit: async (e) => {
      e.preventDefault();
      go.disabled = true;
      try {
        await signIn(name.value.trim(), word.value);
        done();
      } catch (error) {
        said.hidden = false;
        const words = errorWords(error.code === 'not_authenticated' ? 'wrong_password' : error.code);
        said.textContent = error.details?.retry_after_s ? `${words} (${error.details.retry_after_s} s)` : words;
        word.value = '';
        word.focus();
      } finally {
        go.disabled = false;
      }
    },
  },
  h('div', { class: 'mark' }, h('img', { src: '/desk/icon.svg', alt: '', width: 48, height: 48 }), h('h1', {}, 'Chuantou ', h('span', { class: 'han' }, '穿透'))),
  h('p', { class: 'muted' }, t('tagline')),
  h('label', { for: 'username' }, t('username')), name,
  h('label', { for: 'password' }, t('password')), word,
  said, go,
  h('button', { type: 'button', class: 'plain', onclick: () => { setLang(lang() === 'zh' ? 'en' : 'zh'); redraw(); } }, lang() === 'zh' ? 'English' : '中文'));
  setTimeout(() => name.focus());
  return h('div', { class: 'center' }, form);
}

