/* SPDX-License-Identifier: Apache-2.0 */
/* Building elements, formatting values, dialogs and messages. Text always goes in as text nodes. */

const SVG = 'http://www.w3.org/2000/svg';

function nodesOf(children) {
    return children.flat(Infinity)
        .filter((child) => child !== null && child !== undefined && child !== false)
        .map((child) => (child instanceof Node ? child : String(child)));
}

function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
        if (value === undefined || value === null || value === false)
            continue;
        if (name.startsWith('on'))
            element.addEventListener(name.slice(2), value);
        else if (name === 'value' || name === 'checked' || name === 'indeterminate')
            element[name] = value;
        else
            element.setAttribute(name, value === true ? '' : String(value));
    }
    element.append(...nodesOf(children));
    return element;
}

/* Replaces what element holds; nothing comes of null and false. */
export function put(element, ...children) {
    element.replaceChildren(...nodesOf(children));
}

export function h(tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

export function s(tag, attributes, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
}

let unique = 0;

export function newId(prefix) {
    return `${prefix}-${++unique}`;
}

/* ---- values in words ---- */

export const fmt = {
    number(value, digits = 2) {
        return Number.isFinite(value) ? value.toLocaleString('en-US',
            {minimumFractionDigits: digits, maximumFractionDigits: digits}) : '–';
    },
    short(value) { /* as many digits as say something */
        if (!Number.isFinite(value))
            return '–';
        if (value !== 0 && Math.abs(value) < 0.001)
            return value.toExponential(1);
        return value.toLocaleString('en-US', {maximumSignificantDigits: 4});
    },
    integer(value) {
        return Number.isFinite(value) ? value.toLocaleString('en-US') : '–';
    },
    percent(value, digits = 1) {
        return Number.isFinite(value) ? `${value.toFixed(digits)} %` : '–';
    },
    rate(value, digits = 1) { /* 0..1 */
        return fmt.percent(value * 100, digits);
    },
    bytes(value) {
        if (!Number.isFinite(value))
            return '–';
        if (value < 1024)
            return `${value} B`;
        return value < 1048576 ? `${(value / 1024).toFixed(1)} KiB`
            : `${(value / 1048576).toFixed(1)} MiB`;
    },
    elapsed(session) { /* short runs in tenths of a second */
        return session.elapsed_seconds < 60 ? `${session.elapsed_seconds.toFixed(1)} s` : session.elapsed_time;
    },
    time(iso) {
        const date = new Date(iso);
        return iso && !Number.isNaN(date.getTime()) ? date.toLocaleString(undefined,
            {dateStyle: 'medium', timeStyle: 'short'}) : '–';
    },
    day(iso) {
        return iso ? new Date(iso).toLocaleDateString(undefined, {dateStyle: 'medium'}) : '–';
    },
    clock(iso) {
        return iso ? new Date(iso).toLocaleTimeString(undefined, {timeStyle: 'short'}) : '';
    },
    words(name) { /* tool_reliability -> Tool reliability */
        const text = String(name).replace(/_/g, ' ');
        return text.charAt(0).toUpperCase() + text.slice(1);
    },
    list(values) {
        return values && values.length > 0 ? values.join(', ') : 'none';
    },
};

/* A metric by its name: amounts stay amounts, everything else is a share. */
export function metricText(name, value) {
    if (name.startsWith('sim_'))
        return fmt.number(value, 1);
    return name.startsWith('mean_') || name.endsWith('_per_ticket') ? fmt.number(value, 3) : fmt.rate(value);
}

/* ---- pieces of pages ---- */

export function button(label, onclick, attributes = {}) {
    return h('button', {type: 'button', class: 'button', onclick, ...attributes}, label);
}

export function badge(status) {
    return h('span', {class: `badge is-${status}`}, status);
}

export function progress(done, total, label) {
    return h('progress', {max: total || 1, value: done, 'aria-label': label}, `${done}/${total}`);
}

export function empty(text, ...actions) {
    return h('div', {class: 'empty'}, h('p', null, text), ...actions);
}

export function pageHead(title, subtitle, ...actions) {
    return h('header', {class: 'page-head'},
        h('div', null, h('h1', {tabindex: '-1'}, title), subtitle && h('p', {class: 'muted'}, subtitle)),
        actions.length > 0 && h('div', {class: 'actions'}, ...actions));
}

/* rows: [[term, value], ...]; empty values are left out. */
export function facts(rows) {
    return h('dl', {class: 'facts'}, rows
        .filter((row) => row && row[1] !== undefined && row[1] !== null && row[1] !== '')
        .map(([term, value]) => h('div', null, h('dt', null, term), h('dd', null, value))));
}

/* columns: [{title, numeric}], rows: arrays of cells. */
export function table(caption, columns, rows) {
    const cell = (tag, column, ...content) =>
        h(tag, {class: column.numeric ? 'numeric' : undefined, scope: tag === 'th' ? 'col' : undefined},
            ...content);

    return h('div', {class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': caption},
        h('table', null, h('caption', {class: 'visually-hidden'}, caption),
            h('thead', null, h('tr', null, columns.map((c) => cell('th', c, c.title)))),
            h('tbody', null, rows.map((row) =>
                h('tr', null, row.map((value, i) => cell('td', columns[i], value)))))));
}

/* ---- forms ---- */

/* One labelled control; options gives a list to choose from. */
export function field(name, label, attributes = {}, options = null) {
    const id = newId('field');
    const {hint, value, ...rest} = attributes;
    const common = {id, name, 'aria-describedby': `${id}-note`, ...rest};
    let control;

    if (options)
        control = h('select', common, options.map((o) => {
            const [key, text] = Array.isArray(o) ? o : [o, o];
            return h('option', {value: key, selected: String(key) === String(value)}, text);
        }));
    else if (rest.type === 'textarea')
        control = h('textarea', {...common, type: undefined}, value ?? '');
    else
        control = h('input', {type: 'text', autocomplete: 'off', ...common, value: value ?? ''});
    return h('div', {class: 'field', 'data-field': name},
        h('label', {for: id}, label), control,
        h('p', {class: 'note', id: `${id}-note`, 'data-hint': hint || ''}, hint || ''));
}

/* Marks the controls that the server found fault with; returns what belongs to no control. */
export function markFields(form, fields) {
    const left = {...fields};
    let first = null;

    for (const box of form.querySelectorAll('.field')) {
        const control = box.querySelector('input, select, textarea');
        const note = box.querySelector('.note');
        const message = left[box.dataset.field];

        delete left[box.dataset.field];
        box.classList.toggle('is-wrong', message !== undefined);
        note.textContent = message ?? note.dataset.hint;
        if (message === undefined) {
            control.removeAttribute('aria-invalid');
            continue;
        }
        control.setAttribute('aria-invalid', 'true');
        control.closest('details')?.setAttribute('open', '');
        first = first || control;
    }
    first?.focus();
    return Object.entries(left).map(([name, message]) => `${name}: ${message}`);
}

/* ---- messages and dialogs ---- */

export function toast(text, kind = 'info') {
    const box = h('div', {class: `toast is-${kind}`, role: kind === 'error' ? 'alert' : 'status'},
        h('span', null, text),
        h('button', {type: 'button', class: 'icon', 'aria-label': 'Dismiss', onclick: () => box.remove()},
            '×'));

    document.getElementById('toasts').append(box);
    setTimeout(() => box.remove(), kind === 'error' ? 12000 : 5000);
}

/* Runs work with the button off, and says what went wrong. */
export async function guarded(control, work) {
    if (control)
        control.disabled = true;
    try {
        return await work();
    } catch (error) {
        if (error.name !== 'AbortError')
            toast(error.message, 'error');
        return undefined;
    } finally {
        if (control)
            control.disabled = false;
    }
}

/* content(close) gives the nodes; resolves with what close() was given. */
export function dialog(title, content, attributes = {}) {
    return new Promise((resolve) => {
        const id = newId('dialog');
        let answer;
        const box = h('dialog', {'aria-labelledby': id, onclose: () => {
            box.remove();
            resolve(answer);
        }, ...attributes});
        const close = (value) => {
            answer = value;
            box.close();
        };

        box.append(h('header', null, h('h2', {id}, title),
            h('button', {type: 'button', class: 'icon', 'aria-label': 'Close', onclick: () => close()},
                '×')), ...[content(close)].flat());
        document.body.append(box);
        box.showModal();
        box.querySelector('[autofocus], form input, form select, form textarea')?.focus();
    });
}

export function confirmDialog(title, text, label) {
    return dialog(title, (close) => [h('p', null, text), h('footer', null,
        button('Cancel', () => close(false)),
        button(label, () => close(true), {class: 'button danger', autofocus: true}))],
    {class: 'small'});
}

/* A form in a dialog. submit(values) may throw an ApiError, which is shown at its fields. */
export function formDialog(title, nodes, label, submit) {
    return dialog(title, (close) => {
        const problem = h('p', {class: 'problem', role: 'alert', hidden: true});
        const go = h('button', {type: 'submit', class: 'button primary'}, label);
        const form = h('form', {novalidate: true, onsubmit: async (event) => {
            event.preventDefault();
            problem.hidden = true;
            go.disabled = true;
            try {
                close(await submit(form));
            } catch (error) {
                const rest = markFields(form, error.fields || {});
                const isMarked = Object.keys(error.fields || {}).length > rest.length;
                problem.textContent = isMarked ? rest.join('. ') || 'Please check the marked fields.'
                    : error.message;
                problem.hidden = false;
            } finally {
                go.disabled = false;
            }
        }}, h('div', {class: 'form-body'}, ...nodes), problem,
        h('footer', null, button('Cancel', () => close()), go));

        return form;
    });
}

export function download(blob, filename) {
    const url = URL.createObjectURL(blob);
    const link = h('a', {href: url, download: filename});

    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
}
