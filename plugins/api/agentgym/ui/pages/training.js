/* SPDX-License-Identifier: Apache-2.0 */
/* All training sessions. */
import {api} from '../api.js';
import {badge, button, confirmDialog, empty, fmt, guarded, h, pageHead, put, progress, table} from '../dom.js';
import {isOver} from '../live.js';

const REFRESH_MS = 2000;
const PAGE = 50;
const STATES = ['pending', 'running', 'pausing', 'paused', 'stopping', 'completed', 'stopped', 'failed'];
const COMPARE_MAX = 8;

const columns = [{title: ''}, {title: 'Session'}, {title: 'Scenario'}, {title: 'Learner'}, {title: 'Status'},
    {title: 'Progress'}, {title: 'Accuracy', numeric: true}, {title: 'Reward', numeric: true},
    {title: 'Time', numeric: true}, {title: ''}];

/* The select boxes of a list, and the button that compares what is selected. */
export function compareChoice(kind) {
    const chosen = new Set();
    const go = button('Compare', () => {
        location.hash = `#/compare?${kind}=${[...chosen].map(encodeURIComponent).join(',')}`;
    }, {disabled: true});
    const update = () => {
        go.textContent = chosen.size > 0 ? `Compare ${chosen.size}` : 'Compare';
        go.disabled = chosen.size < 2 || chosen.size > COMPARE_MAX;
        go.title = go.disabled ? `Select 2 to ${COMPARE_MAX}` : '';
    };

    update();
    return {
        go,
        box: (id, label) => h('input', {type: 'checkbox', checked: chosen.has(id),
            'aria-label': `Select ${label} to compare`, 'data-key': id, onchange: (event) => {
                if (event.target.checked)
                    chosen.add(id);
                else
                    chosen.delete(id);
                update();
            }}),
        forget: (id) => {
            chosen.delete(id);
            update();
        },
    };
}

export async function trainingPage(view) {
    const [scenarios] = await Promise.all([api.scenarios()]);
    const names = new Map(scenarios.map((one) => [one.id, one.name]));
    const choice = compareChoice('sessions');
    const body = h('div');
    const count = h('p', {class: 'muted', role: 'status'});
    const status = h('select', {'aria-label': 'Status', onchange: () => reload(true)},
        h('option', {value: ''}, 'All states'), STATES.map((name) => h('option', {value: name}, name)));
    const scenario = h('select', {'aria-label': 'Scenario', onchange: () => reload(true)},
        h('option', {value: ''}, 'All scenarios'),
        scenarios.map((one) => h('option', {value: one.id}, one.name)));
    let offset = 0, last = '';
    const older = button('Older', () => move(PAGE));
    const newer = button('Newer', () => move(-PAGE));

    async function remove(session, control) {
        if (!await confirmDialog('Delete session',
            'Its history and checkpoints are removed. Models made from it stay.', 'Delete'))
            return;
        await guarded(control, async () => {
            await api.deleteSession(session.session_id);
            choice.forget(session.session_id);
            await reload(false);
        });
    }

    function row(session) {
        return [choice.box(session.session_id, session.name || session.session_id),
            h('a', {href: `#/training/${session.session_id}`, 'data-key': `open-${session.session_id}`},
                session.name || session.session_id),
            names.get(session.scenario_id) || session.scenario_id,
            h('div', null, session.algorithm, h('small', null, session.framework)), badge(session.status),
            h('div', {class: 'cell-progress'},
                progress(session.current_episode, session.max_episodes, 'Episodes'),
                h('small', null, `${session.current_episode}/${session.max_episodes}`)),
            fmt.percent(session.accuracy), fmt.number(session.avg_reward), fmt.elapsed(session),
            isOver(session.status) ? button('Delete', (event) => remove(session, event.currentTarget),
                {class: 'button small', 'data-key': `delete-${session.session_id}`}) : ''];
    }

    /* Rows are drawn anew; the focus goes back to where it was. */
    function draw(list) {
        const key = document.activeElement?.dataset?.key;
        const to = Math.min(offset + list.items.length, list.total);

        count.textContent = list.total === 0 ? 'No sessions'
            : `${offset + 1} to ${to} of ${fmt.integer(list.total)} sessions`;
        older.disabled = to >= list.total;
        newer.disabled = offset === 0;
        put(body, list.items.length > 0 ? table('Training sessions', columns, list.items.map(row))
            : empty('No session here.', h('a', {class: 'button', href: '#/scenarios'}, 'Start training')));
        if (key)
            body.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
    }

    async function reload(isFromStart) {
        offset = isFromStart ? 0 : offset;
        const list = await api.sessions({status: status.value, scenario_id: scenario.value, limit: PAGE,
            offset});
        const text = JSON.stringify([list, offset]);

        if (text !== last)
            draw(list);
        last = text;
    }

    function move(by) {
        offset = Math.max(0, offset + by);
        guarded(null, () => reload(false));
    }

    await reload(true);
    view.show(pageHead('Training', 'Sessions on this server', choice.go,
        h('a', {class: 'button primary', href: '#/scenarios'}, 'Start training')),
    h('div', {class: 'filters'}, status, scenario, count), h('section', {class: 'card flush'}, body),
    h('div', {class: 'pager'}, newer, older));
    view.repeat(REFRESH_MS, () => reload(false).catch(() => undefined));
}
