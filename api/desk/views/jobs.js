// The scheduled lane: when each job fires next, how it ran last, and a run on request.

import { h, replace } from '../dom.js';
import { get, may, post } from '../api.js';
import { count, due, time } from '../format.js';
import { t } from '../i18n.js';
import { facts, pager, problem, state, table } from '../parts.js';

export function jobsView() {
  const said = h('div', { 'aria-live': 'polite' });
  const body = h('div', {}, h('p', { class: 'empty' }, t('loading')));
  const runs = pager('/jobs', {});

  async function draw() {
    try {
      const first = await runs.reload();
      if (!first) return;
      const last = await Promise.all(first.schedule.map((s) => get('/jobs', { job: s.job, limit: 1 })));
      show(first.schedule.map((s, i) => ({ ...s, run: last[i].items[0] })));
    } catch (error) { replace(body, problem(error)); }
  }

  function show(schedule) {
    const open = new Set([...body.querySelectorAll('details[open]')].map((d) => d.dataset.key));
    replace(body,
      h('div', { class: 'card' }, h('h3', {}, t('schedule')),
        table([[t('job')], [t('next_fire')], [t('last_run')], [t('status')], [t('took'), 'num'], ['']], schedule.map((s) => [h('b', {}, t(s.job)), [time(s.next_fire_at), ' ', due(s.next_fire_at)],
          s.run ? time(s.run.started_at) : '–', s.run ? state(s.run.status) : '–', s.run ? took(s.run) : '–',
          may('job.run') ? h('button', { 'data-key': `run-${s.job}`, onclick: () => run(s.job) }, t('run_now')) : '']), t('no_schedule'))),
      h('div', { class: 'card' }, h('h3', {}, t('runs')),
        table([[t('job')], [t('as_of')], [t('started')], [t('status')], [t('took'), 'num'], [t('found')]], runs.rows.map((r) => [t(r.job), time(r.as_of), time(r.started_at), state(r.status), took(r),
          h('details', { 'data-key': r.run_id, open: open.has(r.run_id) }, h('summary', {}, found(r)), facts({ findings: r.findings, errors: r.errors, inputs: r.inputs }))]), t('no_runs')),
        runs.button(() => show(schedule), 'more-runs')));
  }

  async function run(job) {
    try {
      await post(`/jobs/${encodeURIComponent(job)}/run`);
      replace(said, h('p', { class: 'done', role: 'status' }, `${t(job)}: ${t('run_asked')}`));
    } catch (error) { replace(said, problem(error)); }
    draw();
  }

  draw();
  const timer = setInterval(draw, 10000);
  return { element: h('section', { class: 'page' }, h('h1', {}, t('jobs')), h('p', { class: 'muted' }, t('jobs_note')), said, body), stop: () => clearInterval(timer) };
}

const took = (r) => (r.duration_ms === null ? '–' : `${count(r.duration_ms)} ms`);

function found(r) {
  const n = Object.values(r.findings).reduce((a, b) => a + b, 0);
  return `${count(n)} ${t('findings')}${r.errors.length ? ` · ${count(r.errors.length)} ${t('errors')}` : ''}`;
}
