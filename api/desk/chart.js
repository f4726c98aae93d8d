// Two small pictures of coverage: where it stands against its lines, and how it came there. Own SVG, no library.

import { h, s } from './dom.js';
import { ratio, shortTime, stamp } from './format.js';
import { t } from './i18n.js';

const LINES = [['warning_line', 'warn'], ['margin_call_line', 'call'], ['disposal_line', 'disp']];

// A bar from the disposal line's left to well above the warning line, with a mark where coverage stands.
export function gauge(v, W = 340) {
  if (!v || v.coverage === null) return h('span', { class: 'muted' }, t(v ? 'no_exposure' : 'not_enough_history'));
  const warn = Number(v.warning_line);
  const low = Math.min(Number(v.disposal_line) - 0.1, Number(v.coverage));
  const high = Math.max(warn + (warn - low), Math.min(Number(v.coverage) + 0.05, warn * 2));
  const x = (c) => Math.max(3, Math.min(W - 3, ((c - low) / (high - low)) * W));
  const cuts = [0, x(Number(v.disposal_line)), x(Number(v.margin_call_line)), x(warn), W];
  const zones = ['z-disp', 'z-call', 'z-warn', 'z-ok'].map((c, i) => s('rect', { class: c, x: cuts[i], y: 8, width: Math.max(0, cuts[i + 1] - cuts[i]), height: 8 }));
  const at = x(Number(v.coverage));
  const words = `${t('coverage')} ${ratio(v.coverage)}; ${LINES.map(([k]) => `${t(k)} ${ratio(v[k])}`).join('; ')}`;
  return s('svg', { class: 'gauge', viewBox: `0 0 ${W} 24`, role: 'img', 'aria-label': words }, s('title', {}, words), zones,
    LINES.map(([k, c]) => s('line', { class: `tick ${c}`, x1: x(Number(v[k])), x2: x(Number(v[k])), y1: 4, y2: 20 })),
    s('path', { class: 'needle', d: `M${at} 17 l5 7 h-10 z` }), s('line', { class: 'needle', x1: at, x2: at, y1: 3, y2: 18 }));
}

function ticks(low, high, wanted) {
  const raw = (high - low) / wanted;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * size).find((m) => m >= raw);
  const out = [];
  for (let at = Math.ceil(low / step) * step; at <= high + 1e-9; at += step) out.push(at);
  return out;
}

// Names at the right edge, pushed apart where lines lie close together.
function spread(labels, gap, top, bottom) {
  labels.sort((a, b) => a.y - b.y);
  for (let i = 0; i < labels.length; i += 1) labels[i].at = Math.max(labels[i].y, i ? labels[i - 1].at + gap : top);
  const over = labels.length ? labels[labels.length - 1].at - bottom : 0;
  if (over > 0) for (let i = labels.length - 1; i >= 0; i -= 1) labels[i].at = Math.min(labels[i].at, i === labels.length - 1 ? bottom : labels[i + 1].at - gap);
  return labels;
}

export function coverageChart(valuations) {
  const points = valuations.filter((v) => v.coverage !== null).map((v) => ({ v, at: Date.parse(v.as_of), c: Number(v.coverage) })).sort((a, b) => a.at - b.at);
  if (points.length < 2 || points[0].at === points[points.length - 1].at) return h('p', { class: 'empty' }, t('not_enough_history'));
  const W = 860; const H = 280; const L = 58; const R = 150; const T = 14; const B = 32;
  const last = points[points.length - 1];
  const lineValues = LINES.map(([k]) => Number(last.v[k]));
  const all = [...points.map((p) => Math.min(p.c, lineValues[0] * 1.8)), ...lineValues];
  const pad = (Math.max(...all) - Math.min(...all)) * 0.12 || 0.05;
  const low = Math.min(...all) - pad; const high = Math.max(...all) + pad;
  const from = points[0].at; const to = last.at;
  const x = (at) => L + ((at - from) / (to - from)) * (W - L - R);
  const y = (c) => T + ((high - Math.min(c, high)) / (high - low)) * (H - T - B);
  const wide = to - from > 3 * 86400000;
  const path = (value) => points.map((p, i) => `${i ? `H${x(p.at).toFixed(1)}V` : `M${x(p.at).toFixed(1)} `}${y(value(p)).toFixed(1)}`).join('');
  const labels = spread([...LINES.map(([k, c]) => ({ y: y(Number(last.v[k])), c, text: `${t(k)} ${ratio(last.v[k])}` })), { y: y(last.c), c: 'cov', text: `${t('coverage')} ${ratio(last.v.coverage)}` }], 15, T + 4, H - B);
  const cross = s('g', { class: 'cross', visibility: 'hidden' }, s('line', { y1: T, y2: H - B }), s('circle', { r: 4 }));
  const tip = h('div', { class: 'tip', hidden: true });
  const timeTicks = Array.from({ length: 5 }, (_, i) => from + ((to - from) * i) / 4);
  const svg = s('svg', { class: 'chart', viewBox: `0 0 ${W} ${H}`, role: 'img', 'aria-label': `${t('coverage_through_time')}: ${ratio(points[0].v.coverage)} → ${ratio(last.v.coverage)}` },
    ticks(low, high, 5).map((c) => [s('line', { class: 'grid', x1: L, x2: W - R, y1: y(c), y2: y(c) }), s('text', { class: 'axis', x: L - 8, y: y(c) + 4, 'text-anchor': 'end' }, `${(c * 100).toFixed(0)} %`)]),
    timeTicks.map((at, i) => s('text', { class: 'axis', x: x(at), y: H - 10, 'text-anchor': i === 0 ? 'start' : i === 4 ? 'end' : 'middle' }, shortTime(new Date(at), wide))),
    LINES.map(([k, c]) => s('path', { class: `level ${c}`, d: path((p) => Number(p.v[k])) })),
    s('path', { class: 'curve', d: path((p) => p.c) }),
    labels.map((l) => [s('line', { class: `lead ${l.c}`, x1: W - R, x2: W - R + 10, y1: l.y, y2: l.at }), s('text', { class: `name ${l.c}`, x: W - R + 14, y: l.at + 4 }, l.text)]),
    cross);
  svg.addEventListener('pointermove', (e) => {
    const box = svg.getBoundingClientRect();
    const at = from + (((e.clientX - box.left) / box.width) * W - L) / (W - L - R) * (to - from);
    const p = points.reduce((best, q) => (q.at <= at ? q : best), points[0]);
    cross.setAttribute('visibility', 'visible');
    cross.firstChild.setAttribute('x1', x(p.at)); cross.firstChild.setAttribute('x2', x(p.at));
    cross.lastChild.setAttribute('cx', x(p.at)); cross.lastChild.setAttribute('cy', y(p.c));
    tip.hidden = false;
    tip.textContent = `${stamp(p.v.as_of)} · ${ratio(p.v.coverage)} · ${t(p.v.line_state)}`;
  });
  svg.addEventListener('pointerleave', () => { cross.setAttribute('visibility', 'hidden'); tip.hidden = true; });
  return h('figure', { class: 'chartbox' }, svg, tip);
}
