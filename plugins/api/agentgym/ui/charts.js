/* SPDX-License-Identifier: Apache-2.0 */
/* Line charts, bars and a confusion table as SVG and HTML. Colours come from the style sheet. */
import {fmt, h, newId, s} from './dom.js';

const NARROW = 280;
const HEIGHT = 240;
const LEFT = 48;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 26;

/* Round steps of 1, 2 or 5 times a power of ten. */
function ticks(low, high, wanted) {
    const raw = (high - low) / wanted || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * power).find((v) => v >= raw) ?? 10 * power;
    const out = [];

    for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step)
        out.push(Math.abs(v) < step * 1e-9 ? 0 : v);
    return out;
}

function tickText(value) {
    return Math.abs(value) >= 10000 ? value.toExponential(0)
        : value.toLocaleString('en-US', {maximumSignificantDigits: 3});
}

/* [[x, y], ...] as path data. */
function pathOf(points, x, y) {
    return points.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${x(px).toFixed(1)},${y(py).toFixed(1)}`)
        .join('');
}

/* 95 % interval of a share (Wilson), in percent. */
export function wilson(percent, n) {
    const z = 1.959964, p = percent / 100;
    const middle = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
    const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));

    return [Math.max(0, middle - half) * 100, Math.min(1, middle + half) * 100];
}

/* One chart that is updated in place:
 *   new LineChart({title, unit, digits, min, max}); chart.update({series, lines, bands, domain})
 *   series: [{name, kind: 1..8 or 'raw', points: [[x, y]], dots}]; lines: [{name, value, kind}];
 *   bands: [{points: [[x, low, high]]}]; domain: [from, to] of x. */
export class LineChart {
    constructor(options) {
        this.options = {digits: 2, unit: '', xName: 'Episode', ...options};
        this.data = {series: [], lines: [], bands: [], domain: [0, 1]};
        this.cursor = null;
        this.width = 640;
        const titleId = newId('chart');
        this.svg = s('svg', {class: 'plot', role: 'img', tabindex: '0',
            'aria-labelledby': titleId, 'aria-keyshortcuts': 'ArrowLeft ArrowRight'});
        this.legend = h('div', {class: 'legend'});
        this.readout = h('p', {class: 'readout', 'aria-live': 'polite'});
        this.node = h('figure', {class: 'chart'},
            h('figcaption', null, h('h3', {id: titleId}, this.options.title), this.legend),
            this.svg, this.readout);
        this.listen();
        new ResizeObserver(() => this.fit()).observe(this.svg);
    }

    /* One unit is one pixel, so that text keeps its size in charts of any width. */
    fit() {
        const width = Math.max(NARROW, Math.round(this.svg.clientWidth));

        if (width === this.width || this.svg.clientWidth === 0)
            return;
        this.width = width;
        this.draw();
    }

    listen() {
        this.svg.addEventListener('pointermove', (event) => {
            const box = this.svg.getBoundingClientRect();
            const [from, to] = this.data.domain;
            const inner = ((event.clientX - box.left) / box.width) * this.width;
            const share = (inner - LEFT) / (this.width - LEFT - RIGHT);

            this.point(from + Math.min(1, Math.max(0, share)) * (to - from));
        });
        this.svg.addEventListener('pointerleave', () => this.point(null));
        this.svg.addEventListener('blur', () => this.point(null));
        this.svg.addEventListener('keydown', (event) => {
            const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10}[event.key];
            const xs = this.data.series[0]?.points.map((p) => p[0]) ?? [];

            if (event.key === 'Escape')
                this.point(null);
            if (step === undefined || xs.length === 0)
                return;
            event.preventDefault();
            const at = this.cursor === null ? (step > 0 ? -1 : xs.length)
                : xs.findIndex((x) => x >= this.cursor);
            this.point(xs[Math.min(xs.length - 1, Math.max(0, at + step))]);
        });
    }

    update(data) {
        this.data = {lines: [], bands: [], ...data};
        this.draw();
    }

    range() {
        const {series, lines, bands} = this.data;
        const values = [...series.flatMap((one) => one.points.map((p) => p[1])),
            ...lines.map((l) => l.value), ...bands.flatMap((b) => b.points.flatMap((p) => [p[1], p[2]]))]
            .filter(Number.isFinite);
        let low = this.options.min ?? (values.length > 0 ? Math.min(...values) : 0);
        let high = this.options.max ?? (values.length > 0 ? Math.max(...values) : 1);
        const room = (high - low || Math.abs(high) || 1) * 0.06;

        if (this.options.min === undefined)
            low -= room;
        if (this.options.max === undefined)
            high += room;
        return [low, high];
    }

    draw() {
        const [low, high] = this.range();
        const [from, to] = this.data.domain;

        this.x = (v) => LEFT + ((v - from) / (to - from || 1)) * (this.width - LEFT - RIGHT);
        this.y = (v) => TOP + ((high - v) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);
        this.svg.setAttribute('viewBox', `0 0 ${this.width} ${HEIGHT}`);
        this.mark = s('g', {class: 'cursor'});
        this.svg.replaceChildren(...this.grid(low, high, from, to), ...this.shapes(), this.mark);
        this.drawLegend();
        this.point(this.cursor);
    }

    grid(low, high, from, to) {
        const out = [];

        for (const v of ticks(low, high, 4)) {
            out.push(s('line', {class: 'grid', x1: LEFT, x2: this.width - RIGHT, y1: this.y(v), y2: this.y(v)}),
                s('text', {class: 'tick', x: LEFT - 6, y: this.y(v) + 3.5, 'text-anchor': 'end'},
                    tickText(v)));
        }
        for (const v of ticks(from, to, Math.max(2, this.width / 90)).filter(Number.isInteger))
            out.push(s('text', {class: 'tick', x: this.x(v), y: HEIGHT - 8, 'text-anchor': 'middle'},
                tickText(v)));
        return out;
    }

    shapes() {
        const {series, lines, bands} = this.data;
        const out = [];

        for (const band of bands.filter((b) => b.points.length > 1)) {
            const upper = band.points.map((p) => [p[0], p[2]]);
            const lower = band.points.map((p) => [p[0], p[1]]).reverse();
            out.push(s('path', {class: `band kind-${band.kind ?? 1}`,
                d: `${pathOf([...upper, ...lower], this.x, this.y)}Z`}));
        }
        for (const line of lines.filter((l) => Number.isFinite(l.value)))
            out.push(s('line', {class: `reference ${line.kind}`, x1: LEFT, x2: this.width - RIGHT,
                y1: this.y(line.value), y2: this.y(line.value)}));
        for (const one of series) {
            if (one.points.length === 0)
                continue;
            out.push(s('path', {class: `line kind-${one.kind}`, d: pathOf(one.points, this.x, this.y)}));
            if (one.dots || one.points.length === 1)
                out.push(...one.points.map(([px, py]) => s('circle',
                    {class: `dot kind-${one.kind}`, cx: this.x(px), cy: this.y(py), r: 2.5})));
        }
        return out;
    }

    drawLegend() {
        const {series, lines, bands} = this.data;
        const value = (v) => fmt.number(v, this.options.digits) + this.options.unit;

        this.legend.replaceChildren(
            ...series.map((one) => h('span', {class: `key kind-${one.kind}`}, one.name)),
            ...bands.filter((b) => b.name && b.points.length > 1).map((b) => h('span', {class: 'key band'}, b.name)),
            ...lines.filter((l) => Number.isFinite(l.value)).map((l) =>
                h('span', {class: `key ${l.kind}`}, `${l.name} ${value(l.value)}`)));
    }

    /* Shows the values nearest to x, or the latest ones. */
    point(x) {
        const {series} = this.data;
        const near = (points) => points.reduce((best, p) =>
            (best === null || Math.abs(p[0] - x) < Math.abs(best[0] - x) ? p : best), null);
        const latest = series.map((one) => one.points[one.points.length - 1] ?? null);
        const found = x === null ? latest : series.map((one) => near(one.points));
        const first = found.find((p) => p !== null);

        this.cursor = x;
        this.mark.replaceChildren();
        if (!first) {
            this.readout.textContent = 'No data yet.';
            return;
        }
        if (x !== null) {
            this.mark.append(s('line', {x1: this.x(first[0]), x2: this.x(first[0]), y1: TOP,
                y2: HEIGHT - BOTTOM}));
            found.forEach((p, i) => p && this.mark.append(s('circle',
                {class: `dot kind-${series[i].kind}`, cx: this.x(p[0]), cy: this.y(p[1]), r: 4})));
        }
        const values = found.map((p, i) => p && `${series[i].name} `
            + `${fmt.number(p[1], this.options.digits)}${this.options.unit}`).filter(Boolean);
        this.readout.textContent = `${this.options.xName} ${fmt.integer(first[0])}: ${values.join(' · ')}`;
    }
}

/* rows: [{name, share, isBest}], share 0..1. */
export function bars(label, rows) {
    return h('ul', {class: 'bars', 'aria-label': label}, rows.map((row) =>
        h('li', {class: row.isBest ? 'is-best' : undefined},
            h('span', {class: 'name'}, row.name),
            h('meter', {min: 0, max: 1, value: row.share, 'aria-hidden': 'true'}),
            h('span', {class: 'value'}, fmt.rate(row.share)))));
}

/* How often each task ended with each final tool. */
export function confusion(tasks, finals, counts) {
    const level = (row, n) => Math.round((n / (row.reduce((a, b) => a + b, 0) || 1)) * 5);

    return h('div', {class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': 'Task by final tool'},
        h('table', {class: 'confusion'},
            h('thead', null, h('tr', null, h('th', {scope: 'col'}, 'Task'),
                finals.map((name) => h('th', {scope: 'col', class: 'numeric'}, name)))),
            h('tbody', null, counts.map((row, i) => h('tr', null,
                h('th', {scope: 'row'}, tasks[i] ?? `task ${i}`),
                row.map((n) => h('td', {class: `numeric heat-${level(row, n)}`}, fmt.integer(n))))))));
}
